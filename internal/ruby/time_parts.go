package ruby

import (
	"strings"
	"time"

	"github.com/sluicelog/sluice/internal/strftime"
)

// timePartMethods are the fields of a Time.
func timePartMethods() table {
	part := func(get func(t time.Time) int) method {
		return method{func(_ *Env, self Value, _ []Value, _ *Proc) Value { return int64(get(self.(*Time).t)) }, 0, 0, false}
	}
	t := table{
		"year": part(time.Time.Year), "month": part(func(t time.Time) int { return int(t.Month()) }), "mon": part(func(t time.Time) int { return int(t.Month()) }),
		"day": part(time.Time.Day), "mday": part(time.Time.Day), "hour": part(time.Time.Hour), "min": part(time.Time.Minute), "sec": part(time.Time.Second),
		"nsec": part(time.Time.Nanosecond), "tv_nsec": part(time.Time.Nanosecond),
		"usec": part(func(t time.Time) int { return t.Nanosecond() / 1000 }), "tv_usec": part(func(t time.Time) int { return t.Nanosecond() / 1000 }),
		"wday": part(func(t time.Time) int { return int(t.Weekday()) }), "yday": part(time.Time.YearDay),
		"subsec": {timeSubsec, 0, 0, false},
	}
	for d := time.Sunday; d <= time.Saturday; d++ {
		t[strings.ToLower(d.String())+"?"] = method{func(_ *Env, self Value, _ []Value, _ *Proc) Value { return self.(*Time).t.Weekday() == d }, 0, 0, false}
	}
	return t
}

func timeSubsec(m *Env, self Value, _ []Value, _ *Proc) Value {
	if t := self.(*Time); t.t.Nanosecond() == 0 && t.sub == nil {
		return int64(0)
	}
	m.unsupported("Time#subsec (a rational number)", "use nsec or usec")
	return nil
}

// timeZoneMethods change the zone, and tell it.
func timeZoneMethods() table {
	in := func(f func(m *Env, t *Time, a []Value)) fn {
		return func(m *Env, self Value, a []Value, _ *Proc) Value {
			f(m, self.(*Time), a)
			return self
		}
	}
	copied := func(f fn) fn {
		return func(m *Env, self Value, a []Value, _ *Proc) Value { return f(m, m.copyOf(self), a, nil) }
	}
	utc := in(func(_ *Env, t *Time, _ []Value) { t.t, t.fixed = t.t.UTC(), false })
	local := in(func(m *Env, t *Time, a []Value) {
		if len(a) > 0 && a[0] != nil {
			t.t, t.fixed = t.t.In(m.zone(a[0])), true
			return
		}
		t.t, t.fixed = t.t.In(m.loc()), false
	})
	isUTC := func(_ *Env, self Value, _ []Value, _ *Proc) Value { return self.(*Time).isUTC() }
	offset := func(_ *Env, self Value, _ []Value, _ *Proc) Value {
		_, off := self.(*Time).t.Zone()
		return int64(off)
	}
	return table{
		"utc": {utc, 0, 0, false}, "gmtime": {utc, 0, 0, false}, "getutc": {copied(utc), 0, 0, false}, "getgm": {copied(utc), 0, 0, false},
		"localtime": {local, 0, 1, false}, "getlocal": {copied(local), 0, 1, false},
		"utc?": {isUTC, 0, 0, false}, "gmt?": {isUTC, 0, 0, false},
		"utc_offset": {offset, 0, 0, false}, "gmt_offset": {offset, 0, 0, false}, "gmtoff": {offset, 0, 0, false},
		"zone": {timeZone, 0, 0, false},
		"dst?": {timeDST, 0, 0, false}, "isdst": {timeDST, 0, 0, false},
	}
}

func timeDST(_ *Env, self Value, _ []Value, _ *Proc) Value { return self.(*Time).t.IsDST() }

