package match

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
)

// reference writes one glob as Fluentd's lib/fluent/match.rb does, character by
// character, without tokens.
func reference(pattern string) string {
	levels := []string{""}
	var branches [][]string
	top := func(s string) { levels[len(levels)-1] += s }
	pop := func() string {
		s := levels[len(levels)-1]
		levels = levels[:len(levels)-1]
		return s
	}
	closeGroup := func() {
		n := len(branches) - 1
		group := append(branches[n], pop())
		branches = branches[:n]
		top("(?:" + strings.Join(group, "|") + ")")
	}
	dot, escaped := false, false
	runes := []rune(pattern)
	at := func(i int) rune {
		if i < len(runes) {
			return runes[i]
		}
		return 0
	}
	for i := 0; i < len(runes); i++ {
		c := runes[i]
		if escaped {
			top(regexp2.Escape(string(c)))
			escaped = false
			continue
		}
		if c == '*' && at(i+1) == '*' {
			if dot {
				top(`(?![^.])`)
				dot = false
			}
			if i++; at(i+1) == '.' {
				i++
				top(`(?:.*\.|\A)`)
			} else {
				top(`.*`)
			}
			continue
		}
		if dot {
			top(`\.`)
			dot = false
		}
		switch {
		case c == '\\':
			escaped = true
		case c == '.':
			dot = true
		case c == '*':
			top(`[^.]*`)
		case c == '{':
			branches = append(branches, nil)
			levels = append(levels, "")
		case c == '}' && len(branches) > 0:
			closeGroup()
		case c == ',' && len(branches) > 0:
			n := len(branches) - 1
			branches[n] = append(branches[n], pop())
			levels = append(levels, "")
		default:
			top(regexp2.Escape(string(c)))
		}
	}
	for len(branches) > 0 {
		closeGroup()
	}
	return `\A` + levels[0] + `\Z`
}

// FuzzMatch holds the matcher to the reference.
func FuzzMatch(f *testing.F) {
	for _, pattern := range []string{"a.*", "a.**", "**.c", "a.**.c", "{a,b.*}.**", "a*b**c", "**a*b*c.**", "a.{**.c,d}", `a\*.{`, "a..**", "*.*.a*a.**b"} {
		for _, tag := range []string{"a", "a.b.c", "ab.c.a.b", "a\nb", ".a..b", "aab.aab.b"} {
			f.Add(pattern, tag)
		}
	}
	f.Fuzz(func(t *testing.T, pattern, tag string) {
		if len(pattern) > 40 || len(tag) > 40 || !utf8.ValidString(pattern) || !utf8.ValidString(tag) || strings.HasPrefix(pattern, "/") {
			return
		}
		if strings.ContainsFunc(pattern, isBlank) || pattern == "" || pattern == "**" {
			return
		}
		re, err := regexp2.Compile(reference(pattern), regexp2.None)
		if err != nil {
			return // a character that a regular expression cannot hold
		}
		re.MatchTimeout = 50 * time.Millisecond // it is exponential at times
		want, err := re.MatchString(tag)
		if err != nil {
			return
		}
		p, err := Compile(pattern)
		if err != nil {
			t.Fatalf("%q: %v", pattern, err)
		}
		if got := p.Match(tag); got != want {
			t.Fatalf("%q, tag %q: got %v, want %v (%s)", pattern, tag, got, want, reference(pattern))
		}
		if suggested, ok := p.Suggest(tag); ok && (want || !matches(suggested, tag)) {
			t.Fatalf("%q, tag %q: suggested %q", pattern, tag, suggested)
		}
	})
}
