package parser

import (
	"strings"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// tsv reads values with tabs between. The last key takes the rest of the text.
type tsv struct {
	base
	keys      []string
	delimiter string
}

// NewTSV makes a tsv parser.
func NewTSV(plugin.Env) plugin.Parser { return new(tsv) }

func (p *tsv) Params(s *param.Set) {
	s.Strings("keys", &p.keys, nil, "Names of the values, in order.").Required()
	s.String("delimiter", &p.delimiter, "\t", "What stands between values.")
	p.params(s, defaults{})
}

func (p *tsv) Check() error {
	if p.delimiter == "" {
		return param.Errorf("delimiter", "", "delimiter is empty")
	}
	return p.base.Check()
}

func (p *tsv) Parse(text []byte, yield func(event.Event) error) error {
	values := strings.SplitN(string(text), p.delimiter, len(p.keys))
	r := event.NewRecord()
	for i, key := range p.keys {
		if i < len(values) {
			r.Set(key, values[i])
		} else {
			r.Set(key, nil)
		}
	}
	return p.yield(r, yield)
}
