package ruby

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func seeds(f *testing.F) {
	f.Helper()
	for k := range nKinds {
		for _, s := range pools[k] {
			f.Add(s)
		}
	}
	for _, s := range []string{
		`record["a"]&.dig("b", 0) || "x#{time.utc.strftime("%F")}"`, `[[1, [2]]].map { |a, (b, *c)| a + b }`, `case x when 1..2, /a/i then 1 else 2 end`,
		`begin; raise ArgumentError, "x"; rescue => e; e.message; ensure; 1; end`, `->(x, y = 2, *z) { x }.(1)`, `a, *b = *1..3; b`, `x ||= {"a": 1, b: [2]}; x[:b] <<= 1`,
		`"%05.2f|%-5s|%+x|%<a>d" % [1, 2]`, `%w[a b].each_with_index.map { |x, i| x * i }`, `h = Hash.new { |h, k| h[k] = k }; h[1]`, "if true\n  1\nelsif /x/ =~ y\n 2\nend",
		`"é".encode("UTF-16LE").unpack("v*").pack("U*")`, `"abc".gsub(/(?<x>b)/, '\k<x>\1\0')`, `Time.parse("2020-01-02 03:04:05 +0900") - 1.5`, `[3,1,2].sort_by { -_1 }.each_slice(2).to_a`,
		`1_000.0e-3.round(2) ** -1 <=> 0x1f`, `{**{}, a: 1}`, `foo ? bar : baz`, `x ?a:b`, `!a.b !~ /c/`, `a &.b c do |d| end`, `p -1`, `"#{"#{1}"}"`, `defined?(x) && x`,
	} {
		f.Add(s)
	}
}

// FuzzParse: any text is taken, or refused with a place within it; never a panic.
func FuzzParse(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, src string) {
		_, err := Parse(src, RecordVars())
		var p *ParseError
		if err != nil && !errors.As(err, &p) {
			t.Fatalf("%q: %v", src, err)
		}
		if p != nil && (p.Line < 1 || p.Line > strings.Count(src, "\n")+1 || p.Col < 1 || p.Col > len(src)+1 || p.Msg == "") {
			t.Fatalf("%q: line %d col %d %q", src, p.Line, p.Col, p.Msg)
		}
	})
}

// FuzzEval: whatever is taken ends with a value or an error that is meant, and the
// value can be written into a record.
func FuzzEval(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, src string) {
		p, err := Parse(src, RecordVars())
		if err != nil {
			return
		}
		m := testEnv(t)
		v, err := p.Eval(m)
		var exc *Exception
		var un *Unsupported
		var limit *LimitError
		if err != nil && !errors.As(err, &exc) && !errors.As(err, &un) && !errors.As(err, &limit) && !errors.Is(err, ErrUseNil) && !errors.Is(err, ErrUseDefault) {
			t.Fatalf("%q: %v", src, err)
		}
		m.ToEvent(v)
		m.ToS(v)
		for _, v := range m.Changed {
			_ = v
		}
	})
}

// FuzzTemplate: a template ends as its Ruby form does, which it is.
func FuzzTemplate(f *testing.F) {
	for _, s := range []string{`a ${tag} b`, `${record["k"]}`, `[${1}]\t#{2}`, `${"}"}`, `x] ${tag}`, "a\n${tag}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		tpl, err := ParseTemplate(value, false, RecordVars())
		if err != nil {
			return
		}
		v, err := tpl.Eval(testEnv(t))
		got := fmt.Sprint(testEnv(t).ToEvent(v), err)
		if _, plain := tpl.Text(); plain {
			return
		}
		p, err := Parse(tpl.String(), RecordVars())
		if err != nil {
			t.Fatalf("%q is taken, %q is not: %v", value, tpl, err)
		}
		v, err = p.Eval(testEnv(t))
		if want := fmt.Sprint(testEnv(t).ToEvent(v), err); got != want && !strings.Contains(value, "an") {
			t.Fatalf("%q gives %s, %q gives %s", value, got, tpl, want) // but for rand and Random
		}
	})
}
