package strftime

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The layout and its result are from Fluentd, in UTC.
func TestPrintsTeleportTimes(t *testing.T) {
	at := time.Unix(1600000000, 123456700).UTC()
	for layout, want := range map[string]string{
		"%Y-%m-%dT%H:%M:%SZ": "2020-09-13T12:26:40Z",
		"%FT%T.%NZ":          "2020-09-13T12:26:40.123456700Z",
		"%a %b %e %H:%M:%S %j %U %p %I %l %k %y %Z %z %:z %D %T %R %c %x %X %n %% %6N %3N %9N": "Sun Sep 13 12:26:40 257 37 PM 12 12 12 20 UTC +0000 +00:00 09/13/20 12:26:40 12:26 Sun Sep 13 12:26:40 2020 09/13/20 12:26:40 \n % 123456 123 123456700",
		"%+": "Sun Sep 13 12:26:40 UTC 2020",
		"":   "",
	} {
		if got := string(Format(nil, layout, at)); got != want {
			t.Errorf("Format(%q) = %q, want %q", layout, got, want)
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	for _, layout := range []string{"100%", "%5", "%-", "%2000d", "%99999999999999999999d"} {
		if _, err := Compile(layout); err == nil {
			t.Errorf("Compile(%q) succeeded", layout)
		}
	}
}

func TestParse(t *testing.T) {
	newYork, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Skip("no time zones here: ", err)
	}
	for _, c := range []struct{ layout, text, zone, want, rest string }{
		{"%Y-%m-%dT%H:%M:%S", "2021-06-11T12:13:14.123Z", "", "2021-06-11T12:13:14Z", ".123Z"},
		{"%Y-%m-%dT%H:%M:%S", "2021-06-11T12:13:14+09:00", "", "2021-06-11T12:13:14Z", "+09:00"},
		{"%Y-%m-%dT%H:%M:%S", "2021-02-30T12:13:14", "", "2021-03-02T12:13:14Z", ""},
		{"%Y-%m-%dT%H:%M:%S", "2021-06-11T25:13:14", "", "error: string doesn't match", ""},
		{"%Y-%m-%d", "2020-1-2", "", "2020-01-02T00:00:00Z", ""},
		{"%Y-%m-%dT%H:%M:%S.%NZ", "2020-01-02T03:04:05.5Z", "", "2020-01-02T03:04:05.5Z", ""},
		{"%Y-%m-%dT%H:%M:%S.%NZ", "2020-01-02T03:04:05Z", "", "error: string doesn't match", ""},
		{"%Y-%m-%dT%H:%M:%S.%L%z", "2020-01-02T03:04:05.123+0900", "", "2020-01-02T03:04:05.123+09:00", ""},
		{"%Y-%m-%dT%H:%M:%S.%L%z", "2020-01-02T03:04:05.123Z", "", "2020-01-02T03:04:05.123Z", ""},
		{"%Y-%m-%dT%H:%M:%S.%3N", "2020-01-02T03:04:05.123", "", "error: invalid date or strptime format - `2020-01-02T03:04:05.123' `%Y-%m-%dT%H:%M:%S.%3N'", ""},
		{"%Y-%jT%T%:z", "2020-032T03:04:05+01:00", "", "2020-02-01T03:04:05+01:00", ""},
		{"%a, %d %b %Y %T %Z", "Thu, 02 Jan 2020 03:04:05 GMT", "", "2020-01-02T03:04:05Z", ""},
		{"%a, %d %b %Y %T %Z", "Thu, 02 Jan 2020 03:04:05 EST", "", "2020-01-02T03:04:05-05:00", ""},
		{"%d/%b/%Y:%H:%M:%S %z", "02/Jan/2020:03:04:05", "", "error: string doesn't match", ""},
		{"%s.%N", "1500000000.123456789", "", "2017-07-14T02:40:00.123456789Z", ""},
		{"%s.%N", "1500000000", "", "error: invalid date or strptime format - `1500000000' `%s.%N'", ""},
		// Daylight saving: what the clock jumps over, and what it shows twice.
		{"%Y-%m-%d %H:%M:%S", "2020-07-02 03:04:05", "New York", "2020-07-02T03:04:05-04:00", ""},
		{"%Y-%m-%d %H:%M:%S", "2020-03-08 02:30:00", "New York", "2020-03-08T03:30:00-04:00", ""},
		{"%Y-%m-%d %H:%M:%S", "2020-03-08 04:00:00", "New York", "2020-03-08T04:00:00-04:00", ""},
		{"%Y-%m-%d %H:%M:%S", "2020-11-01 01:30:00", "New York", "2020-11-01T01:30:00-04:00", ""},
		{"%F %T", "2020-11-01 01:30:00", "New York", "2020-11-01T01:30:00-05:00", ""},
		// A zone that Ruby's Time does not know is passed over.
		{"%F %T %Z", "2020-07-02 03:04:05 XYZ", "New York", "2020-07-02T03:04:05-04:00", ""},
		{"%F %T %Z", "2020-07-02 03:04:05 UTC+9", "New York", "2020-07-02T03:04:05-04:00", ""},
	} {
		l, err := Compile(c.layout)
		if err != nil {
			t.Fatal(err)
		}
		loc := time.UTC
		if c.zone != "" {
			loc = newYork
		}
		at, _, rest, err := l.Parse(c.text, loc)
		got := at.Format(time.RFC3339Nano)
		if err != nil {
			got, rest = "error: "+err.Error(), ""
		}
		if got != c.want || rest != c.rest {
			t.Errorf("%q by %q = %s and %q, want %s and %q", c.text, c.layout, got, rest, c.want, c.rest)
		}
	}
}

// What a layout leaves open comes from the present time, down to the first part
// that is there. The bubble's clock begins with the year 2000.
func TestParseCompletesFromNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(40*24*time.Hour + 5*time.Hour + 6*time.Minute + 7*time.Second) // 2000-02-10 05:06:07
		for _, c := range []struct{ layout, text, want string }{
			{"%m", "9", "2000-09-01T00:00:00Z"},
			{"%d", "9", "2000-02-09T00:00:00Z"},
			{"%H", "9", "2000-02-10T09:00:00Z"},
			{"%M", "9", "2000-02-10T05:09:00Z"},
			{"%S", "9", "2000-02-10T05:06:09Z"},
			{"%N", "9", "2000-02-10T05:06:07.9Z"},
			{"%T", "9:8:7", "2000-02-10T09:08:07Z"},
			{"%j", "9", "2000-01-09T00:00:00Z"},
			{"%H:%M %z", "23:30 -0600", "2000-02-09T23:30:00-06:00"},
			{"%b %d %H:%M:%S", "Feb  9 01:02:03", "2000-02-09T01:02:03Z"},
		} {
			l, err := Compile(c.layout)
			if err != nil {
				t.Fatal(err)
			}
			if at, _, _, err := l.Parse(c.text, time.UTC); err != nil || at.Format(time.RFC3339Nano) != c.want {
				t.Errorf("%q by %q = %s, %v, want %s", c.text, c.layout, at.Format(time.RFC3339Nano), err, c.want)
			}
		}
	})
}

