package ruby

import (
	"fmt"
	"strings"
	"time"
)

// date is a Date, or with hasTime a DateTime.
type date struct {
	t       time.Time // a Date's is midnight UTC
	hasTime bool
}

func (d *date) String() string {
	if !d.hasTime {
		return yearText(d.t.Year()) + d.t.Format("-01-02")
	}
	return yearText(d.t.Year()) + d.t.Format("-01-02T15:04:05-07:00")
}

func (d *date) keyText() string { return d.t.UTC().Format(time.RFC3339Nano) }

func (d *date) cmp(o *date) int { return d.t.Compare(o.t) }

func (d *date) inspect() string {
	// Julian day, seconds and nanoseconds, as Ruby shows them.
	utc := d.t.UTC()
	midnight := time.Date(utc.Year(), utc.Month(), utc.Day(), 0, 0, 0, 0, time.UTC)
	jd := midnight.Unix()/86400 + 2440588
	_, off := d.t.Zone()
	name := "Date"
	if d.hasTime {
		name = "DateTime"
	}
	return "#<" + name + ": " + d.String() + " ((" + formatInt(int(jd)) + "j," + formatInt(int(utc.Sub(midnight)/time.Second)) +
		"s," + formatInt(utc.Nanosecond()) + "n)," + fmt.Sprintf("%+d", off) + "s,2299161j)>"
}

// gregorian refuses what Ruby counts by the Julian calendar.
func (m *Env) gregorian(d *date) *date {
	if d.t.Before(time.Date(1582, 10, 16, 0, 0, 0, 0, time.UTC)) || d.t.Year() > 99999 {
		m.unsupported("a Date before 1582", "use Time")
	}
	return d
}

func dateOf(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
}

func timeToDate(m *Env, self Value, _ []Value, _ *Proc) Value {
	return m.gregorian(&date{t: dateOf(self.(*Time).t)})
}

func timeToDateTime(m *Env, self Value, _ []Value, _ *Proc) Value {
	t := self.(*Time)
	if t.sub != nil {
		m.unsupported("to_datetime of a time with more than nine digits", "")
	}
	_, off := t.t.Zone()
	return m.gregorian(&date{t: t.t.In(time.FixedZone("", off)), hasTime: true})
}

