package ingest

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluicelog/sluice/internal/metrics"
	"github.com/sluicelog/sluice/internal/plugin"
)

// forwardCounts is the numbers of one forward source.
type forwardCounts struct {
	id      string
	open    prometheus.Gauge
	acks    prometheus.Counter
	refused *prometheus.CounterVec
}

func newForwardCounts(env plugin.Env) *forwardCounts {
	m := env.Metrics
	if m == nil {
		m = metrics.New()
	}
	return &forwardCounts{
		id:      env.ID,
		open:    m.Gauge("relay_forward_connections", "Connections open now.", "plugin_id").WithLabelValues(env.ID),
		acks:    m.Counter("relay_forward_acks_total", "Messages that were acknowledged: their events are on disk.", "plugin_id").WithLabelValues(env.ID),
		refused: m.Counter("relay_forward_refused_total", "Connections and messages that were refused, by reason; the sender was told, or the connection closed.", "plugin_id", "reason"),
	}
}

// refuse counts a refusal: anonymous, shared_key, user or handshake for
// connections, crowded out too; too_large, invalid, packed, malformed, timeout, full or emit for
// messages.
func (c *forwardCounts) refuse(reason string) { c.refused.WithLabelValues(c.id, reason).Inc() }
