package onig

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func mustCompile(t testing.TB, src string, opts Options) *Regexp {
	t.Helper()
	re, err := Compile(src, opts)
	if err != nil {
		t.Fatal(err)
	}
	return re
}

func TestNotSupported(t *testing.T) {
	for src, want := range map[string]string{
		`ab(?~c)`:                `regular expression /ab(?~c)/, column 3: the absent operator (?~…) is not supported (write (?:(?!…).)* for text in which … does not occur)`,
		`(?<n>a\g<n>?)`:          `regular expression /(?<n>a\g<n>?)/, column 7: subexpression calls \g<…> are not supported (write the group out where it is called)`,
		`日\X`:                    `regular expression /日\X/, column 2: \X is not supported (write (?>\P{M}\p{M}*) for a character with its accents)`,
		`a\Kb`:                   `regular expression /a\Kb/, column 2: \K is not supported (put what stands before it into (?<=…), or what follows into a group)`,
		`(a)\k<1+0>`:             `regular expression /(a)\k<1+0>/, column 4: back references with a nesting level are not supported`,
		`(?P<name>a)`:            `regular expression /(?P<name>a)/, column 3: undefined group option (groups are (?:…) (?<name>…) (?=…) (?!…) (?<=…) (?<!…) (?>…) and (?imx-imx:…); m lets a dot match newlines)`,
		strings.Repeat("(", 300): "",
	} {
		_, err := Compile(src, Options{})
		var e *Error
		if !errors.As(err, &e) || want != "" && err.Error() != want {
			t.Errorf("Compile(%q): %v, want %s", src, err, want)
		}
	}
}

func TestParseLiteral(t *testing.T) {
	for _, c := range []struct {
		literal, text string
		want          bool
	}{
		{"/a.c/", "a\nc", false},
		{"/a.c/m", "a\nc", true},
		{"/ABC/i", "abc", true},
		{"/a b # c/x", "ab", true},
		{"/A B/xi", "ab", true},
		{`/a\/b/`, "a/b", true},
		{"/a/b/", "a/b", true},
		{"a/b", "a/b", true},
		{"^a$", "b\na\nc", true},
	} {
		re, err := ParseLiteral(c.literal)
		if err != nil {
			t.Errorf("ParseLiteral(%q): %v", c.literal, err)
		} else if got := re.MatchString(c.text); got != c.want {
			t.Errorf("%s on %q: %v, want %v", c.literal, c.text, got, c.want)
		}
	}
	for _, bad := range []string{"/", "/abc", "/a/g", "/(/"} {
		if _, err := ParseLiteral(bad); err == nil {
			t.Errorf("ParseLiteral(%q) succeeded", bad)
		}
	}
}

// Patterns of users' configurations must not need the backtracking engine.
func TestLinear(t *testing.T) {
	for _, src := range []string{
		`^(?<host>[^ ]*) [^ ]* (?<user>[^ ]*) \[(?<time>[^\]]*)\] "(?<method>\S+)(?: +(?<path>[^ ]*) +\S*)?" (?<code>[^ ]*) (?<size>[^ ]*)$`,
		`\A<(?<pri>[0-9]+)>(?<rest>.*)\Z`,
		`(?i)error|warn`,
		`^session\.(start|end)$`,
		`[[:alpha:]]+\p{Lu}`,
	} {
		if re := mustCompile(t, src, Options{}); !re.Linear() {
			t.Errorf("/%s/ is not linear", src)
		}
	}
	for _, src := range []string{`(?=a)`, `(a)\1`, `a++`, `\bx`, `^`} {
		if re := mustCompile(t, src, Options{}); re.Linear() {
			t.Errorf("/%s/ is linear", src)
		}
	}
}

func TestNames(t *testing.T) {
	re := mustCompile(t, `(?<a>x)(y)(?<b>z)|(?<a>w)`, Options{})
	if got, want := re.SubexpNames(), []string{"", "a", "b", "a"}; !slices.Equal(got, want) || re.NumSubexp() != 3 {
		t.Errorf("names %q, want %q", got, want)
	}
}

