package parser

import (
	"strings"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/onig"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// ltsv reads label:value pairs with tabs between (http://ltsv.org). Parts without
// a label are left out, as in Fluentd.
type ltsv struct {
	base
	delimiter, labelDelimiter string
	pattern                   *onig.Regexp
}

// NewLTSV makes an ltsv parser.
func NewLTSV(plugin.Env) plugin.Parser { return new(ltsv) }

func (p *ltsv) Params(s *param.Set) {
	s.String("delimiter", &p.delimiter, "\t", "What stands between pairs.")
	s.Regexp("delimiter_pattern", &p.pattern, "Expression of what stands between pairs, in place of delimiter.")
	s.String("label_delimiter", &p.labelDelimiter, ":", "What stands between label and value.")
	p.params(s, defaults{timeKey: "time"})
}

func (p *ltsv) Check() error {
	if p.delimiter == "" {
		return param.Errorf("delimiter", "", "delimiter is empty")
	}
	if p.labelDelimiter == "" {
		return param.Errorf("label_delimiter", "", "label_delimiter is empty")
	}
	return p.base.Check()
}

func (p *ltsv) Parse(text []byte, yield func(event.Event) error) error {
	parts, err := p.split(string(text))
	if err != nil {
		return err
	}
	r := event.NewRecord()
	for _, part := range parts {
		if label, value, ok := strings.Cut(part, p.labelDelimiter); ok {
			r.Set(label, value)
		}
	}
	if r.Len() == 0 {
		return notMatched("no part of the text has a label")
	}
	return p.yield(r, yield)
}

func (p *ltsv) split(text string) ([]string, error) {
	if p.pattern == nil {
		return strings.Split(text, p.delimiter), nil
	}
	var parts []string
	for {
		m, err := p.pattern.FindStringSubmatchIndex(text)
		if err != nil {
			return nil, err
		}
		// A pattern that matches nothing would split for ever.
		if m == nil || m[0] == m[1] {
			return append(parts, text), nil
		}
		parts = append(parts, text[:m[0]])
		text = text[m[1]:]
	}
}
