package parser

import (
	"fmt"
	"strings"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/onig"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// maxFormats is how many formatN there may be.
const maxFormats = 20

// multiline is regexp with an expression written in several parameters, and with
// dots that match line breaks.
type multiline struct {
	base
	groups
	formats   [maxFormats]string
	firstLine string
}

// NewMultiline makes a multiline parser.
func NewMultiline(plugin.Env) plugin.Parser { return new(multiline) }

func (p *multiline) Params(s *param.Set) {
	s.String("format_firstline", &p.firstLine, "", "Expression that the first line of an event matches; only needed by inputs that read line by line.")
	for i := range p.formats {
		f := s.String(fmt.Sprintf("format%d", i+1), &p.formats[i], "", "A part of the expression; the parts are put together in order.")
		if i == 0 {
			f.Required()
		}
	}
	s.Ignore("unmatched_lines", "text that does not match is always refused")
	p.params(s, defaults{timeKey: "time"})
}

func (p *multiline) Check() error {
	var all strings.Builder
	for i, format := range p.formats {
		name := fmt.Sprintf("format%d", i+1)
		if format == "" {
			continue
		}
		if i > 0 && p.formats[i-1] == "" {
			return param.Errorf(name, "", "Jump of format index found. format%d is missing.", i)
		}
		if len(format) < 2 || format[0] != '/' || format[len(format)-1] != '/' {
			return param.Errorf(name, "write /…/", "Invalid regexp in %s: it must stand between slashes", name)
		}
		all.WriteString(format[1 : len(format)-1])
	}
	re, err := onig.Compile(all.String(), onig.Options{MultiLine: true})
	if err != nil {
		return param.Errorf("format1", "", "%w", err)
	}
	p.groups = newGroups(re.WithTimeout(p.timeout))
	if len(p.names) == 0 {
		return param.Errorf("format1", "write (?<name>…) around what shall become a field", "No named captures in the formats")
	}
	if p.firstLine != "" {
		if _, err := onig.ParseLiteral(p.firstLine); err != nil {
			return param.Errorf("format_firstline", "", "%w", err)
		}
	}
	return p.base.Check()
}

func (p *multiline) Parse(text []byte, yield func(event.Event) error) error {
	r, err := p.record(string(text))
	if err != nil {
		return err
	}
	return p.yield(r, yield)
}
