package ingest

import (
	"context"

	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// idle is a source that Fluentd has and that does nothing here: configurations that
// hold it go on to work.
type idle struct {
	env    plugin.Env
	params func(*param.Set)
	reason string
}

func (in *idle) Params(p *param.Set) { in.params(p) }

// Run waits until ctx ends.
func (in *idle) Run(ctx context.Context, _ plugin.Emitter) error {
	if in.reason != "" {
		in.env.Log.Warn("source @type " + in.env.Type + " has no effect: " + in.reason)
	}
	<-ctx.Done()
	return nil
}

// NewDebugAgent makes a debug_agent source, which lets Ruby programs look into a
// Fluentd.
func NewDebugAgent(env plugin.Env) plugin.Input {
	return &idle{env: env, reason: "there is no Ruby to look into; the admin API and `relay top` show what goes on", params: func(p *param.Set) {
		for _, name := range []string{"bind", "port", "unix_path", "object"} {
			p.Ignore(name, "debug_agent has no effect")
		}
	}}
}
