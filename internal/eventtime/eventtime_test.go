package eventtime

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/internal/event"
)

// in makes a zone the machine's own for a test. Such tests do not run in parallel.
func in(t testing.TB, zone string) {
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Skip("no time zones here: ", err)
	}
	old := time.Local
	time.Local = loc
	t.Cleanup(func() { time.Local = old })
}

func parser(t testing.TB, c Config) *Parser {
	t.Helper()
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	p, err := NewParser(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func show(at event.Time, err error) string {
	if err != nil {
		return "error: " + err.Error()
	}
	return fmt.Sprintf("%d.%09d", at.Sec, at.Nsec)
}

// What Fluentd was seen to make of these.
func TestParse(t *testing.T) {
	text := func(format string) Config { return Config{Type: "string", Format: format, Localtime: true} }
	zoned := func(format, zone string) Config {
		return Config{Type: "string", Format: format, Localtime: true, Timezone: zone}
	}
	const seconds, blank = "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"
	for _, c := range []struct {
		local string
		conf  Config
		value any
		want  string
	}{
		{"UTC", Default(), int64(1500000000), "1500000000.000000000"},
		{"UTC", Default(), 1500000000.123456, "1500000000.123456000"},
		{"UTC", Default(), "1500000000.5", "1500000000.500000000"},
		{"UTC", Default(), "1500000000.123456789", "1500000000.123456789"},
		{"UTC", Default(), "x", "0.000000000"},
		{"UTC", Default(), "2020-01-02T03:04:05Z", "2020.000000000"},
		{"UTC", Default(), int64(-1), "-1.000000000"},
		{"UTC", Default(), nil, "error: value must be a string or a number: (NilClass)"},
		{"UTC", Default(), true, "error: value must be a string or a number: true(TrueClass)"},
		{"UTC", Default(), event.NewRecord("a", int64(1)), `error: value must be a string or a number: {"a"=>1}(Hash)`},
		{"UTC", Config{Type: "unixtime"}, 1500000000.9, "1500000000.000000000"},
		{"UTC", Config{Type: "unixtime"}, "1500000000.9", "1500000000.000000000"},
		{"UTC", text("%FT%T%z"), "2020-01-02T03:04:05+0900", "1577901845.000000000"},
		{"UTC", text("%Y-%jT%T%:z"), "2020-032T03:04:05+01:00", "1580522645.000000000"},
		{"UTC", text(seconds + ".%L%z"), "2020-01-02T03:04:05.123Z", "1577934245.123000000"},
		{"UTC", text(seconds + ".%NZ"), "2020-01-02T03:04:05Z", "error: invalid time format: value = 2020-01-02T03:04:05Z, error_class = ArgumentError, error = string doesn't match"},
		{"UTC", text("%s.%N"), "1500000000", "error: invalid time format: value = 1500000000, error_class = ArgumentError, error = invalid date or strptime format - `1500000000' `%s.%N'"},
		{"UTC", text("%a, %d %b %Y %T %Z"), "Thu, 02 Jan 2020 03:04:05 EST", "1577952245.000000000"},
		{"UTC", text(seconds), int64(5), "error: value must be string: 5"},
		{"UTC", text(seconds), nil, "error: value must be string: "},
		{"America/New_York", text(seconds), "2021-06-11T12:13:14.123Z", "1623427994.000000000"},
		{"Asia/Tokyo", Config{Type: "string", Format: blank, UTC: true, UTCSet: true, Localtime: true}, "2020-01-02 03:04:05", "1577934245.000000000"},
		{"Asia/Tokyo", Config{Type: "string", Format: blank, LocaltimeSet: true}, "2020-01-02 03:04:05", "1577934245.000000000"},
		{"UTC", zoned(blank, "+09:00"), "2020-01-02 03:04:05", "1577901845.000000000"},
		{"UTC", zoned(blank, "Asia/Tokyo"), "2020-01-02 03:04:05", "1577901845.000000000"},
		{"UTC", zoned(blank, "America/New_York"), "2020-07-02 03:04:05", "1593673445.000000000"},
		{"UTC", zoned(blank, "America/New_York"), "2020-03-08 02:30:00", "1583652600.000000000"},
		{"UTC", zoned(blank, "America/New_York"), "2020-11-01 01:30:00", "1604208600.000000000"},
		// With a zone in the format the configured one does not count, not even for a
		// name that Ruby does not know.
		{"UTC", zoned("%F %T %Z", "Asia/Tokyo"), "2020-01-02 03:04:05 XYZ", "1577934245.000000000"},
		{"Asia/Tokyo", text("%iso8601"), "2020-01-02T03:04:05.5Z", "1577934245.500000000"},
		{"Asia/Tokyo", text("%iso8601"), "2020-01-02T03:04:05", "1577901845.000000000"},
		{"Asia/Tokyo", text("%iso8601"), "2020-01-02 03:04:05Z", `error: invalid time format: value = 2020-01-02 03:04:05Z, error_class = ArgumentError, error = invalid xmlschema format: "2020-01-02 03:04:05Z"`},
		{"UTC", text(""), "Thu, 02 Jan 2020 03:04:05 GMT", "1577934245.000000000"},
		{"UTC", text(""), "2020-01-02T03:04:05.678+09:00", "1577901845.678000000"},
		{"Asia/Tokyo", text(""), "2020-01-02 03:04:05", "1577901845.000000000"},
		{"UTC", text(""), "nothing", `error: invalid time format: value = nothing, error_class = ArgumentError, error = no time information in "nothing"`},
		{"UTC", Config{Type: "mixed", Format: "%iso8601", Fallbacks: []string{"unixtime", seconds}}, "1500000000.5", "1500000000.000000000"},
		{"UTC", Config{Type: "mixed", Format: "%iso8601", Fallbacks: []string{"unixtime", seconds}}, int64(15), "15.000000000"},
		{"UTC", Config{Type: "mixed", Format: "%iso8601", Fallbacks: []string{"unixtime", seconds}}, "2020-01-02T03:04:05 x", "1577934245.000000000"},
		{"UTC", Config{Type: "mixed", Fallbacks: []string{"%iso8601", "float"}}, "x", "error: invalid time format: value = x, even though fallbacks: Fluent::TimeParser,Fluent::NumericTimeParser"},
	} {
		t.Run(fmt.Sprintf("%s/%s/%v", c.conf.Type, c.conf.Format, c.value), func(t *testing.T) {
			in(t, c.local)
			if got := show(parser(t, c.conf).Parse(c.value)); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestFormat(t *testing.T) {
	at := event.Time{Sec: 1600000000, Nsec: 123456700}
	for _, c := range []struct {
		conf Config
		want any
	}{
		{Default(), 1600000000.123456},
		{Config{Type: "unixtime"}, int64(1600000000)},
		{Config{Type: "string", Localtime: true}, "2020-09-13T08:26:40-04:00"},
		{Config{Type: "string", UTC: true, UTCSet: true}, "2020-09-13T12:26:40Z"},
		{Config{Type: "string", Timezone: "+00:00"}, "2020-09-13T12:26:40+00:00"},
		{Config{Type: "string", Timezone: "Asia/Tokyo"}, "2020-09-13T21:26:40+09:00"},
		{Config{Type: "string", Format: "%iso8601"}, "%iso8601"},
		{Config{Type: "string", Format: "%Y-%m-%dT%H:%M:%S.%NZ", UTC: true, UTCSet: true}, "2020-09-13T12:26:40.123456700Z"},
	} {
		in(t, "America/New_York")
		f, err := NewFormatter(c.conf)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time from memory
			if got := f.Format(at); got != c.want {
				t.Errorf("%+v: %v, want %v", c.conf, got, c.want)
			}
		}
		if other := f.Format(event.Time{Sec: at.Sec + 1, Nsec: at.Nsec}); other == c.want && c.want != "%iso8601" {
			t.Errorf("%+v: a second later still %v", c.conf, other)
		}
	}
}

func TestCheck(t *testing.T) {
	for want, c := range map[string]Config{
		"both of utc and localtime are specified, use only one of them":            {UTC: true, UTCSet: true, Localtime: true, LocaltimeSet: true},
		"time_type is :mixed but time_format and time_format_fallbacks is empty.":  {Type: "mixed"},
		"Unsupported timezone 'Nowhere/Land'":                                      {Timezone: "Nowhere/Land"},
		"Unsupported timezone '+9'":                                                {Timezone: "+9"},
		"Unsupported timezone '../etc/passwd'":                                     {Timezone: "../etc/passwd"},
		`compile time format "100%": "%" has no end (write %% for a percent sign)`: {Type: "string", Format: "100%"},
	} {
		if err := c.Check(); err == nil || err.Error() != want {
			t.Errorf("%+v: %v, want %s", c, err, want)
		}
	}
	for _, zone := range []string{"+09:00", "-0930", "+09", "Asia/Tokyo", "America/Argentina/Buenos_Aires"} {
		if _, err := Zone(zone); err != nil {
			t.Error(err)
		}
	}
}

func FuzzFloat(f *testing.F) {
	for _, s := range []string{"1500000000.123456789", "-1.5", "1_000", " 7x", "1..2", "99999999999999999999", ".5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		at, err := parseFloat(s)
		if err != nil || at.Nsec < 0 || at.Nsec > 999999999 {
			t.Errorf("%q: %v, %v", s, at, err)
		}
		if !strings.ContainsAny(s, "0123456789") && at != (event.Time{}) {
			t.Errorf("%q: %v, want 0", s, at)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	in(b, "America/New_York")
	for _, c := range []struct{ format, text string }{
		{"%Y-%m-%dT%H:%M:%S", "2021-06-11T12:13:14.123Z"},
		{"%Y-%m-%dT%H:%M:%S.%N%z", "2021-06-11T12:13:14.123456789Z"},
		{"%iso8601", "2021-06-11T12:13:14.123Z"},
		{"", "2021-06-11T12:13:14.123Z"},
	} {
		b.Run(c.format, func(b *testing.B) {
			p := parser(b, Config{Type: "string", Format: c.format, Localtime: true})
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.ParseText(c.text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
