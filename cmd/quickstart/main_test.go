package main

import (
	"strings"
	"testing"
)

// TestParseFlags: what is not understood is refused before a folder is emptied.
func TestParseFlags(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"extra --events 3 --exit --dir elsewhere", `unexpected argument "extra"`},
		{"--events 3 --exit 5", `unexpected argument "5"`},
		{"--exit", "--exit needs --events N"},
		{"--relays --pair", "--relays goes with neither"},
		{"--sim :3025 --proxy", "without --proxy"},
	} {
		if _, err := parseFlags(strings.Fields(c.line)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.line, err, c.want)
		}
	}
	o, err := parseFlags(strings.Fields("--events 3 --exit --bin b"))
	if err != nil || o.events != 3 || !o.exit || o.bin != "b" {
		t.Errorf("got %+v, %v", o, err)
	}
}
