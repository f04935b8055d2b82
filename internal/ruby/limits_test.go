package ruby

import (
	"errors"
	"testing"
	"time"
)

// An expression that would take for ever or all memory ends with an error, soon,
// whatever it tries to rescue.
func TestLimits(t *testing.T) {
	for _, src := range []string{
		`"a" * 1_000_000_000`,
		`"ab" * (2 ** 62)`,
		`[1] * 1_000_000_000`,
		`Array.new(2 ** 40)`,
		`"x".center(10 ** 12)`,
		`"%01000000000d" % 1`,
		`"%*d" % [10 ** 11, 1]`,
		`2 ** (2 ** 40)`,
		`10.pow(10 ** 12)`,
		`1 << 10 ** 9`,
		`1.upto(10 ** 12) { }`,
		`(1..).each { }`,
		`(1..).map { |x| x }`,
		`(1..10 ** 9).to_a`,
		`(1..10 ** 9).sum { |x| x }`,
		`s = "abcdefgh"; 100.times { s = s + s }; s`,
		`s = "abcdefgh"; 100.times { s << s }`,
		`a = [1]; 100.times { a += a }`,
		`a = [1]; 100.times { a = [a, a] }; a.flatten`,
		`a = [1]; 100.times { a = [a, a] }; a.inspect`,
		`a = [1]; 90.times { a = [a, a] }; a.to_json`,
		`a = [1]; 100.times { a = [a, a] }; (1..9).map { |i| [i, a] }.to_h.invert.invert`,
		`a = [1]; 100.times { a = [a, a] }; b = [1]; 100.times { b = [b, b] }; a == b`,
		`a = [1]; 100.times { a = [a, a] }; a.join`,
		`x = 2; 100.times { x = x * x }`,
		`"a".ljust(100_000_000)`,
		`("a" * 5_000_000).chars`,
		`("ab" * 500_000).rindex(/c/)`,
		`("a" * 5000).chars.permutation.to_a`,
		`(1..30).to_a.combination(15).to_a`,
		`("aaa" * 100_000).gsub(/a/, "b" * 1000)`,
		`(1..5000).to_a.product((1..5000).to_a)`,
		`[nil] * 10_000_000 rescue 1`,
		`begin; "a" * 10 ** 9; rescue Exception; "rescued"; end`,
		`begin; "a" * 10 ** 9; ensure; "x"; end`,
		`h = {}; 1.upto(10 ** 9) { |i| h[i] = i }`,
		`a = []; a[10 ** 9] = 1`,
		`"abc".unpack("C" * 100 + "N1000000000")`,
		`1.step(0, 0.1); 0.0.step(1e300, 1e-300) { }`,
		`"a".upto("zzzzzzzzzzzzz") { }`,
		`f = "%1000000000d"; Time.at(0).strftime(f)`,
		`(0..10 ** 8).step(1).to_a`,
		`SecureRandom.hex(10 ** 10)`,
		`SecureRandom.hex(10 ** 8)`,
		`JSON.parse("[" * 50 + "1" + "]" * 50).flatten * 10 ** 8`,
	} {
		p, err := Parse(src, RecordVars())
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		start := time.Now()
		m := testEnv(t)
		m.mostSteps, m.mostBytes = maxSteps/8, maxBytes/8
		v, err := p.Eval(m)
		var limit *LimitError
		var exc *Exception
		if !errors.As(err, &limit) && !errors.As(err, &exc) {
			t.Errorf("%s gives %T, %v", src, v, err)
		}
		if d := time.Since(start); d > 3*time.Second {
			t.Errorf("%s took %v", src, d)
		}
	}
}

func TestEndlessRecursion(t *testing.T) {
	for _, src := range []string{
		`f = ->(x) { f.(x) }; f.(1)`,
		`f = ->(x) { [x].map { |y| f.(y) } }; f.(1)`,
		`f = ->(x) { f.(x + 1) rescue f.(x) }; f.(1)`,
		`h = Hash.new { |h, k| h[k] }; h[1]`,
		`a = []; a << a; a.hash rescue 1; a == [a]`,
		`a = []; a << a; a.flatten`,
		`a = []; a << a; a.to_json`,
		`a = []; a << a; a.join`,
		`h = {}; h["x"] = h; h.to_json`,
		`a = []; b = [a]; a << b; a <=> b`,
	} {
		p, err := Parse(src, RecordVars())
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		start := time.Now()
		v, err := p.Eval(testEnv(t))
		if err == nil {
			t.Errorf("%s gives %T", src, v)
		}
		if d := time.Since(start); d > 3*time.Second {
			t.Errorf("%s took %v", src, d)
		}
	}
	m := testEnv(t)
	for _, src := range []string{`a = []; a << a; a`, `h = {}; h["x"] = h; h`, `a = [1]; 100.times { a = [a, a] }; a`} {
		p, _ := Parse(src, nil)
		v, err := p.Eval(m)
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		m.ToEvent(v) // ends
		if len(m.ToS(v)) == 0 {
			t.Errorf("%s has no text", src)
		}
	}
}
