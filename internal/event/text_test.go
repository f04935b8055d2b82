package event

import (
	"math/big"
	"testing"
	"time"
)

func TestText(t *testing.T) {
	for _, c := range []struct {
		v             any
		text, inspect string
	}{
		{nil, "", "nil"},
		{true, "true", "true"},
		{int64(-5), "-5", "-5"},
		{new(big.Int).Lsh(big.NewInt(1), 70), "1180591620717411303424", "1180591620717411303424"},
		{1.0, "1.0", "1.0"},
		{"a\"é\n", "a\"é\n", `"a\"\u00E9\n"`},
		{Binary("\x00é#{"), "\x00é#{", `"\x00\xC3\xA9\#{"`},
		{Time{1600000000, 5}, "1600000000", time.Unix(1600000000, 5).Format("2006-01-02 15:04:05.000000000 -0700")},
		{[]any{int64(1), "a", nil}, `[1, "a", nil]`, `[1, "a", nil]`},
		{[]any{}, "[]", "[]"},
		{NewRecord(), "{}", "{}"},
		{NewRecord("x", 1, "é", []any{NewRecord("y", 2.5)}), `{"x"=>1, "\u00E9"=>[{"y"=>2.5}]}`, `{"x"=>1, "\u00E9"=>[{"y"=>2.5}]}`},
		{
			"\x00\x1f\x7f\a\b\t\n\v\f\r\x1b\\ #{a} #$b #@c #d 日 😀 \xff", "\x00\x1f\x7f\a\b\t\n\v\f\r\x1b\\ #{a} #$b #@c #d 日 😀 \xff",
			`"\u0000\u001F\x7F\a\b\t\n\v\f\r\e\\ \#{a} \#$b \#@c #d \u65E5 \u{1F600} \xFF"`,
		},
	} {
		if got := Text(c.v); got != c.text {
			t.Errorf("%#v: text %s, want %s", c.v, got, c.text)
		}
		if got := Inspect(c.v); got != c.inspect {
			t.Errorf("%#v: inspect\n got %s\nwant %s", c.v, got, c.inspect)
		}
	}
}
