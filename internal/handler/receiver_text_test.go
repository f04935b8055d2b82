package handler

import (
	"strings"
	"testing"
)

// What a receiver quotes of an event is left out; what it says stays, in one line.
func TestReasonIn(t *testing.T) {
	t.Parallel()
	const sent = `{"argv":["mysql -phushhush"],"event":"exec","uid":"1"}`
	for text, want := range map[string]string{
		"400 Bad Request\nunexpected token at '" + sent + "'": "unexpected token at '…'",
		`bad value "mysql -phushhush" in argv`:                `bad value … in argv`,
		"exec is unknown":                                     "exec is unknown",
		`{"text":"Invalid token","code":4}`:                   `{"text":"Invalid token","code":4}`,
		"<html><body>nginx</body></html>":                     "",
		"one\r\n  two\x00":                                    "one   two",
		strings.Repeat("é", longestReason):                    strings.Repeat("é", longestReason/2) + "…",
		"400 Bad Request\n" + sent[:30] + "\xff\xfe":          "…\xff\xfe",
		"": "",
	} {
		if got := reasonIn("400 Bad Request", []byte(text), []byte(sent)); got != want {
			t.Errorf("%q:\ngot  %q\nwant %q", text, got, want)
		}
	}
}
