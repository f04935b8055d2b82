package ruby

import (
	"math/big"
	"strings"
	"time"

	"github.com/sluicelog/sluice/internal/strftime"
)

// dateClassMethods are Date.today and its like; withTime makes DateTime's.
func dateClassMethods(withTime bool) table {
	parse := func(m *Env, _ Value, a []Value, _ *Proc) Value { return m.parseDate(m.text(a[0]), withTime) }
	civil := func(m *Env, _ Value, a []Value, _ *Proc) Value { return m.civilDate(a, withTime) }
	t := table{
		"parse": {parse, 1, 1, false}, "iso8601": {parse, 1, 1, false}, "xmlschema": {parse, 1, 1, false}, "rfc3339": {parse, 1, 1, false},
		"strptime": {func(m *Env, _ Value, a []Value, _ *Proc) Value { return m.strptimeDate(a, withTime) }, 1, 2, false},
		"new":      {civil, 0, 7, false}, "civil": {civil, 0, 7, false},
		"valid_date?": {dateValid, 3, 3, false}, "valid_civil?": {dateValid, 3, 3, false},
	}
	if withTime {
		t["now"] = method{func(m *Env, _ Value, _ []Value, _ *Proc) Value {
			return timeToDateTime(m, timeNow(m, nil, nil, nil), nil, nil)
		}, 0, 0, false}
	} else {
		t["today"] = method{func(m *Env, _ Value, _ []Value, _ *Proc) Value {
			return timeToDate(m, timeNow(m, nil, nil, nil), nil, nil)
		}, 0, 0, false}
	}
	return t
}

func (m *Env) invalidDate() { m.raise("Date::Error", "invalid date") }

func (m *Env) parseDate(s *Str, withTime bool) Value {
	text := strings.TrimSpace(s.s)
	p, ok := readDate(text)
	if !ok {
		if !hasDigit(text) {
			m.invalidDate()
		}
		m.unsupported("parsing a date in this form", "use strptime with the format")
	}
	if p.day < 0 && p.yday < 0 && !withTime {
		m.invalidDate() // only a time of day
	}
	if p.year < 0 || p.day < 0 || p.yday >= 0 {
		m.unsupported("parsing a date without year, month and day", "use Time.parse")
	}
	if p.mon > 12 || p.mon < 1 || p.day < 1 || time.Date(p.year, time.Month(p.mon), p.day, 0, 0, 0, 0, time.UTC).Day() != p.day {
		m.invalidDate()
	}
	if !withTime {
		return m.gregorian(&date{t: time.Date(p.year, time.Month(p.mon), p.day, 0, 0, 0, 0, time.UTC)})
	}
	loc := time.FixedZone("", 0)
	if p.zone != "" {
		loc = time.FixedZone("", zoneOffset(p.zone))
	}
	if p.hour > 24 || p.minute > 59 || p.sec > 60 {
		m.invalidDate()
	}
	if p.sec == 60 {
		p.sec = 59 // as Ruby's DateTime takes a leap second
	}
	sec := new(big.Rat).SetInt64(int64(max(p.sec, 0)))
	if p.frac != nil {
		sec.Add(sec, p.frac)
	}
	t := m.dateTime(p.year, p.mon, p.day, max(p.hour, 0), max(p.minute, 0), sec, loc)
	if t.sub != nil {
		m.unsupported("a DateTime with more than nine digits of a second", "")
	}
	return m.gregorian(&date{t: t.t, hasTime: true})
}

func (m *Env) strptimeDate(a []Value, withTime bool) Value {
	s, layout := m.text(a[0]).s, "%F"
	if len(a) > 1 {
		layout = m.text(a[1]).s
	} else if withTime {
		layout = "%FT%T%z"
	}
	l, err := strftime.Compile(layout)
	if err != nil {
		m.unsupported("this format of strptime", "")
	}
	if !strings.Contains(layout, "%s") && (!strings.ContainsAny(layout, "YFyDc") || !strings.ContainsAny(layout, "mbBhFDcj") || !strings.ContainsAny(layout, "deFDcj")) {
		m.unsupported("strptime of a Date without year, month and day", "use Time.strptime")
	}
	t, hasZone, rest, err := l.ParseRuby(s, time.UTC)
	if err != nil || rest != "" {
		m.invalidDate()
	}
	if !withTime {
		return m.gregorian(&date{t: dateOf(t)})
	}
	off := 0
	if hasZone {
		off = offsetOf(t)
	}
	return m.gregorian(&date{t: t.In(time.FixedZone("", off)), hasTime: true})
}

func (m *Env) civilDate(a []Value, withTime bool) Value {
	n := [6]int{-4712, 1, 1, 0, 0, 0}
	for i := range n {
		if v := arg(a, i); v != nil {
			if _, ok := v.(int64); !ok {
				m.unsupported("a Date of anything but integers", "")
			}
			n[i] = m.int(v)
		}
	}
	if len(a) > 3 && !withTime || len(a) > 6 {
		m.unsupported("so many arguments", "")
	}
	first := time.Date(n[0], time.Month(n[1]), 1, n[3], n[4], n[5], 0, time.FixedZone("", 0))
	if n[2] < 0 {
		n[2] += first.AddDate(0, 1, -1).Day() + 1
	}
	t := first.AddDate(0, 0, n[2]-1)
	if n[1] < 1 || n[1] > 12 || n[2] < 1 || t.Day() != n[2] || n[3] < 0 || n[3] > 23 || n[4] < 0 || n[4] > 59 || n[5] < 0 || n[5] > 59 {
		if n[1] < 0 || n[3] < 0 || n[4] < 0 || n[5] < 0 || n[3] == 24 {
			m.unsupported("a Date of negative parts", "")
		}
		m.invalidDate()
	}
	if !withTime {
		t = dateOf(t)
	}
	return m.gregorian(&date{t: t, hasTime: withTime})
}

func dateValid(m *Env, _ Value, a []Value, _ *Proc) Value {
	y, mon, day := m.int(a[0]), m.int(a[1]), m.int(a[2])
	if mon < 0 || day < 0 {
		m.unsupported("valid_date? of negative numbers", "")
	}
	return mon >= 1 && mon <= 12 && day >= 1 && time.Date(y, time.Month(mon), day, 0, 0, 0, 0, time.UTC).Day() == day
}
