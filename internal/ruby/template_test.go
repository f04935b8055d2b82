package ruby

import (
	"errors"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/internal/event"
)

func TestTemplates(t *testing.T) {
	for _, c := range []struct {
		value string
		typed bool
		want  any
		ruby  string
	}{
		{`${1}`, true, int64(1), `1`},
		{`${1}`, false, "1", `%Q[#{1}]`},
		{`${nil}`, true, nil, `nil`},
		{`v=${nil}`, true, "v=", `%Q[v=#{nil}]`},
		{`${{"a"=>1}}`, true, event.NewRecord("a", 1), `{"a"=>1}`},
		{`${{"a"=>1}}`, false, `{"a"=>1}`, `%Q[#{{"a"=>1}}]`},
		{`${record["k"]}${record["i"]}`, true, "kv7", ``},
		{`pre ${record["k"]} mid ${record["i"]} post`, true, "pre kv mid 7 post", ``},
		{`a-${record["k"].gsub("}", "")}-b`, true, "a-kv-b", ``},
		{`a-${"}"}-${record["arr"].map { |x| "<#{x}>" }.join}`, true, "a-}-<1><2><3>", ``},
		{`${"${tag}"}`, true, "${tag}", ``}, // ${ twice: so it is a string, and #{ within one opens code too
		{`$${record["k"]}`, true, "$kv", ``},
		{`}${record["k"]}{`, true, "}kv{", ``},
		{`plain`, true, "plain", `%Q[plain]`},
		{`a\tb\u00e9`, true, "a\tbé", ``},
		{`[x] ${tag}`, true, "[x] a.b.c", ``},
		{`\[ ${tag}`, true, "[ a.b.c", ``},
		{`#{1 + 1}`, true, "2", ``},
		{`50 % of # it`, true, "50 % of # it", ``},
		{`${}`, true, nil, ``},
		{`${:sym}`, true, "sym", ``},
		{`${1..2}`, true, "1..2", ``},
		{`${Time.at(0).utc}`, true, "1970-01-01 00:00:00 UTC", ``},
		{`${[1, :a, nil, 2.5, {b: [Time.at(0).utc]}]}`, true, []any{int64(1), "a", nil, 2.5, event.NewRecord("b", []any{"1970-01-01 00:00:00 UTC"})}, ``},
		{`${"\xff".b}`, true, event.Binary("\xff"), ``},
		{`${String}`, true, "String", ``},
		{`${{1 => 2, nil => 3}}`, true, event.NewRecord("1", 2, "", 3), ``},
	} {
		tpl, err := ParseTemplate(c.value, c.typed, RecordVars())
		if err != nil {
			if c.value == `${"${tag}"}` { // as Fluentd: "#{"#{tag}"}" is what it makes of this
				t.Errorf("%s: %v", c.value, err)
			}
			t.Errorf("%s: %v", c.value, err)
			continue
		}
		m := testEnv(t)
		v, err := tpl.Eval(m)
		if err != nil {
			t.Errorf("%s: %v", c.value, err)
			continue
		}
		want := c.want
		if c.value == `${"${tag}"}` {
			want = "a.b.c"
		}
		if got := m.ToEvent(v); text(got) != text(want) {
			t.Errorf("%s\n got %s\nwant %s", c.value, text(got), text(want))
		}
		if c.ruby != "" && tpl.String() != c.ruby {
			t.Errorf("%s becomes %s, want %s", c.value, tpl, c.ruby)
		}
	}
}

// text tells values and their types apart.
func text(v any) string {
	switch v.(type) {
	case string:
		return "string " + event.Inspect(v)
	case event.Binary:
		return "binary " + event.Inspect(v)
	}
	return event.Inspect(v)
}

func TestTemplateErrors(t *testing.T) {
	for _, c := range []struct {
		value     string
		line, col int
		msg, hint string
	}{
		{`${1 +}`, 1, 6, "syntax error, unexpected end-of-input", ""},
		{`x ${1 +} y`, 1, 8, "syntax error, unexpected `}'", ""},
		{`a] b ${tag}`, 1, 4, "syntax error", `\]`},
		{`${nope}`, 1, 3, "undefined local variable or method `nope'", ""},
		{"x ${tag}\n${nope}", 2, 3, "undefined local variable or method `nope'", ""},
		{`é ${recrod["x"]}`, 1, 5, "undefined local variable or method `recrod'", "did you mean record?"},
		{`${tag} ${tag.upcas}`, 1, 14, "the method upcas is not supported", "did you mean upcase?"},
	} {
		_, err := ParseTemplate(c.value, true, RecordVars())
		var p *ParseError
		if !errors.As(err, &p) {
			t.Errorf("%s: %v", c.value, err)
			continue
		}
		if p.Line != c.line || p.Col != c.col || !strings.HasPrefix(p.Msg, c.msg) || !strings.Contains(p.Hint, c.hint) {
			t.Errorf("%s\n got line %d col %d: %s (%s)\nwant line %d col %d: %s (%s)", c.value, p.Line, p.Col, p.Msg, p.Hint, c.line, c.col, c.msg, c.hint)
		}
	}
}
