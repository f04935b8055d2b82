package strftime

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Ruby's refusals of a date, which Time.utc and Time.local give.
var (
	errMonth = errors.New("mon out of range")
	errHour  = errors.New("hour out of range")
	errDay   = errors.New("argument out of range")
)

// ParseISO8601 is Time.iso8601: a date, T, a time of day with or without a
// fraction, and Z or an offset, with nothing around but white space. Without a
// zone the time is local. The error's text is Ruby's.
func ParseISO8601(s string) (sec int64, nsec int32, err error) {
	r := reader{s: s}
	if !r.iso8601() {
		return 0, 0, fmt.Errorf("invalid xmlschema format: %q", strings.Clone(s))
	}
	if err := r.checkRanges(); err != nil {
		return 0, 0, err
	}
	r.resolve(time.Local, true)
	return r.unix, int32(r.nsec), nil //nolint:gosec // below 1e9
}

func (r *reader) iso8601() bool {
	r.space()
	sign := r.peek() == '-'
	if sign {
		r.i++
	}
	var year int
	start := r.i
	if !r.digits(&year, 18) || r.i-start > 9 {
		return false
	}
	if r.year = int64(year); sign {
		r.year = -r.year
	}
	t := func() bool { ok := r.peek()|0x20 == 't'; r.i++; return ok }
	if !(r.literal("-") && r.exactly(&r.month) && r.literal("-") && r.exactly(&r.day) && t() &&
		r.exactly(&r.hour) && r.literal(":") && r.exactly(&r.minute) && r.literal(":") && r.exactly(&r.second)) {
		return false
	}
	if r.peek() == '.' {
		r.i++
		if !r.allFraction() {
			return false
		}
	}
	ok := r.isoZone()
	r.space()
	return ok && r.i == len(r.s)
}

// exactly reads two digits.
func (r *reader) exactly(n *int) bool {
	if r.i > len(r.s) {
		return false
	}
	start := r.i
	return r.digits(n, 2) && r.i == start+2
}

// allFraction reads any number of digits, of which nine count.
func (r *reader) allFraction() bool {
	ok := r.gemFraction()
	for isDigit(r.peek()) {
		r.i++
	}
	return ok
}

// isoZone reads Z, +09, +0900, +09:00 or nothing.
func (r *reader) isoZone() bool {
	sign := r.peek()
	switch sign {
	case 'Z', 'z':
		r.i++
		r.hasOffset = true
		return true
	case '+', '-':
		r.i++
	default:
		return true
	}
	var h, m int
	if !r.exactly(&h) {
		return false
	}
	if colon := r.literal(":"); (colon || isDigit(r.peek())) && !r.exactly(&m) {
		return false
	}
	if r.offset, r.hasOffset = h*3600+m*60, true; sign == '-' {
		r.offset = -r.offset
	}
	return true
}

// checkRanges refuses what Time.utc and Time.local refuse.
func (r *reader) checkRanges() error {
	switch {
	case r.month < 1 || r.month > 12:
		return errMonth
	case r.day < 1 || r.day > 31:
		return errDay
	case r.hour > 24:
		return errHour
	case r.minute > 59, r.hour == 24 && r.minute > 0 && r.offset == 0:
		return errMinute
	case r.second > 60, r.hour == 24 && r.second > 0 && r.offset == 0:
		return errSecond
	case !r.offsetInRange():
		return errOffset
	}
	return nil
}
