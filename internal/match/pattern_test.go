package match

import (
	"strings"
	"testing"
)

// TestMatch holds what Fluentd 1.19.3 was seen to do (golden match/*) and what
// follows from its translation to regular expressions.
func TestMatch(t *testing.T) {
	for _, c := range []struct{ pattern, yes, no string }{
		{"a.b", "a.b", "axb a a.b.c"},
		{"a.*", "a.b", "a a.b.c b.a a..b"},
		{"*.b", "a.b", "a a.b.c b.a b"},
		{"*.log", "x.log .log", "a.b.log log"},
		{"a.**", "a a.b a.b.c", "ab b.a ba"},
		{"**.c", "c a.c a.b.c", "xc c.d a.xc"},
		{"**", "a a.b.c", ""},
		{"a*", "a ab abc", "a.b ba"},
		{"a**", "a ab a.b a.b.c", "ba"},
		{"a?b", "a?b", "a.b axb"},
		{"{a,b}", "a b", "a.b ab b.a c"},
		{"{a.*,b.**}", "a.b b b.a", "a a.b.c ab"},
		{"{a, b}", "a b}", "b"},
		{"a b.*", "a b.c", "b a.c"},
		{"a.{b,c}.d", "a.b.d a.c.d", "a.d a.x.d"},
		{"a.{b,{c,d*}.e}", "a.b a.c.e a.dx.e", "a.d.f a.c"},
		{"a.**.c", "a.c a.b.c a.x.y.c", "ac a.b abc a"},
		{"a.**b", "a.b a.xb a.x.b", "ab a"},
		{"a.{**.c}", "a.x.c", "a.c"},
		{"a.{**}", "a. a.b", "a"},
		{"a.", "a", "a."},
		{`a\*b`, "a*b", "axb ab"},
		{`a.\{b`, "a.{b", "a.b"},
		{"a}", "a}", "a"},
		{"x.*,t", "x.a,t", "x.a t"},
		{"**.*.c", "a.c a.b.c", "c"},
		{"**a*b", "ab xaxb x.ayb", "a.b a"},
		{"*x*y", "xy axby", "ax.y"},
		{"***", "a a.b", ""},
		{"-:é ß", "-:é ß", "é"},
		{`/(?!a\.b).*/`, "a b ab b.a", "a.b a.b.c"},
		{"/a|b/", "a ax b xb", "x"},
		{"/[a-c]+/", "abc", "abcd xabc"},
		{"session.*", "session.abc", "session session.abc.log"},
	} {
		p, err := Compile(c.pattern)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		for _, tag := range strings.Fields(c.yes) {
			if !p.Match(tag) {
				t.Errorf("%s does not match %s", c.pattern, tag)
			}
		}
		for _, tag := range strings.Fields(c.no) {
			if p.Match(tag) {
				t.Errorf("%s matches %s", c.pattern, tag)
			}
		}
	}
}

func TestMatchOddities(t *testing.T) {
	for _, c := range []struct {
		pattern, tag string
		want         bool
	}{
		{"", "a.b", true},
		{"**", "", true},
		{"*", "", true},
		{"a", "", false},
		{" a", "", true},
		{"{a,", "", true},
		{"a", "a\n", true}, // \Z
		{"a", "a\n\n", false},
		{"a*", "a\nb", true},
		{"a**", "a\nb", false}, // . is no line end
		{"**", "a\nb", true},
		{"a.**", "a\n", false},
		{"{a,b}{c,d}{e,f}{g,h}{i,j}{k,l}{m,n}.*", "adehikn.x", true}, // more than multiply out
		{"{a,b}{c,d}{e,f}{g,h}{i,j}{k,l}{m,n}.*", "adehikx.x", false},
	} {
		p, err := Compile(c.pattern)
		if err != nil {
			t.Errorf("%q: %v", c.pattern, err)
			continue
		}
		if got := p.Match(c.tag); got != c.want {
			t.Errorf("%q, tag %q: got %v, want %v", c.pattern, c.tag, got, c.want)
		}
	}
}

func TestCompileErrors(t *testing.T) {
	for pattern, want := range map[string]string{
		"/a b/":     `pattern "/a": a regular expression ends with /; a blank in it is written \s`,
		"a /(b/":    `pattern "/(b/": `,
		"/a/ /b":    `pattern "/b": a regular expression ends with /`,
		"x /[z-a]/": `pattern "/[z-a]/": `,
	} {
		if _, err := Compile(pattern); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", pattern, err, want)
		}
	}
}

func TestSuggest(t *testing.T) {
	for _, c := range []struct{ pattern, tag, want string }{
		{"session.*", "session.<id>.log", "session.**"},
		{"test.log", "test.log.x", "test.log.**"},
		{"test.log", "test.logs", "test.logs"},
		{"Test.log", "test.log", "test.log"},
		{"tets.log", "test.log", "test.log"},
		{"*.log", "app.web.log", "**.log"},
		{"a.*.c.*", "a.b.c.d.e", "a.*.c.**"},
		{"x.*,t", "t", "x.* t"},
		{"{a, b}", "b", "{a,b}"},
		{"b session.* c", "session.x.log", "b session.** c"},
		{"app.web", "app.db", "app.*"},
		{"session.*", "session", "session.**"},
		{"log", "app.log", "**.log"},
		{"/a.*/", "b", ""},
		{"session.*", "audit", ""},
		{"session.*", "session.x", ""}, // it matches
	} {
		p, err := Compile(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := p.Suggest(c.tag)
		if got != c.want || ok != (c.want != "") {
			t.Errorf("%s, tag %s: got %q, %v, want %q", c.pattern, c.tag, got, ok, c.want)
		}
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	for _, pattern := range []string{"a.b.c", "a.**", "**.c", "a.*.c", "{a,b}.**.c", "x y z a.**"} {
		p, err := Compile(pattern)
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(100, func() { p.Match("a.b.c") }); n != 0 {
			t.Errorf("%s: %v allocations", pattern, n)
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	for _, pattern := range []string{"test.log", "session.**", "**.log", "app.*.{web,db}.**", "**"} {
		b.Run(pattern, func(b *testing.B) {
			p, err := Compile(pattern)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				p.Match("app.eu-west-1.web.access.log")
			}
		})
	}
}
