package formatter

import (
	"strings"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// ltsv writes label:value pairs with tabs between (http://ltsv.org).
type ltsv struct {
	newline
	delimiter, labelDelimiter, replacement string
}

// NewLTSV makes an ltsv formatter.
func NewLTSV(plugin.Env) plugin.Formatter { return new(ltsv) }

func (f *ltsv) Params(p *param.Set) {
	p.String("delimiter", &f.delimiter, "\t", "What stands between pairs.")
	p.String("label_delimiter", &f.labelDelimiter, ":", "What stands between label and value.")
	p.String("replacement", &f.replacement, " ", "What takes the place of the delimiter within values.")
	f.params(p)
}

// Check refuses delimiters that no reader could find.
func (f *ltsv) Check() error {
	for name, s := range map[string]string{"delimiter": f.delimiter, "label_delimiter": f.labelDelimiter} {
		if s == "" {
			return param.Errorf(name, "", "%s is empty", name)
		}
	}
	return nil
}

func (f *ltsv) Format(dst []byte, _ string, e event.Event) ([]byte, error) {
	first := true
	for label, v := range e.Record.All() {
		if !first {
			dst = append(dst, f.delimiter...)
		}
		first = false
		dst = append(append(dst, label...), f.labelDelimiter...)
		dst = append(dst, strings.ReplaceAll(event.Text(v), f.delimiter, f.replacement)...)
	}
	return f.end(dst), nil
}