func timeZone(m *Env, self Value, _ []Value, _ *Proc) Value {
	t := self.(*Time)
	if t.isUTC() {
		return m.ascii("UTC")
	}
	if t.fixed {
		return nil
	}
	name, _ := t.t.Zone()
	return m.ascii(name)
}

// zone is an offset argument: "+09:00", "UTC", a military letter, or seconds.
func (m *Env) zone(v Value) *time.Location {
	if n, ok := v.(int64); ok {
		if n <= -86400 || n >= 86400 {
			m.raise("ArgumentError", "utc_offset out of range")
		}
		return time.FixedZone("", int(n))
	}
	s, ok := v.(*Str)
	if !ok {
		if _, ok := v.(float64); ok {
			m.unsupported("an offset that is no whole number", "")
		}
		m.raise("TypeError", "can't convert %s into an exact number", className(v))
	}
	loc, ok := offsetZone(s.s)
	if !ok {
		m.raise("ArgumentError", `"+HH:MM", "-HH:MM", "UTC" or "A".."I","K".."Z" expected for utc_offset: %s`, s.s)
	}
	return loc
}

func offsetZone(s string) (*time.Location, bool) {
	switch {
	case s == "UTC" || s == "Z" || s == "-00:00":
		return time.UTC, true
	case len(s) == 1 && 'A' <= s[0] && s[0] <= 'Y' && s[0] != 'J':
		return time.FixedZone("", militaryHours(s[0])*3600), true
	}
	if len(s) < 3 || s[0] != '+' && s[0] != '-' {
		return nil, false
	}
	digits := s[1:]
	switch len(digits) {
	case 5, 8:
		if digits[2] != ':' || len(digits) == 8 && digits[5] != ':' {
			return nil, false
		}
		digits = strings.ReplaceAll(digits, ":", "")
	case 2, 4, 6:
	default:
		return nil, false
	}
	n, ok := digitsOnly((digits + "0000")[:6])
	h, mi, sec := n/10000, n/100%100, n%100
	if !ok || h > 23 || mi > 59 || sec > 59 {
		return nil, false
	}
	off := int(h*3600 + mi*60 + sec)
	if s[0] == '-' {
		off = -off
	}
	return time.FixedZone("", off), true
}

func militaryHours(c byte) int {
	switch {
	case c <= 'I':
		return int(c-'A') + 1
	case c <= 'M':
		return int(c-'K') + 10
	}
	return -(int(c-'N') + 1)
}

// strftime prints a time by a layout.
func (m *Env) strftime(t *Time, layout string) string {
	if t.sub != nil && strings.ContainsAny(layout, "NL") {
		m.checkDigits(layout)
	}
	m.checkWidths(layout)
	start := len(m.buf)
	m.buf = strftime.Format(m.buf, layout, t.t)
	s := string(m.buf[start:])
	m.buf = m.buf[:start]
	return s
}

// checkDigits refuses more than nine digits of a time that has more.
func (m *Env) checkDigits(layout string) {
	for i := 0; i+1 < len(layout); i++ {
		if layout[i] != '%' {
			continue
		}
		n := 0
		for i++; i < len(layout) && (isDigitByte(layout[i]) || strings.IndexByte("-0^#_:", layout[i]) >= 0); i++ {
			if isDigitByte(layout[i]) {
				n = min(n*10+int(layout[i]-'0'), 1<<20)
			}
		}
		if n > 9 && i < len(layout) && (layout[i] == 'N' || layout[i] == 'L') {
			m.unsupported("more than nine digits of a time's fraction", "use %9N")
		}
	}
}

// checkWidths counts the widths of a layout against the limit of memory.
func (m *Env) checkWidths(layout string) {
	n := 0
	for i := range len(layout) {
		if !isDigitByte(layout[i]) {
			n = 0
			continue
		}
		if n = n*10 + int(layout[i]-'0'); n > 1<<16 {
			m.raise("Errno::ERANGE", "Numerical result out of range - %s", layout)
		}
	}
}

func isDigitByte(c byte) bool { return '0' <= c && c <= '9' }