// A search that takes too long is an error and no mismatch.
func TestTimeout(t *testing.T) {
	re := mustCompile(t, `(?=a)(a+)+\1y`, Options{}).WithTimeout(time.Millisecond)
	if _, err := re.Match(strings.Repeat("a", 60) + "!"); !errors.Is(err, ErrTimeout) || !strings.Contains(err.Error(), "more than 1ms") {
		t.Errorf("Match: %v, want ErrTimeout after a millisecond", err)
	}
}

func TestInvalidUTF8(t *testing.T) {
	text := "a\xffb\xc3é\xe3\x81x"
	for src, want := range map[string]string{
		`b`:         "2,3",
		`(?<=b)..`:  "3,6",
		`x`:         "8,9",
		`(?=x)`:     "8,8",
		`é`:         "4,6",
		`a.b.`:      "0,4",
		`(?>a.b.é)`: "0,6",
	} {
		if got := ours(src, Options{}, text, 0); got != want {
			t.Errorf("/%s/: %s, want %s", src, got, want)
		}
	}
}

func TestFindAll(t *testing.T) {
	for _, c := range []struct{ src, text, want string }{
		{`a*`, "baac", "0,0 1,3 3,3 4,4"},
		{`^`, "a\nb\n", "0,0 2,2"},
		{`\b`, "é a", "0,0 2,2 3,3 4,4"},
		{`\A.`, "aaa", "0,1"},
		{`(?<=a)`, "aé a", "1,1 5,5"},
		{`(?!)`, "a", ""},
		{`.`, "é日", "0,2 2,5"},
		{`\G.`, "ab", "0,1 1,2"},
		{`a\Z`, "a a\n", "2,3"},
	} {
		re := mustCompile(t, c.src, Options{})
		var got []string
		if err := re.FindAll(c.text, 0, func(loc []int) bool { got = append(got, locText(loc[:2])); return true }); err != nil {
			t.Fatal(err)
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("/%s/ in %q: %s, want %s", c.src, c.text, s, c.want)
		}
	}
}

func TestReplaceAll(t *testing.T) {
	for _, src := range []string{`(\w)(\d)`, `(\w)(?=(\d))\d`} {
		re := mustCompile(t, src, Options{})
		text := "é a1-b2"
		got, err := re.ReplaceAll([]byte("> "), text, func(dst []byte, loc []int) []byte {
			return append(append(dst, text[loc[4]:loc[5]]...), text[loc[2]:loc[3]]...)
		})
		if want := "> é 1a-2b"; err != nil || string(got) != want {
			t.Errorf("/%s/: %q, %v, want %q", src, got, err, want)
		}
	}
}

// Both engines find the same, where RE2 has a say.
func FuzzEngines(f *testing.F) {
	f.Add(`^(?<a>\w+)|[^b]\Z`, "é\na\n", uint8(0))
	f.Add(`(a|ab)(c|bcd)(d*)`, "abcd", uint8(1))
	f.Add(`[[:alpha:]&&[^k]]+?\b.{2}`, "ſK kx", uint8(3))
	f.Fuzz(func(t *testing.T, src, text string, flags uint8) {
		if len(src) > 100 || len(text) > 100 {
			return
		}
		re, err := Compile(src, Options{flags&1 != 0, flags&2 != 0, flags&4 != 0})
		if err != nil || !re.linear(text) || strings.Contains(src, `{`) {
			return // large repetitions take long
		}
		want, err := re.FindStringSubmatchIndex(text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := re.backtrack(text, 0)
		if err != nil {
			return // too long, or more than it can hold
		}
		if !slices.Equal(got, want) {
			t.Errorf("/%s/ on %q: RE2 %v, backtracking %v", src, text, want, got)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	text := `{"event":"session.start","user":"alice","code":"T2000I","uid":"55dc09f3"} 10.0.0.1 - - [02/Jan/2020:03:04:05 +0900]`
	for _, src := range []string{`"event":"session\.(start|end)"`, `(?<=")T\d+I`, `^\{.*\d\]$`} {
		b.Run(src, func(b *testing.B) {
			re := mustCompile(b, src, Options{})
			b.ReportAllocs()
			for b.Loop() {
				if ok, err := re.Match(text); !ok || err != nil {
					b.Fatal(ok, err)
				}
			}
		})
	}
}
