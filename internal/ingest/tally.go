package ingest

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluicelog/sluice/internal/metrics"
	"github.com/sluicelog/sluice/internal/plugin"
	"github.com/sluicelog/sluice/internal/status"
)

// tally counts what a source takes in, for Prometheus and for monitor_agent.
type tally struct {
	env           plugin.Env
	events, bytes prometheus.Counter
	dropped       *prometheus.CounterVec
	refused       *prometheus.CounterVec
	records, size atomic.Int64
}

func newTally(env plugin.Env) *tally {
	m := env.Metrics
	if m == nil {
		m = metrics.New()
	}
	return &tally{
		env:     env,
		events:  m.Counter("relay_input_events_total", "Events that came in.", "plugin_id", "type").WithLabelValues(env.ID, env.Type),
		bytes:   m.Counter("relay_input_bytes_total", "Bytes of the bodies that came in.", "plugin_id", "type").WithLabelValues(env.ID, env.Type),
		dropped: m.Counter("relay_events_dropped_total", "Events that were thrown away, by reason.", "plugin_id", "reason"),
		refused: m.Counter("relay_input_refused_total", "Connections that a source of texts closed, by reason.", "plugin_id", "reason"),
	}
}

// add counts events that came in, and the bytes that they came in.
func (t *tally) add(events, size int) {
	t.events.Add(float64(events))
	t.bytes.Add(float64(size))
	t.records.Add(int64(events))
	t.size.Add(int64(size))
}

// drop counts events that were thrown away.
func (t *tally) drop(reason string, events int) {
	t.dropped.WithLabelValues(t.env.ID, reason).Add(float64(events))
}

// refuse counts a connection that was closed.
func (t *tally) refuse(reason string) { t.refused.WithLabelValues(t.env.ID, reason).Inc() }

// status is the source's snapshot.
func (t *tally) status() status.Plugin {
	records, size := t.records.Load(), t.size.Load()
	return status.Plugin{ID: t.env.ID, Category: "input", Type: t.env.Type, EmitRecords: &records, EmitSize: &size}
}
