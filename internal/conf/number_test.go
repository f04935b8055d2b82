package conf

import (
	"strings"
	"testing"
	"time"
)

// The values are Fluentd's (golden config/size_*, config/time_*); the errors are
// texts that it takes for 0.
func TestParseSize(t *testing.T) {
	for _, c := range []struct {
		text string
		want int64
		hint string // its beginning
		err  string
	}{
		{text: "10", want: 10},
		{text: "-5", want: -5},
		{text: "8k", want: 8 << 10},
		{text: "8K", want: 8 << 10},
		{text: "1kb", want: 1 << 10},
		{text: "256m", want: 256 << 20},
		{text: "1G", want: 1 << 30},
		{text: "2t", want: 2 << 40},
		{text: "0.5k", want: 5 << 10, hint: "is read as 5 KiB"},
		{text: "1.5g", want: 5 << 30, hint: "is read as 5 GiB"},
		{text: "1g500m", want: 500 << 20, hint: "is read as 500 MiB"},
		{text: "-5k", want: 5 << 10, hint: "is read as 5 KiB"},
		{text: "about 3m", want: 3 << 20, hint: "is read as 3 MiB"},
		{text: "1 k", want: 1, hint: "is read as 1 byte:"},
		{text: "1_000", want: 1000, hint: "is read as 1000 bytes"},
		{text: "10MiB", want: 10 << 20, hint: "is read as 10 MiB"},
		{text: "", err: `"" is no size`},
		{text: "x", err: `"x" is no size`},
		{text: "k", err: `"k" is no size`},
		{text: "99999999t", err: `"99999999t" is more than 8 EiB`},
		{text: "99999999999999999999", err: `is no size`},
	} {
		got, hint, err := ParseSize(c.text)
		checkNumber(t, c.text, got, c.want, hint, c.hint, err, c.err)
	}
}

func TestParseTime(t *testing.T) {
	for _, c := range []struct {
		text string
		want time.Duration
		hint string
		err  string
	}{
		{text: "10", want: 10 * time.Second},
		{text: "0.5", want: 500 * time.Millisecond},
		{text: ".25", want: 250 * time.Millisecond},
		{text: "1e-3", want: time.Millisecond},
		{text: "-1", want: -time.Second},
		{text: "30s", want: 30 * time.Second},
		{text: "10m", want: 10 * time.Minute},
		{text: "1h", want: time.Hour},
		{text: "7d", want: 7 * 24 * time.Hour},
		{text: "1ms", want: time.Minute, hint: "is read as 1 minute:"},
		{text: "500ms", want: 500 * time.Minute, hint: "is read as 500 minutes:"},
		{text: "0.5s", want: 5 * time.Second, hint: "is read as 5 seconds:"},
		{text: "1h30m", want: 30 * time.Minute, hint: "is read as 30 minutes:"},
		{text: "1w", want: time.Second, hint: "is read as 1 second:"},
		{text: "10M", want: 10 * time.Second, hint: "is read as 10 seconds:"},
		{text: "1 h", want: time.Second, hint: "is read as 1 second:"},
		{text: "1.", want: time.Second, hint: "is read as 1 second:"},
		{text: "1.5w", want: 1500 * time.Millisecond, hint: "is read as 1.5 seconds:"},
		{text: "0x1A", want: 0, hint: "is read as 0 seconds:"},
		{text: "", err: `"" is no time`},
		{text: "x", err: `"x" is no time`},
		{text: "soon", err: `"soon" is no time`},
		{text: "200000d", err: "more than 292 years"},
		{text: "1e300", err: "more than 292 years"},
		{text: "9999999999999999999s", err: "more than 292 years"},
	} {
		got, hint, err := ParseTime(c.text)
		checkNumber(t, c.text, got, c.want, hint, c.hint, err, c.err)
	}
}

func TestParseIntAndFloat(t *testing.T) {
	for _, c := range []struct {
		text string
		want int64
		hint string
		err  string
	}{
		{text: "8888", want: 8888},
		{text: "+5", want: 5},
		{text: " 7", want: 7, hint: "is read as 7"},
		{text: "1_000_", want: 1000, hint: "is read as 1000"},
		{text: "1__0", want: 1, hint: "is read as 1"},
		{text: "10abc", want: 10, hint: "is read as 10"},
		{text: "3.9", want: 3, hint: "is read as 3"},
		{text: "abc8888", want: 0, hint: "is no number and counts as 0"},
		{text: "-", want: 0, hint: "is no number and counts as 0"},
		{text: "99999999999999999999", err: "more than 64 bits"},
	} {
		got, hint, err := ParseInt(c.text)
		checkNumber(t, c.text, got, c.want, hint, c.hint, err, c.err)
	}
	for _, c := range []struct {
		text string
		want float64
		hint string
		err  string
	}{
		{text: "0.95", want: 0.95},
		{text: "-1_0.5e+2", want: -1050},
		{text: "1e", want: 1, hint: "is read as 1"},
		{text: "1.2.3", want: 1.2, hint: "is read as 1.2"},
		{text: "half", want: 0, hint: "is no number and counts as 0"},
		{text: "1e999", err: "out of range"},
	} {
		got, hint, err := ParseFloat(c.text)
		checkNumber(t, c.text, got, c.want, hint, c.hint, err, c.err)
	}
}

func checkNumber[T comparable](t *testing.T, text string, got, want T, hint, wantHint string, err error, wantErr string) {
	t.Helper()
	if err != nil || wantErr != "" {
		if err == nil || wantErr == "" || !strings.Contains(err.Error(), wantErr) {
			t.Errorf("%q: got error %v, want %q", text, err, wantErr)
		}
		return
	}
	if got != want {
		t.Errorf("%q: got %v, want %v", text, got, want)
	}
	if (hint == "") != (wantHint == "") || !strings.HasPrefix(hint, wantHint) {
		t.Errorf("%q: got hint %q, want %q", text, hint, wantHint)
	}
}

func TestParseBool(t *testing.T) {
	for text, want := range map[string]bool{"true": true, "yes": true, "": true, "# on": true, "false": false, "no": false} {
		if got, err := ParseBool(text); err != nil || got != want {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"1", "0", "on", "TRUE", "maybe", " true"} {
		if got, err := ParseBool(text); err == nil {
			t.Errorf("%q: got %v, want an error", text, got)
		}
	}
}
