package compat

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// norm replaces what changes from run to run by the marks of the corpus: folders,
// ports, ids, and every time within two days of now.
type norm struct {
	subst []substitution
	extra []substitution
	text  string // of the case: a UUID that it sends itself stays
}

type substitution struct {
	re   *regexp.Regexp
	with string
}

func near(t time.Time) bool { d := time.Since(t); return d < 48*time.Hour && d > -48*time.Hour }

// mark adds a value that stands for a name.
func (n *norm) mark(value, name string) {
	pattern := regexp.QuoteMeta(value)
	if regexp.MustCompile(`^\w`).MatchString(value) {
		pattern = `\b` + pattern + `\b`
	}
	n.subst = append(n.subst, substitution{regexp.MustCompile(pattern), strings.ReplaceAll(name, "$", "$$")})
}

// A rule is a pattern and what makes a mark of a match.
type rule struct {
	re *regexp.Regexp
	fn func(m []string) string
}

func fixed(pattern, with string) rule {
	re := regexp.MustCompile(pattern)
	return rule{re, func(m []string) string {
		return string(re.ExpandString(nil, with, m[0], re.FindStringSubmatchIndex(m[0])))
	}}
}

var rules = []rule{
	{regexp.MustCompile(`(\d{4})-(\d\d)-(\d\d)([ T])(\d\d):(\d\d):(\d\d)(\.\d+)?( ?(?:[+-]\d\d:?\d\d|Z|UTC))?`), isoMark},
	{regexp.MustCompile(`\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}`), func(m []string) string { return layoutMark(m[0], "02/Jan/2006:15:04:05 -0700", "<now:clf>") }},
	{regexp.MustCompile(`\b[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}`), func(m []string) string { return layoutMark(m[0], "Mon Jan _2 15:04:05 2006", "<now:text>") }},
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), nil}, // see apply
	fixed(`\.(b|q)[0-9a-f]{32}\.`, ".${1}<hex32>."),
	{regexp.MustCompile(`[0-9a-f]{32,}`), hexMark},
	fixed(`0x[0-9a-f]{16}`, "<addr>"),
	fixed(`object:[0-9a-f]+`, "object:<id>"),
	fixed(`\blocation=("[^"]*"|nil)`, "location=<l>"),
	fixed(`"(p?pid)"=>\d+`, `"${1}"=><n>`),
	fixed(`\bport=\d{4,5}\b`, "port=<port>"),
	fixed(`127\.0\.0\.1:\d{4,5}\b`, "127.0.0.1:<port>"),
	fixed(`\b(p?pid)=\d+`, "${1}=<n>"),
	fixed(`"(p?pid)":\d+`, `"${1}":<n>`),
	{regexp.MustCompile(`\b(\d{4})([-/])(\d\d)([-/])(\d\d)(\d*)`), dateMark},
	{regexp.MustCompile(`\b(\d{10})\.\d+\b`), func(m []string) string { return unixMark(m[0], m[1], "<now:unixf>") }},
	{regexp.MustCompile(`(\d\.)?\d{8,}`), digitsMark},
}

// hexMark sees a whole run of digits: a longer one is no chunk id. Patterns of
// this kind stand for the corpus' looks to both sides, which RE2 has not.
func hexMark(m []string) string {
	if len(m[0]) == 32 {
		return "<hex32>"
	}
	return m[0]
}

func isoMark(m []string) string {
	t, err := time.Parse("2006-01-02 15:04:05", m[1]+"-"+m[2]+"-"+m[3]+" "+m[5]+":"+m[6]+":"+m[7])
	if err != nil || !near(t) {
		return m[0]
	}
	fraction := ""
	if m[8] != "" {
		fraction = "." + strconv.Itoa(len(m[8])-1)
	}
	return "<now:Y-m-d" + m[4] + "H:M:S" + fraction + m[9] + ">"
}

func layoutMark(text, layout, mark string) string {
	if t, err := time.Parse(layout, text); err == nil && near(t) {
		return mark
	}
	return text
}

func dateMark(m []string) string {
	t, err := time.Parse("20060102", m[1]+m[3]+m[5])
	if m[2] != m[4] || m[6] != "" || err != nil || !near(t) {
		return m[0]
	}
	return "<now:Y" + m[2] + "m" + m[2] + "d>"
}

func unixMark(whole, seconds, mark string) string {
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err == nil && near(time.Unix(n, 0)) {
		return mark
	}
	return whole
}

// digitsMark sees Unix times in several units, and times written as digits.
func digitsMark(m []string) string {
	s := m[0] // a fraction, or more digits than an int64 has, is no time
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return s
	}
	units := map[int]struct {
		per  int64
		name string
	}{10: {1, ""}, 13: {1e3, "ms"}, 16: {1e6, "us"}, 19: {1e9, "ns"}}
	if u, ok := units[len(s)]; ok && near(time.Unix(n/u.per, 0)) {
		return "<now:unix" + u.name + ">"
	}
	layouts := map[int]struct{ layout, name string }{
		8: {"20060102", "Ymd"}, 10: {"2006010215", "YmdH"}, 12: {"200601021504", "YmdHM"}, 14: {"20060102150405", "YmdHMS"},
	}
	if l, ok := layouts[len(s)]; ok {
		if t, err := time.Parse(l.layout, s); err == nil && near(t) {
			return "<now:" + l.name + ">"
		}
	}
	return s
}

// apply marks a text.
func (n *norm) apply(text string) string {
	for _, s := range n.subst {
		text = s.re.ReplaceAllString(text, s.with)
	}
	for _, r := range rules {
		text = r.re.ReplaceAllStringFunc(text, func(found string) string {
			if r.fn == nil {
				if strings.Contains(n.text, found) {
					return found
				}
				return "<uuid>"
			}
			return r.fn(r.re.FindStringSubmatch(found))
		})
	}
	for _, s := range n.extra {
		text = s.re.ReplaceAllString(text, s.with)
	}
	return text
}

// tree marks every text and large number in a value.
func (n *norm) tree(v any) any {
	switch v := v.(type) {
	case string:
		return n.apply(v)
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = n.tree(x)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			out[n.apply(k)] = n.tree(x)
		}
		return out
	case float64:
		if v > 1e9 {
			plain := strconv.FormatFloat(v, 'f', -1, 64)
			if s := n.apply(plain); s != plain {
				return s
			}
		}
		return v
	case int, int64:
		return n.tree(toFloat(v))
	}
	return v
}

func toFloat(v any) float64 {
	var f float64
	_, _ = fmt.Sscan(fmt.Sprint(v), &f)
	return f
}
