package parser

import (
	"strings"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/onig"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// regexpParser makes a record of the named groups of an expression.
type regexpParser struct {
	base
	groups
	expression            string
	ignoreCase, multiLine bool
}

// NewRegexp makes a regexp parser.
func NewRegexp(plugin.Env) plugin.Parser { return new(regexpParser) }

func (p *regexpParser) Params(s *param.Set) {
	s.String("expression", &p.expression, "", "Ruby regular expression whose named groups become fields, as /(?<name>…)/.").Required()
	s.Bool("ignorecase", &p.ignoreCase, false, "Upper and lower case are the same.").Deprecated("write /…/i")
	s.Bool("multiline", &p.multiLine, false, "A dot matches line breaks too.").Deprecated("write /…/m")
	p.params(s, defaults{timeKey: "time"})
}

func (p *regexpParser) Check() error {
	literal := p.expression
	if !strings.HasPrefix(literal, "/") {
		literal = "/" + literal + "/"
	}
	if p.ignoreCase {
		literal += "i"
	}
	if p.multiLine {
		literal += "m"
	}
	re, err := onig.ParseLiteral(literal)
	if err != nil {
		return param.Errorf("expression", "", "%w", err)
	}
	p.groups = newGroups(re.WithTimeout(p.timeout))
	if len(p.names) == 0 {
		return param.Errorf("expression", "write (?<name>…) around what shall become a field",
			"No named captures in 'expression' parameter. The regexp must have at least one named capture")
	}
	return p.base.Check()
}

func (p *regexpParser) Parse(text []byte, yield func(event.Event) error) error {
	r, err := p.record(string(text))
	if err != nil {
		return err
	}
	return p.yield(r, yield)
}

// groups is an expression with its named groups, in the order of their first
// appearance.
type groups struct {
	re    *onig.Regexp
	names []string
	at    [][]int // the groups that bear a name
}

func newGroups(re *onig.Regexp) groups {
	g := groups{re: re}
	places := map[string]int{}
	for i, name := range re.SubexpNames() {
		if name == "" {
			continue
		}
		at, seen := places[name]
		if !seen {
			at = len(g.names)
			places[name] = at
			g.names, g.at = append(g.names, name), append(g.at, nil)
		}
		g.at[at] = append(g.at[at], i)
	}
	return g
}

// record makes a record of what the named groups matched. Groups that took no
// part are left out; of several with one name the last that took part counts.
func (g *groups) record(text string) (*event.Record, error) {
	r := event.NewRecord()
	err := g.match(text, func(name, value string) { r.Set(name, value) })
	return r, err
}

// match calls set for each name that took part in the match.
func (g *groups) match(text string, set func(name, value string)) error {
	m, err := g.re.FindStringSubmatchIndex(text)
	if err != nil {
		return err
	}
	if m == nil {
		return notMatched("the text does not match the expression")
	}
	for i, name := range g.names {
		for _, at := range g.at[i] {
			if 2*at+1 < len(m) && m[2*at] >= 0 {
				set(name, text[m[2*at]:m[2*at+1]])
			}
		}
	}
	return nil
}
