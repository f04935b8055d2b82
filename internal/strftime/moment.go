package strftime

import "time"

// moment is a time taken apart once for all directives of a layout.
type moment struct {
	t                          time.Time
	unix                       int64
	offset                     int
	year                       int64
	month, day                 int
	hour, minute, second, nsec int
	days                       int64 // since 1970-01-01, local
}

func momentOf(t time.Time) moment {
	m := moment{t: t, unix: t.Unix(), nsec: t.Nanosecond()}
	if t.Location() != time.UTC {
		_, m.offset = t.Zone()
	}
	local := m.unix + int64(m.offset)
	m.days = floorDiv(local, 86400)
	clock := int(local - m.days*86400)
	m.hour, m.minute, m.second = clock/3600, clock/60%60, clock%60
	m.year, m.month, m.day = civil(m.days)
	return m
}

// civil is the date of a day counted from 1970-01-01, in the Gregorian calendar
// without beginning or end. It counts in years that begin on 1 March, so that a
// leap day stands at a year's end, and in eras of 400 years.
func civil(days int64) (year int64, month, day int) {
	days += 719468 // from 0000-03-01
	era := floorDiv(days, 146097)
	doe := days - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	day = int(doy-(153*mp+2)/5) + 1
	month = int(mp) + 3
	if month > 12 {
		month -= 12
	}
	year = yoe + era*400
	if month <= 2 {
		year++
	}
	return year, month, day
}

// daysOf is the reverse of [civil]; day may be beyond the month's end.
func daysOf(year int64, month, day int) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	era := floorDiv(year, 400)
	yoe := year - era*400
	doy := int64(153*(month-3)+2)/5 + int64(day) - 1
	return era*146097 + yoe*365 + yoe/4 - yoe/100 + doy - 719468
}

// weekday counts from Sunday, 0.
func weekday(days int64) int { return int(floorMod(days+4, 7)) }

func (m *moment) weekday() int { return weekday(m.days) }

// yearday counts from 1.
func (m *moment) yearday() int { return int(m.days-daysOf(m.year, 1, 1)) + 1 }

// week counts weeks that begin on a day (0: Sunday, 1: Monday), from the first such
// day of the year on.
func (m *moment) week(first int) int { return (m.yearday() + 6 - (m.weekday()+7-first)%7) / 7 }

// isoWeek is the year and week of ISO 8601: a week belongs to the year of its
// Thursday.
func (m *moment) isoWeek() (year int64, week int) {
	thursday := m.days - int64((m.weekday()+6)%7) + 3
	year, _, _ = civil(thursday)
	return year, int(thursday-daysOf(year, 1, 1))/7 + 1
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func floorMod(a, b int64) int64 { return a - floorDiv(a, b)*b }
