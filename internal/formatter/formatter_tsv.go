package formatter

import (
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// tsv writes some fields with tabs between. What is not there is empty; tabs
// within values stay, as in Fluentd.
type tsv struct {
	newline
	keys      []string
	delimiter string
}

// NewTSV makes a tsv formatter.
func NewTSV(plugin.Env) plugin.Formatter { return new(tsv) }

func (f *tsv) Params(p *param.Set) {
	p.Strings("keys", &f.keys, nil, "Fields to write, in order.").Required()
	p.String("delimiter", &f.delimiter, "\t", "What stands between values.")
	f.params(p)
}

func (f *tsv) Format(dst []byte, _ string, e event.Event) ([]byte, error) {
	for i, key := range f.keys {
		if i > 0 {
			dst = append(dst, f.delimiter...)
		}
		v, _ := e.Record.Get(key)
		dst = event.AppendText(dst, v)
	}
	return f.end(dst), nil
}
