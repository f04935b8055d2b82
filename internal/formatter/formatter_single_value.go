package formatter

import (
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// singleValue writes one field as text; nothing when the record lacks it.
type singleValue struct {
	newline
	key string
}

// NewSingleValue makes a single_value formatter.
func NewSingleValue(plugin.Env) plugin.Formatter { return new(singleValue) }

func (f *singleValue) Params(p *param.Set) {
	p.String("message_key", &f.key, "message", "Field to write.")
	f.params(p)
}

func (f *singleValue) Format(dst []byte, _ string, e event.Event) ([]byte, error) {
	v, _ := e.Record.Get(f.key)
	return f.end(event.AppendText(dst, v)), nil
}
