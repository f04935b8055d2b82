package onig

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
)

// oracle is a real Ruby that matches. It is told pattern, flags, text and a byte
// offset, in hexadecimal, and answers with byte offsets.
type oracle struct {
	in  io.WriteCloser
	out *bufio.Scanner
}

const oracleScript = `
$stdout.sync = true
$VERBOSE = nil
require 'timeout'
unhex = ->(h) { [h].pack('H*').force_encoding('UTF-8') }
STDIN.each_line do |line|
  src, flags, text, from = line.chomp.split(/ /, -1)
  text = unhex[text]
  begin
    re = Regexp.new(unhex[src], flags.to_i)
    m = re.match(text, text.byteslice(0, from.to_i).length)
    puts(m ? (0...m.size).flat_map { |i| m.begin(i) ? [text[0...m.begin(i)].bytesize, text[0...m.end(i)].bytesize] : [-1, -1] }.join(',') : 'none')
  rescue RegexpError => e
    puts 'error ' + e.message.unpack1('H*')
  end
end`

func newOracle(t testing.TB) *oracle {
	ruby, err := exec.LookPath("ruby")
	if err != nil {
		t.Skip("ruby is not installed: nothing to compare with")
	}
	cmd := exec.Command(ruby, "-W0", "-e", oracleScript)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait()
	})
	return &oracle{in, bufio.NewScanner(out)}
}

func (o *oracle) match(t testing.TB, src string, opts Options, text string, from int) string {
	flags := 0
	for i, on := range []bool{opts.IgnoreCase, opts.Extended, opts.MultiLine} {
		if on {
			flags |= 1 << i
		}
	}
	if _, err := fmt.Fprintf(o.in, "%x %d %x %d\n", src, flags, text, from); err != nil {
		t.Fatal(err)
	}
	if !o.out.Scan() {
		t.Fatal("ruby has ended: ", o.out.Err())
	}
	answer := o.out.Text()
	if message, ok := strings.CutPrefix(answer, "error "); ok {
		b, _ := hex.DecodeString(message)
		return "error: " + string(b)
	}
	return answer
}

func ours(src string, opts Options, text string, from int) string {
	re, err := Compile(src, opts)
	if err != nil {
		return "error: " + err.Error()
	}
	loc, err := re.FindStringSubmatchIndexFrom(text, from)
	if err != nil {
		return err.Error()
	}
	return locText(loc)
}

func locText(loc []int) string {
	if loc == nil {
		return "none"
	}
	return strings.ReplaceAll(strings.Trim(fmt.Sprint(loc), "[]"), " ", ",")
}

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

// randomPattern builds a pattern of all that is supported.
func randomPattern(r *rand.Rand, depth int) string {
	var b strings.Builder
	for range 1 + r.IntN(3) {
		b.WriteString(randomAtom(r, depth))
		if r.IntN(3) == 0 {
			b.WriteString(pick(r, "*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}", "{,2}", "{1,}", "{0,2}?", "*+", "?+"))
		}
	}
	if r.IntN(5) == 0 {
		b.WriteString("|" + randomPattern(r, depth-1))
	}
	return b.String()
}

func randomAtom(r *rand.Rand, depth int) string {
	if depth > 0 && r.IntN(3) == 0 {
		open := pick(r, "(", "(", "(?:", "(?:", "(?i:", "(?m:", "(?=", "(?!", "(?>", "(?i)(")
		if open == "(?i)(" {
			return "(?:(?i)" + randomPattern(r, depth-1) + ")"
		}
		return open + randomPattern(r, depth-1) + ")"
	}
	return pick(r, "a", "b", "A", "é", "É", ".", "^", "$", `\A`, `\z`, `\Z`, `\b`, `\B`, `\w`, `\W`, `\d`, `\s`, `\S`, `\h`, "[ab]", "[^a]", "[a-c]", `[^\w]`, `[\s1]`,
		"[[:alpha:]]", "[[:upper:]]", "[^[:space:]]", "[a-c&&[^b]]", `\p{Lu}`, `\p{^Alpha}`, `\R`, `\n`, " ", "1", `\u00e9`, `\x41`, "(?<=a)", "(?<!a)", "(?#x)b", `\.`, "-", "{", "]")
}

func randomText(r *rand.Rand) string {
	var b strings.Builder
	for range r.IntN(9) {
		b.WriteString(pick(r, "a", "b", "c", "A", "B", "é", "É", "1", " ", "\n", "\n", "\r\n", ".", "-", "日"))
	}
	return b.String()
}