func TestReadsWeeksAsRuby(t *testing.T) {
	o := newOracle(t)
	for _, c := range [][2]string{
		{"%G-W%V-%u", "2020-W53-7"},
		{"%G-W%V-%u", "2021-W53-1"},
		{"%G-W%V-%u", "2021-W01-1 x"},
		{"%G-W%V", "2015-W10"},
		{"%G-W%V-%u %H:%M", "2020-W10-3 12:34"},
		{"%Y-%U-%w", "2020-00-3"},
		{"%Y-%U-%w", "2020-00-2"},
		{"%Y-%U-%a %H:%M", "2020-10-Wed 12:34"},
		{"%Y-%W-%w", "2021-01-1"},
		{"%Y-%W-%u", "2021-52-5"},
		{"%Y-%W", "2021-20"},
		{"%Y-%j", "2021-366"},
		{"%Y-%m-%d %p", "2021-03-04 pm"},
		{"%C%y-%m", "1999-10"},
		{"%y%C-%m", "9919-10"},
		{"%Q", "1600000000123"},
		{"%Y-%m-%d %H", "2021-03-04 24"},
		{"%Y-%m-%d %H:%M", "2021-03-04 24:01"},
		{"%Y-%m-%d %T", "2021-03-04 24:00:01"},
		{"%Y-%m-%d %T %z", "2021-03-04 24:01:01 +0900"},
		{"%Y-%m-%d %T %z", "2021-03-04 24:01:01 Z"},
		{"%Y %Z", "2021 Eastern Standard Time"},
		{"%Y %Z|", "2021 EST dst|"},
	} {
		compareRead(t, o, "ruby", c[0], c[1])
	}
}

func TestNoAllocations(t *testing.T) {
	l, err := Compile("%Y-%m-%dT%H:%M:%S.%N%z")
	if err != nil {
		t.Fatal(err)
	}
	var buf [64]byte
	text := "2021-06-11T12:13:14.123456789+05:30"
	at := time.Date(2021, 6, 11, 12, 13, 14, 123456789, time.UTC)
	if n := testing.AllocsPerRun(100, func() { l.Append(buf[:0], at) }); n != 0 {
		t.Errorf("Append allocates %v times", n)
	}
	if n := testing.AllocsPerRun(100, func() { _, _, _, _ = l.Parse(text, time.UTC) }); n != 0 {
		t.Errorf("Parse allocates %v times", n)
	}
}

