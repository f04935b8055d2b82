package output

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluicelog/sluice/internal/metrics"
)

// forwardCounts is the numbers of one forward output, by server. A nil one counts
// nothing.
type forwardCounts struct {
	id        string
	available *prometheus.GaugeVec
	chunks    *prometheus.CounterVec
	failures  *prometheus.CounterVec
}

func newForwardCounts(m *metrics.Registry, id string) *forwardCounts {
	if m == nil {
		return nil
	}
	return &forwardCounts{
		id:        id,
		available: m.Gauge("relay_forward_server_available", "1 while the server is used, 0 while it counts as away.", "plugin_id", "server"),
		chunks:    m.Counter("relay_forward_chunks_total", "Chunks that a server took; acknowledged by it where that is asked for.", "plugin_id", "server"),
		failures:  m.Counter("relay_forward_failures_total", "Attempts to send a chunk that failed: connect, send, ack_timeout, closed, other_ack.", "plugin_id", "server", "reason"),
	}
}

func (c *forwardCounts) usable(n *node, usable bool) {
	if c == nil {
		return
	}
	value := 0.0
	if usable {
		value = 1
	}
	c.available.WithLabelValues(c.id, n.String()).Set(value)
}

func (c *forwardCounts) forget(n *node) {
	if c != nil {
		c.available.DeleteLabelValues(c.id, n.String())
	}
}

func (c *forwardCounts) sent(n *node) {
	if c != nil {
		c.chunks.WithLabelValues(c.id, n.String()).Inc()
	}
}

func (c *forwardCounts) fail(n *node, reason string) {
	if c != nil {
		c.failures.WithLabelValues(c.id, n.String(), reason).Inc()
	}
}