func dateMethods() table {
	part := func(get func(t time.Time) int) method {
		return method{func(_ *Env, self Value, _ []Value, _ *Proc) Value { return int64(get(self.(*date).t)) }, 0, 0, false}
	}
	clock := func(get func(t time.Time) int) method {
		return method{func(m *Env, self Value, a []Value, _ *Proc) Value {
			if len(a) > 0 && self.(*date).hasTime {
				m.wrongArgs(len(a), 0, 0, false)
			}
			if d := self.(*date); d.hasTime {
				return int64(get(d.t))
			}
			m.raise("NoMethodError", "private method called for %s", m.described(self))
			return nil
		}, 0, -1, false}
	}
	days := func(sign int) fn {
		return func(m *Env, self Value, a []Value, _ *Proc) Value {
			n := 1
			if len(a) > 0 {
				n = m.days(a[0])
			}
			d := *self.(*date)
			d.t = d.t.AddDate(0, 0, sign*n)
			return m.gregorian(&d)
		}
	}
	t := table{
		"year": part(time.Time.Year), "month": part(func(t time.Time) int { return int(t.Month()) }), "mon": part(func(t time.Time) int { return int(t.Month()) }),
		"day": part(time.Time.Day), "mday": part(time.Time.Day), "wday": part(func(t time.Time) int { return int(t.Weekday()) }), "yday": part(time.Time.YearDay),
		"cwday": part(func(t time.Time) int { return (int(t.Weekday())+6)%7 + 1 }), "cweek": part(func(t time.Time) int { _, w := t.ISOWeek(); return w }),
		"cwyear": part(func(t time.Time) int { y, _ := t.ISOWeek(); return y }),
		"hour":   clock(time.Time.Hour), "minute": clock(time.Time.Minute), "min": clock(time.Time.Minute), "second": clock(time.Time.Second), "sec": clock(time.Time.Second),
		"+": {datePlus(1), 1, 1, false}, "-": {dateMinus, 1, 1, false}, ">>": {dateMonths(1), 1, 1, false}, "<<": {dateMonths(-1), 1, 1, false},
		"===": {dateSameDay, 1, 1, false}, "next_day": {days(1), 0, 1, false}, "prev_day": {days(-1), 0, 1, false}, "next": {days(1), 0, 0, false}, "succ": {days(1), 0, 0, false},
		"next_month": {dateMonths(1), 0, 1, false}, "prev_month": {dateMonths(-1), 0, 1, false},
		"next_year": {dateMonths(12), 0, 1, false}, "prev_year": {dateMonths(-12), 0, 1, false},
		"strftime": {dateStrftime, 0, 1, false}, "iso8601": {dateISO, 0, 1, false}, "xmlschema": {dateISO, 0, 1, false}, "rfc3339": {dateRFC3339, 0, 1, false},
		"to_time": {dateToTime, 0, 0, false}, "to_date": {dateToDate, 0, 0, false}, "to_datetime": {dateToDateTime, 0, 0, false},
		"new_offset": {dateNewOffset, 0, 1, false},
		"leap?": {func(_ *Env, self Value, _ []Value, _ *Proc) Value {
			y := self.(*date).t.Year()
			return y%4 == 0 && (y%100 != 0 || y%400 == 0)
		}, 0, 0, false},
		"ajd": {refused("ajd (a rational number)", ""), 0, 0, false}, "zone": {dateZone, 0, 0, false}, "offset": {refused("offset (a rational number)", "use zone"), 0, 0, false},
	}
	for d := time.Sunday; d <= time.Saturday; d++ {
		t[strings.ToLower(d.String())+"?"] = method{func(_ *Env, self Value, _ []Value, _ *Proc) Value { return self.(*date).t.Weekday() == d }, 0, 0, false}
	}
	return t
}

// dateSameDay is ===: the same day, nil for what is no date.
func dateSameDay(m *Env, self Value, a []Value, _ *Proc) Value {
	d, ok := a[0].(*date)
	if !ok {
		if isNumber(a[0]) {
			m.unsupported("comparing a Date with a number", "")
		}
		return nil
	}
	return dateOf(self.(*date).t.UTC()).Equal(dateOf(d.t.UTC()))
}

// days is an argument that must be whole days.
func (m *Env) days(v Value) int {
	n, ok := v.(int64)
	if !ok {
		m.unsupported("adding anything but whole days to a Date", "use Time")
	}
	return int(min(max(n, -1e8), 1e8))
}

func dateZone(m *Env, self Value, _ []Value, _ *Proc) Value {
	if !self.(*date).hasTime {
		m.raise("NoMethodError", "undefined method `zone' for %s", m.described(self))
	}
	return m.ascii(self.(*date).t.Format("-07:00"))
}

func datePlus(sign int) fn {
	return func(m *Env, self Value, a []Value, _ *Proc) Value {
		d := *self.(*date)
		d.t = d.t.AddDate(0, 0, sign*m.days(a[0]))
		return m.gregorian(&d)
	}
}

func dateMinus(m *Env, self Value, a []Value, _ *Proc) Value {
	if _, ok := a[0].(*date); ok {
		m.unsupported("the difference of two Dates (a rational number)", "use to_time on both")
	}
	return datePlus(-1)(m, self, a, nil)
}

