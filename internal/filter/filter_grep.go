package filter

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/onig"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// grep keeps an event when every <regexp> and <and> matches, one of each <or>
// does, and no <exclude> does. A field that is not there is empty text; numbers
// are matched as text.
type grep struct {
	regexps, excludes []rule
	ands, ors         []ruleGroup
	old               []conf.Param
}

type rule struct {
	key     event.Accessor
	pattern *onig.Regexp
}

// ruleGroup is several rules that count together.
type ruleGroup struct {
	regexps, excludes []rule
}

// NewGrep makes a grep filter.
func NewGrep(plugin.Env) plugin.Filter { return new(grep) }

func (g *grep) Params(p *param.Set) {
	one := func(p *param.Set, r *rule) {
		p.Accessor("key", &r.key, "Field to test.").Required()
		p.Regexp("pattern", &r.pattern, "Ruby regular expression.").Required()
	}
	group := func(p *param.Set, r *ruleGroup) {
		param.Sections(p, "regexp", &r.regexps, one, "A pattern that has to match.")
		param.Sections(p, "exclude", &r.excludes, one, "A pattern that drops the event.")
	}
	param.Sections(p, "regexp", &g.regexps, one, "A pattern that has to match.")
	param.Sections(p, "exclude", &g.excludes, one, "A pattern that drops the event.")
	param.Sections(p, "and", &g.ands, group, "Patterns of which all count.")
	param.Sections(p, "or", &g.ors, group, "Patterns of which one is enough.")
	p.Rest(&g.old, "regexpN and excludeN, `key pattern`, from before there were sections")
}

var oldStyle = regexp.MustCompile(`^(regexp|exclude)([1-9]|1\d|20)$`)

// Check reads the old form, and refuses a key that two rules of one kind name.
func (g *grep) Check() error {
	var errs []error
	for _, line := range g.old {
		m := oldStyle.FindStringSubmatch(line.Name)
		if m == nil {
			continue
		}
		r, err := oldRule(line)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if m[1] == "regexp" {
			g.regexps = append(g.regexps, r)
		} else {
			g.excludes = append(g.excludes, r)
		}
	}
	return errors.Join(append(errs, duplicates(g.regexps), duplicates(g.excludes))...)
}

func oldRule(line conf.Param) (rule, error) {
	m := regexp.MustCompile(`^\s*(\S+)\s+(.*)$`).FindStringSubmatch(line.Value.Text)
	if m == nil {
		return rule{}, &conf.Error{Pos: line.At, Param: line.Name, Err: fmt.Errorf("%s does not contain 2 parameters", line.Name)}
	}
	key, err := event.ParseAccessor(m[1])
	if err != nil {
		return rule{}, &conf.Error{Pos: line.At, Param: line.Name, Err: err}
	}
	pattern, err := onig.ParseLiteral(m[2])
	if err != nil {
		return rule{}, &conf.Error{Pos: line.At, Param: line.Name, Err: err}
	}
	return rule{key: key, pattern: pattern}, nil
}

func duplicates(rules []rule) error {
	seen := map[string]bool{}
	for _, r := range rules {
		if name := r.key.String(); seen[name] {
			return param.Errorf("key", "put both patterns into one, or use <and>", "Duplicate key: %s", name) //nolint:staticcheck // Fluentd's own words
		} else {
			seen[name] = true
		}
	}
	return nil
}

// Filter emits the event or does not.
func (g *grep) Filter(_ string, e event.Event, emit func(event.Event)) error {
	keep := all(g.regexps, e.Record) && !some(g.excludes, e.Record)
	for _, and := range g.ands {
		keep = keep && all(and.regexps, e.Record) && !(len(and.excludes) > 0 && all(and.excludes, e.Record))
	}
	for _, or := range g.ors {
		keep = keep && (len(or.regexps) == 0 || some(or.regexps, e.Record)) && !some(or.excludes, e.Record)
	}
	if keep {
		emit(e)
	}
	return nil
}

func (r *rule) match(record *event.Record) bool {
	v, _ := r.key.Get(record)
	return r.pattern.MatchString(event.Text(v))
}

func all(rules []rule, record *event.Record) bool {
	for i := range rules {
		if !rules[i].match(record) {
			return false
		}
	}
	return true
}

func some(rules []rule, record *event.Record) bool {
	for i := range rules {
		if rules[i].match(record) {
			return true
		}
	}
	return false
}
