package filter

import (
	"cmp"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/onig"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// grep keeps an event when every <regexp> matches and no <exclude> does. Within
// <or> one <regexp> is enough; within <and> all <exclude> have to match to drop the
// event. A field that is not there is empty text; numbers are matched as text.
type grep struct {
	regexps, excludes []rule // at the top level
	ands, ors         []ruleGroup
	oldRegexps        [oldForms]string
	oldExcludes       [oldForms]string

	all, any         []rule // <regexp>: all of the former, one of the latter
	dropAll, dropAny []rule // <exclude>: when all of the former match, or one of the latter
}

type rule struct {
	key     event.Accessor
	pattern *onig.Regexp
}

// ruleGroup is an <and> or <or>.
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
		param.Sections(p, "regexp", &r.regexps, one, "A pattern that keeps the event.")
		param.Sections(p, "exclude", &r.excludes, one, "A pattern that drops the event.")
	}
	param.Sections(p, "regexp", &g.regexps, one, "A pattern that has to match.")
	param.Sections(p, "exclude", &g.excludes, one, "A pattern that drops the event.")
	param.Sections(p, "and", &g.ands, group, "Patterns of which all count.")
	param.Sections(p, "or", &g.ors, group, "Patterns of which one is enough.")
	g.oldParams(p)
}

// Check gathers the rules and refuses a key that two rules of one kind name.
func (g *grep) Check() error {
	g.all, g.any, g.dropAll, g.dropAny = nil, nil, nil, nil
	errs := []error{g.oldRules(), gather(&g.all, g.regexps, ""), gather(&g.dropAny, g.excludes, "")}
	for _, and := range g.ands {
		errs = append(errs, gather(&g.all, and.regexps, " in <and>"), gather(&g.dropAll, and.excludes, " in <and>"))
	}
	for _, or := range g.ors {
		errs = append(errs, gather(&g.any, or.regexps, " in <or>"), gather(&g.dropAny, or.excludes, " in <or>"))
	}
	return cmp.Or(errs...)
}

func gather(dst *[]rule, rules []rule, where string) error {
	for _, r := range rules {
		for _, other := range *dst {
			if other.key.String() == r.key.String() {
				return param.Errorf("key", "put both patterns into one: /first|second/", "Duplicate key%s: %s", where, r.key.String()) //nolint:staticcheck // Fluentd's own words
			}
		}
		*dst = append(*dst, r)
	}
	return nil
}

// oldForms is how many rules of each kind could be written before there were
// sections.
const oldForms = 20

// oldParams declares regexp1 to regexp20 and exclude1 to exclude20.
func (g *grep) oldParams(p *param.Set) {
	for i := range oldForms {
		p.String(fmt.Sprintf("regexp%d", i+1), &g.oldRegexps[i], "", "Field and pattern, as `message cool`.").Deprecated("Use <regexp> section")
		p.String(fmt.Sprintf("exclude%d", i+1), &g.oldExcludes[i], "", "Field and pattern, as `hostname example`.").Deprecated("Use <exclude> section")
	}
}

func (g *grep) oldRules() error {
	var errs []error
	for i := range oldForms {
		errs = append(errs, oldRule(&g.all, fmt.Sprintf("regexp%d", i+1), g.oldRegexps[i]), oldRule(&g.dropAny, fmt.Sprintf("exclude%d", i+1), g.oldExcludes[i]))
	}
	return cmp.Or(errs...)
}

func oldRule(dst *[]rule, name, text string) error {
	if text == "" {
		return nil
	}
	key, pattern, ok := strings.Cut(text, " ")
	if !ok {
		return param.Errorf(name, "write the field and the pattern, as `"+name+" message cool`", "%s does not contain 2 parameters", name)
	}
	a, err := event.ParseAccessor(key)
	if err != nil {
		return param.Errorf(name, "", "%w", err)
	}
	re, err := onig.ParseLiteral(pattern)
	if err != nil {
		return param.Errorf(name, "", "%w", err)
	}
	for _, other := range *dst {
		if other.key.String() == key {
			return param.Errorf(name, "", "%s contains a duplicated key, %s", name, key)
		}
	}
	*dst = append(*dst, rule{a, re})
	return nil
}

// Filter emits the event or does not. The error is a pattern that took too long.
func (g *grep) Filter(_ string, e event.Event, emit func(event.Event)) error {
	keep, err := g.keeps(e.Record)
	if keep && err == nil {
		emit(e)
	}
	return err
}

func (g *grep) keeps(record *event.Record) (bool, error) {
	for _, test := range []struct {
		rules  []rule
		answer bool // what is looked for among the rules' answers
		drop   bool // whether finding it, or not finding it, drops the event
	}{
		{g.all, false, true},
		{g.any, true, false},
		{g.dropAll, false, false},
		{g.dropAny, true, true},
	} {
		if len(test.rules) == 0 {
			continue
		}
		if found, err := some(test.rules, record, test.answer); err != nil || found == test.drop {
			return false, err
		}
	}
	return true, nil
}

// some reports whether one of the rules gives the answer.
func some(rules []rule, record *event.Record, answer bool) (bool, error) {
	for i := range rules {
		matched, err := rules[i].match(record)
		if err != nil || matched == answer {
			return true, err
		}
	}
	return false, nil
}

func (r *rule) match(record *event.Record) (bool, error) {
	v, _ := r.key.Get(record)
	text, ok := v.(string)
	if !ok {
		text = event.Text(v)
	}
	if !utf8.ValidString(text) {
		text = scrub(text)
	}
	return r.pattern.Match(text)
}

// scrub is Ruby's String#scrub('?'): what is no UTF-8 becomes a question mark, a
// character that is cut off one for all of it.
func scrub(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			b.WriteByte('?')
			for n < 4 && i+n < len(s) && !utf8.FullRuneInString(s[i:i+n]) && !utf8.RuneStart(s[i+n]) {
				n++
			}
			if utf8.FullRuneInString(s[i:i+n]) && n > 1 {
				n-- // the last byte is what does not fit
			}
			i += n
			continue
		}
		b.WriteString(s[i : i+n])
		i += n
	}
	return b.String()
}
