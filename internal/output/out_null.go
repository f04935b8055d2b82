package output

import (
	"context"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// null throws events away because the configuration says so, and counts them.
type null struct {
	env        plugin.Env
	neverFlush bool
	discarded  interface{ Add(float64) }
}

// NewNull makes a null output.
func NewNull(env plugin.Env) plugin.Direct {
	dropped := env.Metrics.Counter("relay_events_dropped_total", "Events that were thrown away, by reason.", "plugin_id", "reason")
	return &null{env: env, discarded: dropped.WithLabelValues(env.ID, "null output")}
}

func (o *null) Params(p *param.Set) {
	p.Bool("never_flush", &o.neverFlush, false, "Accepted; it only serves tests of Fluentd.")
}

// Emit counts and forgets.
func (o *null) Emit(_ context.Context, _ string, es event.Stream) error {
	o.discarded.Add(float64(len(es)))
	return nil
}
