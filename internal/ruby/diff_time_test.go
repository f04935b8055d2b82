package ruby

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestTimesAgainstRuby reads and prints times in many forms, and compares them with
// the real Ruby. A form that is not read here must be refused, never misread.
func TestTimesAgainstRuby(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 5))
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	var exprs []string
	for range 700 {
		date := pick("2020-01-02", "2020-1-2", "2020/01/02", "2020.01.02", "02/01/2020", "2.1.2020", "2 Jan 2020", "02-Jan-2020", "Jan 2 2020", "Jan 2, 2020", "January 2nd, 2020",
			"Thu, 02 Jan 2020", "Thursday, January 2, 2020", "20200102", "2020-002", "Jan 2", "2020-02-30", "2020-13-01", "1999-12-31", "0099-01-02", "2020-01", "99-01-02", "Thu Jan  2", "2020-W01-4", "")
		sep := pick(" ", "T", "  ", " ", "", ", ", " at ", "t")
		clock := pick("03:04:05", "03:04", "3:04:05", "23:59:60", "24:00:00", "03:04:05.123", "03:04:05,5", "03:04:05.123456789012", "3:04 PM", "12:04 am", "030405", "25:00", "03h04m", "", "3pm")
		zone := pick("", "Z", " UTC", " GMT", "+09:00", " +0900", "-03:30", " EST", " PDT", " JST", "+9", " Asia/Tokyo", "z", " -0000", " +00:00", " A", "+09")
		text := strings.TrimSpace(date + sep + clock + zone)
		if clock == "" {
			text = date
		}
		exprs = append(exprs, fmt.Sprintf("t = %s(%q); [t.to_s, t.nsec, t.utc?]", pick("Time.parse", "Time.parse", "Time.parse", "Time.iso8601", "Time.httpdate", "Time.rfc2822"), text),
			fmt.Sprintf("%s(%q).iso8601", pick("DateTime.parse", "Date.parse"), text))
	}
	for range 400 {
		layout := pick("%Y-%m-%d", "%d/%b/%Y:%H:%M:%S %z", "%Y-%m-%dT%H:%M:%S.%L%z", "%s", "%s.%L", "%H:%M", "%b %d %H:%M:%S", "%Y%m%d%H%M%S", "%Y-%j", "%m/%d/%y %I:%M %p", "%Y", "%FT%T.%N%:z", "%a, %d %b %Y %T %Z")
		sec := r.Int64N(4_000_000_000) - 500_000_000
		zone := pick(".utc", "", `.localtime("-03:30")`, `.localtime("+05:45")`)
		exprs = append(exprs,
			fmt.Sprintf("t = Time.at(%d, %d, :nsec)%s; [t.strftime(%q), t.to_f, t.inspect, t.yday, t.iso8601(%d), t.round(%d).to_s]", sec, r.IntN(1e9), zone, layout, r.IntN(8), r.IntN(4)),
			fmt.Sprintf("t = Time.at(%d)%s; [(t + %d).to_s, (t - %d.25).nsec, t - Time.at(%d.5), t <=> Time.at(5)]", sec, zone, r.IntN(1e7), r.IntN(1e6), r.IntN(1e9)),
			fmt.Sprintf("t = Time.strptime(Time.at(%d)%s.strftime(%q), %q); [t.to_s, t.nsec]", sec, zone, layout, layout),
			fmt.Sprintf("t = Time.%s(%d, %d, %d, %d, %d, %d); [t.to_s, t.wday, t.to_i]", pick("utc", "local", "gm", "mktime", "new"), 1950+r.IntN(120), 1+r.IntN(13), 1+r.IntN(31), r.IntN(24), r.IntN(60), r.IntN(61)),
			fmt.Sprintf("d = Date.new(%d, %d, %d); [d.to_s, d.cweek, d.yday, (d >> %d).to_s, (d + %d).wday, d.next_month.to_s, d.strftime(\"%%a %%j %%U %%V\")]", 1900+r.IntN(200), 1+r.IntN(12), 1+r.IntN(28), r.IntN(30)-15, r.IntN(1000)))
	}
	refused, wrong := 0, 0
	for i, want := range oracle(t, exprs) {
		got := ours(t, exprs[i])
		switch {
		case strings.HasPrefix(got, "REFUSED"):
			refused++
		case !sameResult(got, want):
			wrong++
			t.Errorf("%s\n got %s\nruby %s", exprs[i], got, want)
		}
	}
	t.Logf("%d expressions, %d refused, %d differ", len(exprs), refused, wrong)
}
