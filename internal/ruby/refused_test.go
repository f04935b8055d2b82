package ruby

import (
	"errors"
	"strings"
	"testing"
)

// What is outside the subset is refused when it is read, by name and with the
// column; each case is an expression, the column, and parts of the message.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		src   string
		col   int
		parts string
	}{
		{`File.read("/etc/passwd")`, 6, "File.read|touch files"},
		{`record["k"] + File.open("x").read`, 20, "File.open|touch files"},
		{`IO.popen("ls")`, 1, "IO|touch files"},
		{`Dir.glob("*")`, 1, "Dir|touch files"},
		{`system("ls")`, 1, "system|start or end a process"},
		{"`ls`", 1, "backticks"},
		{`%x(ls)`, 1, "%x"},
		{`exec "ls"`, 1, "exec|process"},
		{`fork { }`, 1, "fork|process"},
		{`Kernel.system("x")`, 8, "Kernel.system"},
		{`Net::HTTP.get("x")`, 1, "Net::HTTP|network"},
		{`TCPSocket.new("x", 1)`, 1, "TCPSocket|network"},
		{`Socket.tcp("x", 1)`, 8, "Socket.tcp|only Socket.gethostname"},
		{`Process.kill(9, 1)`, 9, "Process.kill"},
		{`Thread.new { }`, 1, "Thread"},
		{`require "open3"`, 1, "require"},
		{`require_relative "x"`, 1, "require_relative"},
		{`load "x"`, 1, "load"},
		{`eval("1")`, 1, "eval|write the expression itself"},
		{`instance_eval { 1 }`, 1, "instance_eval"},
		{`record.send(:system, "x")`, 8, "send|call the method by its name"},
		{`"x".public_send("upcase")`, 5, "public_send"},
		{`"x".method(:upcase)`, 5, "method"},
		{`"x".instance_variable_get("@a")`, 5, "instance_variable_get"},
		{`Object.const_get(:File)`, 8, "Object.const_get"},
		{`ObjectSpace.each_object`, 1, "ObjectSpace"},
		{`Marshal.load("x")`, 1, "Marshal"},
		{`while true do 1 end`, 1, "while|use each"},
		{`1 while true`, 3, "while"},
		{`until x; end`, 1, "until"},
		{`for x in [1] do x end`, 1, "for"},
		{`loop { break }`, 1, "loop|use each, times or upto"},
		{`def f; end`, 1, "def|lambda"},
		{`class A; end`, 1, "class|lambda"},
		{`module A; end`, 1, "module"},
		{`A = 1`, 1, "constants cannot be defined"},
		{`@x = 1`, 1, "instance variables"},
		{`@@x`, 1, "instance variables"},
		{`$stdout`, 1, "global variable $stdout"},
		{`$0`, 1, "global variable $0"},
		{`self.class`, 1, "self"},
		{`__FILE__`, 1, "__FILE__"},
		{`yield 1`, 1, "yield"},
		{`super`, 1, "super"},
		{`begin; 1; rescue; retry; end`, 19, "retry"},
		{`alias a b`, 1, "alias"},
		{`undef a`, 1, "undef"},
		{`BEGIN { 1 }`, 1, "BEGIN"},
		{`case 1 in Integer then 2 end`, 8, "pattern matching|use when"},
		{"<<~X\n a\nX", 1, "heredocs"},
		{`puts "x"`, 1, "puts|nothing reads"},
		{`p record`, 1, "p |nothing reads"},
		{`sleep 1`, 1, "sleep|must not wait"},
		{`catch(:x) { throw :x }`, 1, "catch|return or break"},
		{`3r`, 1, "rational|float"},
		{`2i`, 1, "rational|float"},
		{`Rational(1, 2)`, 1, "Rational|floats"},
		{`BigDecimal("1")`, 1, "BigDecimal"},
		{`Set.new([1])`, 1, "Set|uniq"},
		{`Foo.bar`, 1, "constant Foo"},
		{`Tiem.now`, 1, "constant Tiem|did you mean Time?"},
		{`Time.noww`, 6, "Time.noww|did you mean now?"},
		{`foo(1)`, 1, "undefined method `foo'"},
		{`"x".cyrpt`, 5, "method cyrpt"},
		{`"x".object_id`, 5, "object_id|differs from run to run"},
		{`[1].each { |a: 1| a }`, 13, "keyword parameters"},
		{`[1].each { |&b| b }`, 13, "block parameters"},
		{`time.year = 5`, 11, "attributes cannot be assigned (year=)"},
		{`(a, b), c = [1, 2], 3`, 6, "syntax error"},
		{`"#@x"`, 2, "variables in strings without braces"},
		{`if /a/ then 1 end`, 4, "a regular expression alone|=~"},
		{`1 if 1..2`, 6, "a range alone|include?"},
		{`/#{tag}/o`, 1, "option o"},
		{`/(?<x>/`, 1, ""},
		{`"a" =~ /\K/`, 8, ""},
		{`%w[a #{1}]`, 0, ""},
		{`1 +`, 4, "unexpected end-of-input"},
		{`(1`, 3, "unexpected end-of-input"},
		{`[1, 2`, 6, "unexpected end-of-input"},
		{`{"a" => }`, 9, "unexpected `}'"},
		{`"abc`, 1, "unterminated string"},
		{`/abc`, 1, "unterminated regexp"},
		{`1 2`, 3, "syntax error"},
		{`1 == 2 == 3`, 8, "syntax error"},
		{`)`, 1, "unexpected `)'"},
		{`if true`, 8, "unexpected end-of-input"},
		{`x = `, 5, "unexpected end-of-input"},
		{`next`, 1, "Invalid next"},
		{`break`, 1, "Invalid break"},
		{`"\u{110000}"`, 0, "invalid Unicode"},
		{`1__0`, 0, ""},
		{`?`, 1, "syntax error"},
		{"\x01", 1, "unexpected character"},
		{strings.Repeat("(", 5000), 0, "nested too deeply"},
		{strings.Repeat("!", 5000) + "1", 0, "nested too deeply"},
		{strings.Repeat("[", 5000), 0, "nested too deeply"},
		{"1" + strings.Repeat("+1", 5000), 0, "?"},
		{"x" + strings.Repeat(".to_s", 5000), 0, ""},
		{strings.Repeat("a ? b : ", 5000) + "c", 0, "nested too deeply"},
		{strings.Repeat(`"#{`, 5000), 0, "nested too deeply"},
		{strings.Repeat("->(", 5000), 0, ""},
		{strings.Repeat("{|(", 5000), 0, ""},
		{strings.Repeat("x", 70000), 1, "70000 bytes"},
	} {
		_, err := Parse(c.src, RecordVars())
		name := c.src[:min(len(c.src), 60)]
		if err == nil {
			if c.parts != "?" && c.col != 0 {
				t.Errorf("%s: taken", name)
			}
			continue
		}
		var p *ParseError
		if !errors.As(err, &p) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if c.col != 0 && p.Col != c.col {
			t.Errorf("%s: col %d, want %d (%s)", name, p.Col, c.col, p.Msg)
		}
		for _, part := range strings.Split(c.parts, "|") {
			if !strings.Contains(err.Error(), part) && part != "?" {
				t.Errorf("%s: %q misses %q", name, err, part)
			}
		}
	}
}

// What Ruby can do and we cannot, and what shows at run time only, is no Ruby
// exception: a rescue must not make a wrong value of it.
func TestUnsupportedIsNotRescued(t *testing.T) {
	for _, src := range []string{
		`2 ** -1 rescue 5`,
		`(-8) ** 0.5 rescue 5`,
		`time.to_r rescue 5`,
		`"abc".hash rescue 5`,
		`Time.parse("2020-W01-4 EST 10:00") rescue 5`,
		`begin; ->{}.inspect; rescue Exception; 5; ensure; 6; end`,
		`[1, 2].each_slice(1).next rescue 5`,
	} {
		p, err := Parse(src, RecordVars())
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		v, err := p.Eval(testEnv(t))
		var un *Unsupported
		if !errors.As(err, &un) {
			t.Errorf("%s gives %v, %v", src, v, err)
		}
	}
}