// dateMonths adds months; a day that the month has not becomes its last.
func dateMonths(scale int) fn {
	return func(m *Env, self Value, a []Value, _ *Proc) Value {
		n := scale
		if len(a) > 0 {
			n = scale * m.days(a[0])
		}
		d := *self.(*date)
		first := time.Date(d.t.Year(), d.t.Month()+time.Month(min(max(n, -120000), 120000)), 1, d.t.Hour(), d.t.Minute(), d.t.Second(), d.t.Nanosecond(), d.t.Location())
		last := first.AddDate(0, 1, -1).Day()
		d.t = first.AddDate(0, 0, min(d.t.Day(), last)-1)
		return m.gregorian(&d)
	}
}

func dateStrftime(m *Env, self Value, a []Value, _ *Proc) Value {
	layout := "%F"
	d := self.(*date)
	if d.hasTime {
		layout = "%FT%T%:z"
	}
	if len(a) > 0 {
		layout = m.text(a[0]).s
	}
	if strings.Contains(layout, "%Z") || strings.Contains(layout, "%Q") || strings.Contains(layout, "%+") {
		m.unsupported("%Z, %Q and %+ of a Date", "use to_time")
	}
	return m.str(m.strftime(&Time{t: d.t}, layout))
}

func dateISO(m *Env, self Value, a []Value, _ *Proc) Value {
	d := self.(*date)
	if len(a) > 0 && !d.hasTime {
		m.wrongArgs(len(a), 0, 0, false)
	}
	if len(a) > 0 {
		t := &Time{t: d.t}
		return m.ascii(yearText(d.t.Year()) + d.t.Format("-01-02T15:04:05") + m.fraction(t, m.int(a[0])) + d.t.Format("-07:00"))
	}
	return m.ascii(d.String())
}

func dateRFC3339(m *Env, self Value, a []Value, _ *Proc) Value {
	d := *self.(*date)
	if len(a) > 0 && !d.hasTime {
		m.wrongArgs(len(a), 0, 0, false)
	}
	if !d.hasTime {
		d.t = d.t.In(time.FixedZone("", 0))
	}
	d.hasTime = true
	return dateISO(m, &d, a, nil)
}

func dateToTime(m *Env, self Value, _ []Value, _ *Proc) Value {
	d := self.(*date)
	if d.hasTime {
		t := m.newTime(d.t)
		t.fixed = true
		return t
	}
	return m.newTime(time.Date(d.t.Year(), d.t.Month(), d.t.Day(), 0, 0, 0, 0, m.loc()))
}

func dateToDate(_ *Env, self Value, _ []Value, _ *Proc) Value {
	return &date{t: dateOf(self.(*date).t)}
}

func dateToDateTime(_ *Env, self Value, _ []Value, _ *Proc) Value {
	return &date{t: self.(*date).t.In(time.FixedZone("", offsetOf(self.(*date).t))), hasTime: true}
}

func offsetOf(t time.Time) int {
	_, off := t.Zone()
	return off
}

func dateNewOffset(m *Env, self Value, a []Value, _ *Proc) Value {
	d := self.(*date)
	if !d.hasTime {
		m.raise("NoMethodError", "private method `new_offset' called for %s", m.described(self))
	}
	loc := time.FixedZone("", 0)
	if len(a) > 0 {
		switch v := a[0].(type) {
		case *Str:
			loc = m.zone(v)
			loc = time.FixedZone("", offsetOf(d.t.In(loc)))
		case int64:
			if v != 0 {
				m.unsupported("new_offset of a number", `use "+09:00"`)
			}
		default:
			m.unsupported("new_offset of "+className(v), `use "+09:00"`)
		}
	}
	return &date{t: d.t.In(loc), hasTime: true}
}

func (m *Env) eachDate(lo *date, r *Range, do func(v Value) bool) {
	for d := lo; ; {
		if r.hi != nil {
			n, ok := m.compare(d, r.hi)
			if !ok || n > 0 || n == 0 && r.excl {
				return
			}
		}
		m.step()
		if !do(d) {
			return
		}
		d = &date{t: d.t.AddDate(0, 0, 1), hasTime: d.hasTime}
	}
}
