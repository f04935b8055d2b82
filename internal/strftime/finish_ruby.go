package strftime

import (
	"errors"
	"fmt"
	"time"
)

// finishRuby makes a time of what was found, as Time.strptime does.
func (r *reader) finishRuby(loc *time.Location) error {
	if !r.offsetInRange() {
		return errOffset
	}
	if r.has&hasUnix != 0 {
		if r.unix < 0 && r.nsec > 0 && r.has&hasNsec != 0 {
			r.unix, r.nsec = r.unix-1, 1e9-r.nsec // the fraction goes on away from zero
		}
		if r.nsec < 0 {
			r.unix, r.nsec = r.unix-1, r.nsec+1e9
		}
		return nil
	}
	if r.commercial() {
		return r.finishCommercial(loc)
	}
	if r.has&(hasWeek0|hasWeek1) != 0 && r.has&hasYday == 0 && r.has&(hasMonth|hasDay) != hasMonth|hasDay {
		if err := r.weekDate(); err != nil {
			return err
		}
	}
	if r.has&(hasYear|hasYday|hasMonth|hasDay|hasHour|hasMinute|hasSecond|hasNsec) == 0 {
		return fmt.Errorf("no time information in %q", r.s)
	}
	if r.has&hasYday != 0 {
		if err := r.dayOfYear(loc); err != nil {
			return err
		}
	}
	r.complete(loc)
	switch {
	case r.hour < 24, r.offset != 0: // an offset is applied before anybody looks
	case r.minute != 0:
		return errMinute
	case r.second != 0:
		return errSecond
	}
	if r.nsec < 0 {
		return errFraction
	}
	r.resolve(loc, true)
	return nil
}

// Ruby's refusals of a time of day.
var (
	errFraction = errors.New("subsecx out of range")
	errMinute   = errors.New("min out of range")
	errSecond   = errors.New("sec out of range")
)

// dayOfYear turns %j into month and day.
func (r *reader) dayOfYear(loc *time.Location) error {
	if r.has&hasYear == 0 {
		r.year, r.has = int64(time.Now().In(loc).Year()), r.has|hasYear
	}
	year, month, day := civil(daysOf(r.year, 1, 1) + int64(r.yday) - 1)
	if year != r.year {
		return fmt.Errorf("yday %d out of range", r.yday)
	}
	r.month, r.day = month, day
	r.has |= hasMonth | hasDay
	return nil
}

var errDate = errors.New("invalid date")

// weekDate turns a week of %U or %W and a day into a day of the year; without a
// day it is the week's first.
func (r *reader) weekDate() error {
	if r.has&hasYear == 0 {
		return errDate
	}
	first := 0 // Sunday
	if r.has&hasWeek1 != 0 {
		first = 1
	}
	wday := first
	if r.has&(hasWday|hasISODay) != 0 {
		wday = r.wday % 7
	}
	start := daysOf(r.year, 1, 1)
	// Week 1 begins on the year's first such day, week 0 a week earlier.
	week1 := start + int64((7-(weekday(start)-first))%7)
	day := week1 + int64(r.week-1)*7 + int64((wday-first+7)%7)
	year, _, _ := civil(day)
	if year != r.year {
		return errDate
	}
	r.yday, r.has = int(day-start)+1, r.has|hasYday
	return nil
}

// commercial reports whether the date is one of ISO 8601's weeks.
func (r *reader) commercial() bool {
	return r.has&hasISOYear != 0 && r.has&hasYear == 0 ||
		r.has&(hasISODay|hasISOWeek) != 0 && r.has&(hasMonth|hasDay) != hasMonth|hasDay
}

// finishCommercial is Date.strptime and then midnight, local time: Ruby drops the
// time of day and the zone here.
func (r *reader) finishCommercial(loc *time.Location) error {
	r.hour, r.minute, r.second, r.nsec, r.hasOffset = 0, 0, 0, 0, false
	switch {
	case r.has&(hasISOYear|hasISOWeek) == hasISOYear|hasISOWeek:
		if !r.isoDate() {
			return errDate
		}
	case r.has&hasYear != 0 && r.has&(hasWeek0|hasWeek1) != 0:
		if err := r.weekDate(); err != nil {
			return err
		}
		r.year, r.month, r.day = civil(daysOf(r.year, 1, 1) + int64(r.yday) - 1)
	default:
		return errDate
	}
	r.resolve(loc, true)
	return nil
}

func (r *reader) isoDate() bool {
	wday := 1
	if r.has&(hasISODay|hasWday) != 0 {
		wday = (r.wday+6)%7 + 1
	}
	fourth := daysOf(r.isoYear, 1, 4) // always in week 1
	monday := fourth - int64((weekday(fourth)+6)%7) + int64(r.week-1)*7
	if thursday, _, _ := civil(monday + 3); thursday != r.isoYear {
		return false // the year has no such week
	}
	r.year, r.month, r.day = civil(monday + int64(wday-1))
	return true
}
