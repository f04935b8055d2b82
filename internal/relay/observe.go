package relay

import (
	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/ingest"
	"github.com/sluicelog/sluice/internal/plugin"
	"github.com/sluicelog/sluice/internal/status"
)

// observe gives a source that watches the pipeline what it watches.
func (b *builder) observe(in plugin.Input) {
	if m, ok := in.(interface{ SetBoard(*status.Board) }); ok {
		m.SetBoard(b.relay.Board)
	}
	if m, ok := in.(interface {
		SetMatcher(func(tag string) (string, bool))
	}); ok {
		m.SetMatcher(b.relay.outputOf)
	}
	if m, ok := in.(interface {
		MetricLabels() (prefix string, labels []ingest.Label)
	}); ok {
		prefix, labels := m.MetricLabels()
		for _, l := range labels {
			b.relay.Board.Label(prefix, l.Name, l.Value)
		}
	}
}

// outputOf is the id of the output that takes a tag at the top level.
func (r *Relay) outputOf(tag string) (string, bool) {
	id, ok := r.outputIDs[r.pipelines[rootLabel].Output(tag)]
	return id, ok
}

// report puts a plugin on the board, with the parameters of its section.
func (b *builder) report(r status.Reporter, n *conf.Node) {
	b.relay.Board.Report(&configured{r, n})
}

// configured adds a section's parameters to what a plugin says of itself.
type configured struct {
	status.Reporter
	node *conf.Node
}

func (c *configured) Status() status.Plugin {
	p := c.Reporter.Status()
	p.Config = c.node.Shown()
	return p
}
