package output

import (
	"fmt"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// relabel hands events to another label, or with @ROOT back to the top level.
type relabel struct {
	env   plugin.Env
	label string
}

// NewRelabel makes a relabel output.
func NewRelabel(env plugin.Env) plugin.Passer { return &relabel{env: env} }

func (o *relabel) Params(p *param.Set) {
	p.String("@label", &o.label, "", "Label that gets the events.").Required()
}

// Check finds the label.
func (o *relabel) Check() error { return checkLabel(o.env, o.label) }

func checkLabel(env plugin.Env, label string) error {
	if env.Label(label) == nil {
		return param.Errorf("@label", "write a <label "+label+"> section, or correct the name", "%s label not found", label)
	}
	return nil
}

// Accept passes the events on within the same transaction.
func (o *relabel) Accept(tx *plugin.Tx, tag string, es event.Stream) error {
	if err := tx.Deeper(); err != nil {
		return fmt.Errorf("relabel to %s: %w", o.label, err)
	}
	return o.env.Label(o.label).Accept(tx, tag, es)
}