func FuzzRoundTrip(f *testing.F) {
	f.Add(int64(1600000000), uint32(5), int16(540))
	f.Add(int64(-1), uint32(999999999), int16(-30))
	l, err := Compile("%Y-%m-%dT%H:%M:%S.%N%z")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, unix int64, nsec uint32, minutes int16) {
		// Years 0 to 9999, offsets below a day.
		unix = floorMod(unix, 253402300800)
		at := time.Unix(unix, int64(nsec%1e9)).In(time.FixedZone("", int(minutes)%1440*60))
		if at.Year() < 0 || at.Year() > 9999 {
			return
		}
		text := string(l.Append(nil, at))
		if want := at.Format("2006-01-02T15:04:05.000000000-0700"); text != want {
			t.Fatalf("printed %q, want %q", text, want)
		}
		back, _, rest, err := l.Parse(text, time.UTC)
		if err != nil || rest != "" || !back.Equal(at) {
			t.Fatalf("%q = %v, rest %q, %v", text, back, rest, err)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"%Y-%m-%dT%H:%M:%S|2021-06-11T12:13:14.123Z", "%a, %d %b %Y %T %Z|Thu, 02 Jan 2020 03:04:05 GMT", "%G-W%V-%u|2020-W53-7", "%s.%N|1.5", "%:::z%+|", "%10c%^#v|"} {
		layout, text, _ := strings.Cut(s, "|")
		f.Add(layout, text)
	}
	f.Fuzz(func(t *testing.T, layout, text string) {
		l, err := Compile(layout)
		if err != nil {
			return
		}
		for _, parse := range []func(string, *time.Location) (time.Time, bool, string, error){l.Parse, l.ParseRuby} {
			at, _, rest, err := parse(text, time.UTC)
			if !strings.HasSuffix(text, rest) {
				t.Errorf("rest %q is no end of %q", rest, text)
			}
			if err == nil {
				l.Append(nil, at)
			}
		}
	})
}

// The quick way of reading and the general one say the same.
func FuzzQuick(f *testing.F) {
	for _, s := range []string{"2021-06-11T12:13:14.123Z", "2021-03-08T02:30:00", "2021-02-30T23:59:60.5+09:00", "2021-06-11T12:13:14.12345678901-0030"} {
		f.Add(s, uint8(0))
	}
	var layouts []*Layout
	for _, src := range []string{quickLayout, quickLayout + "Z", quickLayout + "%z", quickLayout + ".%N", quickLayout + ".%NZ", quickLayout + ".%N%z"} {
		l, err := Compile(src)
		if err != nil || !l.quick.ok {
			f.Fatal(src, err)
		}
		layouts = append(layouts, l)
	}
	newYork, err := time.LoadLocation("America/New_York")
	if err != nil {
		f.Skip("no time zones here: ", err)
	}
	f.Fuzz(func(t *testing.T, text string, which uint8) {
		for _, loc := range []*time.Location{time.UTC, newYork} {
			l := layouts[int(which)%len(layouts)]
			sec, nsec, err := l.ParseUnix(text, loc)
			want, _, _, wantErr := l.Parse(text, loc)
			if (err == nil) != (wantErr == nil) || err == nil && (sec != want.Unix() || int(nsec) != want.Nanosecond()) {
				t.Errorf("%q by %q: %d.%09d, %v, want %v, %v", text, l, sec, nsec, err, want, wantErr)
			}
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	l, err := Compile("%Y-%m-%dT%H:%M:%SZ")
	if err != nil {
		b.Fatal(err)
	}
	at := time.Unix(1600000000, 0).UTC()
	var buf [64]byte
	b.ReportAllocs()
	for b.Loop() {
		l.Append(buf[:0], at)
	}
}

func BenchmarkParse(b *testing.B) {
	for _, c := range [][2]string{
		{"%Y-%m-%dT%H:%M:%S", "2021-06-11T12:13:14.123Z"},
		{"%Y-%m-%dT%H:%M:%S.%N%z", "2021-06-11T12:13:14.123456789Z"},
		{"%a, %d %b %Y %T %Z", "Thu, 02 Jan 2020 03:04:05 GMT"},
	} {
		b.Run(c[0], func(b *testing.B) {
			l, err := Compile(c[0])
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := l.ParseUnix(c[1], time.UTC); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func FuzzFree(f *testing.F) {
	for _, s := range []string{"Thu, 02 Jan 2020 03:04:05 GMT", "2020-01-02T03:04:05.678+09:00", "20200102T030405Z", "3 pm", "'20"} {
		f.Add(s)
	}
	f.Fuzz(func(_ *testing.T, s string) {
		_, _, _ = ParseFree(s, time.UTC) // must not panic
		_, _, _ = ParseISO8601(s)
	})
}
