package filter

import (
	"strings"
	"testing"
)

func TestGrep(t *testing.T) {
	events := []string{
		`{"m":"hello world","l":"info","n":200}`,
		`{"m":"bye","l":"warn","n":404}`,
		`{"l":"error","n":500,"nest":{"k":"in"}}`,
		`{"m":null,"l":"info"}`,
		`{"m":"HELLO","l":"INFO","n":"500"}`,
	}
	rule := func(kind, key, pattern string) string {
		return "<" + kind + ">\nkey " + key + "\npattern " + pattern + "\n</" + kind + ">\n"
	}
	within := func(group, rules string) string { return "<" + group + ">\n" + rules + "</" + group + ">\n" }
	for _, c := range []struct{ name, conf, kept string }{
		{"nothing to test", "", "01234"},
		{"regexp", rule("regexp", "m", "/hello/"), "0"},
		{"without slashes", rule("regexp", "m", "hel+o"), "0"},
		{"ignore case", rule("regexp", "m", "/hello/i"), "04"},
		{"number", rule("regexp", "n", `/^5\d\d$/`), "24"},
		{"nested", rule("regexp", "$.nest.k", "/in/"), "2"},
		{"exclude", rule("exclude", "l", "/info|warn/"), "24"},
		{"both", rule("regexp", "l", "/./") + rule("exclude", "n", "/404/"), "0234"},
		{"absent is empty", rule("regexp", "m", `/^$/`), "23"},
		{"two regexps", rule("regexp", "l", "/info/") + rule("regexp", "m", "/hello/"), "0"},
		{"two excludes", rule("exclude", "l", "/info/") + rule("exclude", "n", "/404/"), "24"},
		{"or regexp", within("or", rule("regexp", "m", "/bye/")+rule("regexp", "l", "/error/")), "12"},
		{"several or", within("or", rule("regexp", "m", "/bye/")) + within("or", rule("regexp", "l", "/error/")), "12"},
		{"or exclude", within("or", rule("exclude", "m", "/bye/")+rule("exclude", "n", "/500/")), "03"},
		{"and regexp", within("and", rule("regexp", "m", "/bye/")+rule("regexp", "l", "/warn/")), "1"},
		{"and exclude", within("and", rule("exclude", "l", "/info/")+rule("exclude", "n", "/200/")), "1234"},
		{"old forms", "regexp1 m hello\nexclude1 l INFO", "0"},
		{"old form with a blank", "regexp2 m hello world", "0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHarness()
			f := NewGrep(h.env)
			if err := h.build(f, c.conf); err != nil {
				t.Fatal(err)
			}
			kept := ""
			for i, e := range events {
				if run(t, f, "t", e) != "" {
					kept += string(rune('0' + i))
				}
			}
			if kept != c.kept {
				t.Errorf("kept %s, want %s", kept, c.kept)
			}
		})
	}
}

func TestGrepErrors(t *testing.T) {
	one := "<regexp>\nkey m\npattern /a/\n</regexp>\n"
	for conf, want := range map[string]string{
		one + one:                                 "Duplicate key: m",
		"<and>\n" + one + one + "</and>":          "Duplicate key in <and>: m",
		"regexp1 hello":                           "regexp1 does not contain 2 parameters",
		"regexp1 m a\nregexp2 m b":                "regexp2 contains a duplicated key, m",
		"<regexp>\nkey m\npattern /(/\n</regexp>": "end pattern with unmatched parenthesis",
	} {
		h := newHarness()
		if err := h.build(NewGrep(h.env), conf); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", conf, err, want)
		}
	}
}

func TestScrub(t *testing.T) {
	for text, want := range map[string]string{
		"a\xffb": "a?b", "\xff\xfe": "??", "\xe3\x81x": "?x", "\xe3\x81": "?", "\xc3": "?", "é\xe3日": "é?日", "\xf0\x9f\x98x\x80": "?x?", "ok日": "ok日",
	} {
		if got := scrub(text); got != want {
			t.Errorf("scrub(%q) = %q, want %q", text, got, want)
		}
	}
}

// A pattern that can not see the text as Ruby does sees it scrubbed.
func TestGrepInvalidUTF8(t *testing.T) {
	h := newHarness()
	f := NewGrep(h.env)
	if err := h.build(f, "<regexp>\nkey m\npattern /^a\\?b$/\n</regexp>"); err != nil {
		t.Fatal(err)
	}
	if got := run(t, f, "t", "{\"m\":\"a\xffb\"}"); got == "" {
		t.Error("a byte that is no UTF-8 is no question mark")
	}
}

func BenchmarkGrep(b *testing.B) {
	h := newHarness()
	f := NewGrep(h.env)
	if err := h.build(f, "<regexp>\nkey event\npattern /^session\\./\n</regexp>\n<exclude>\nkey user\npattern /^bot-/\n</exclude>"); err != nil {
		b.Fatal(err)
	}
	benchmark(b, f)
}