func TestMatchesAsRuby(t *testing.T) {
	o := newOracle(t)
	r := rand.New(rand.NewPCG(5, 6))
	for range 1500 {
		src, text := randomPattern(r, 2), randomText(r)
		opts := Options{IgnoreCase: r.IntN(5) == 0, MultiLine: r.IntN(5) == 0, Extended: r.IntN(8) == 0}
		from := 0
		if r.IntN(3) == 0 {
			for i := range text {
				if r.IntN(3) == 0 {
					from = i
				}
			}
		}
		compare(t, o, src, opts, text, from)
	}
}

func compare(t testing.TB, o *oracle, src string, opts Options, text string, from int) {
	if (strings.Contains(src, "[:upper:]") || strings.Contains(src, `\p{Lu}`)) && (opts.IgnoreCase || strings.Contains(src, "(?i")) && !isASCII(text) {
		return // Ruby finds only some of the letters that have an upper case
	}
	want := o.match(t, src, opts, text, from)
	got := ours(src, opts, text, from)
	if strings.HasPrefix(want, "error") && strings.HasPrefix(got, "error") {
		return
	}
	if got != want && !strings.Contains(want, "invalid pattern in look-behind") {
		re, _ := Compile(src, opts)
		t.Errorf("/%s/ %+v on %q from %d = %s, Ruby says %s (RE2: %v)", src, opts, text, from, got, want, re != nil && re.linear(text))
	}
}

// The constructs one by one, and what Ruby refuses.
func TestSyntaxAsRuby(t *testing.T) {
	o := newOracle(t)
	texts := []string{"", "abc]éa", "aab\n", "x{1,}y_-/", "foo=bar 12:34 ABC\x01", "a&b&&c{2}", "日本 αβ Ünï", "ſKk"}
	for _, src := range strings.Split(syntaxCases, "\n") {
		for _, text := range texts {
			compare(t, o, src, Options{}, text, 0)
		}
	}
}

const syntaxCases = `(
)
a)
*a
a|*
a{2}{3}
a**
a+*?
a{2}?
a{2}+
a{,2}
a{,}
a{}
a{3,1}
a{1001}b?
a{100001}
x{
x{1,
x{1,}
\1
(a)\1
(a)\2
(a)|b\1
(?<n>a)\1
(?<n>a)(b)
(?<n>a)|(?<n>b)
(?<n>a)(?<n>b)\k<n>
(?'n'a)\k'n'
(a)\k<-1>
(a)\k<1>
\k<x>
(?<1a>x)
(?<é>a)
(?(1)a|b)
(a)?(?(1)b|c)
(?<y>a)?(?(<y>)b|c)
\p{Foo}
\p{Greek}+
\p{^Alpha}
\P{^L}
\p{Letter}\p{Uppercase_Letter}?
\pL
[[:foo:]]
[[:^alpha:]]
[[:alpha:]
[b-a]
[a-\w]
[\d-a]
[a-b-c]+
[-a]
[a-]
[]a]
[]
[^]
[a&&]
[&&a]
[a-z&&[^aeiou]]
[^a-z&&[aeiou]]
[[a][^b]]
[[=a=]]
[a[bc]]
[\b\n]
(?z)
(?s)a
(?i-m:A)
a(?i)B|C
(?x) a b # c
(?x: a\ b )
(?#x)a
(?#x
(?i
(?a)\w+
(?u)\w+
(?u:\d)\b
(?a:\bé)
(?i)straSSe|ſ
(?i)k+
(?i)[^k]+
\x41\u0042\u{43 20}?
\xE3\x81\x82|\xE6\x97\xA5
\xff
\u12
\u{110000}
\cA|\C-a
\101\102
\400
\08
\8
\e|\a|\f|\v
\y\_\-\/
\R
\h+\H
\N\O\Y
\G.
(?<=a)b
(?<!a)b
(?<=a|bc)]
(?>a+)b
a++b
a*+a
a?+a
\A\z
^$
\Z
a\Z
(a|b)\Z
\n\Z
$.^
^\w*$
(?:^a|b)*
(a*)*b
(a|b*)*
(a*)+
(?:(a)|b)*
(?:a|ab)(?:c|bcd)(d*)
[[:space:]]|\s
[[:punct:]]+
[[:graph:]]+
[[:print:]]+
[[:word:]]+
[[:xdigit:]]+
[[:cntrl:]]
[[:digit:]]+`
