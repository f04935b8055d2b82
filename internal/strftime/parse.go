package strftime

import (
	"errors"
	"strings"
	"time"
)

// ErrNoMatch is what the strptime gem says of a text that the layout does not
// describe; the words are its own.
var ErrNoMatch = errors.New("string doesn't match")

// mismatch is what Time.strptime says of a text that the layout does not describe.
type mismatch struct{ text, layout string }

func (e *mismatch) Error() string {
	return "invalid date or strptime format - `" + e.text + "' `" + e.layout + "'"
}

// Parse reads a time from the start of s as Fluentd's time_format does. Without
// a zone in the text (or with one that Ruby does not know) hasZone is false and
// the time is in loc. What stands behind the described part is left over in rest
// and no error. What the layout leaves open is taken from the present time down
// to the first part that is there, and is zero behind it. 30 February is 2 March.
// The error's text is the one that Ruby gives.
func (l *Layout) Parse(s string, loc *time.Location) (t time.Time, hasZone bool, rest string, err error) {
	r := reader{s: s}
	err = l.parse(&r, loc, l.gem)
	return l.result(&r, loc), r.hasOffset, s[r.i:], err
}

// ParseRuby is Time.strptime: as [Layout.Parse], but never with the strptime gem,
// which is stricter and reads fewer digits of a year.
func (l *Layout) ParseRuby(s string, loc *time.Location) (t time.Time, hasZone bool, rest string, err error) {
	r := reader{s: s}
	err = l.parse(&r, loc, false)
	return l.result(&r, loc), r.hasOffset, s[r.i:], err
}

// ParseUnix is Parse for who wants seconds since 1970 and nanoseconds.
func (l *Layout) ParseUnix(s string, loc *time.Location) (sec int64, nsec int32, err error) {
	r := reader{s: s}
	if l.quick.ok && l.quick.read(&r) {
		wall := daysOf(r.year, r.month, r.day)*86400 + int64(r.hour*3600+r.minute*60+r.second)
		if r.hasOffset {
			return wall - int64(r.offset), int32(r.nsec), nil //nolint:gosec // below 1e9
		}
		return l.spans.instant(wall, loc), int32(r.nsec), nil //nolint:gosec // below 1e9
	}
	r = reader{s: s}
	err = l.parse(&r, loc, l.gem)
	return r.unix, int32(r.nsec), err //nolint:gosec // below 1e9
}

func (l *Layout) parse(r *reader, loc *time.Location, gem bool) error {
	if gem {
		if !r.gem(l.read) {
			return ErrNoMatch
		}
		return r.finishGem(loc)
	}
	if !r.ruby(l.read) {
		return &mismatch{strings.Clone(r.s), l.src}
	}
	return r.finishRuby(loc)
}

func (l *Layout) result(r *reader, loc *time.Location) time.Time {
	if r.hasOffset {
		loc = l.zone.fixed(r.offset)
	}
	return time.Unix(r.unix, int64(r.nsec)).In(loc)
}

// reader is a text, how far it has been read, and what was found.
type reader struct {
	s string
	i int

	has                                    field
	year                                   int64
	month, day, hour, minute, second, nsec int
	yday, wday, week, half                 int
	century, isoYear                       int64
	offset                                 int
	hasOffset                              bool
	unix                                   int64 // the result; before that, what %s gave
}

// field is a set of what was found.
type field uint32

const (
	hasYear field = 1 << iota
	hasMonth
	hasDay
	hasHour
	hasMinute
	hasSecond
	hasNsec
	hasYday
	hasWday
	hasISOYear
	hasISOWeek
	hasISODay
	hasWeek0 // %U
	hasWeek1 // %W
	hasUnix
	hasCentury
	hasHalf
)

func (r *reader) space() {
	for r.i < len(r.s) && isSpace(r.s[r.i]) {
		r.i++
	}
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

func isDigit(c byte) bool { return c-'0' <= 9 }

func (r *reader) peek() byte {
	if r.i < len(r.s) {
		return r.s[r.i]
	}
	return 0
}

func (r *reader) literal(text string) bool {
	if !strings.HasPrefix(r.s[r.i:], text) {
		return false
	}
	r.i += len(text)
	return true
}

// digits reads up to width digits into n, at least one.
func (r *reader) digits(n *int, width int) bool {
	start, v := r.i, 0
	for r.i < len(r.s) && r.i-start < width && isDigit(r.s[r.i]) {
		v = v*10 + int(r.s[r.i]-'0')
		r.i++
	}
	*n = v
	return r.i > start
}

func (r *reader) ranged(n *int, width, least, most int) bool {
	return r.digits(n, width) && *n >= least && *n <= most
}

// name reads one of some words, the whole of it or its first three letters, in
// any case.
func (r *reader) name(words []string) (int, bool) {
	for _, short := range []bool{false, true} {
		for i, word := range words {
			if short {
				word = word[:3]
			}
			if len(r.s)-r.i >= len(word) && equalFold(r.s[r.i:r.i+len(word)], word) {
				r.i += len(word)
				return i, true
			}
		}
	}
	return 0, false
}

// equalFold compares ASCII text of one length.
func equalFold(a, b string) bool {
	for i := range len(a) {
		x, y := a[i], b[i]
		if x != y && (x|0x20 != y|0x20 || x|0x20 < 'a' || x|0x20 > 'z') {
			return false
		}
	}
	return true
}

// complete fills what the layout leaves open from the present time at the given
// offset (or in loc), down to the first part that is there; behind it the smallest
// value stands.
func (r *reader) complete(loc *time.Location) {
	if r.has&hasYear == 0 {
		now := time.Now().In(loc)
		if r.hasOffset {
			now = now.UTC().Add(time.Duration(r.offset) * time.Second)
		}
		m := momentOf(now)
		r.year = m.year
		for _, part := range [...]struct {
			bit   field
			dst   *int
			value int
		}{{hasMonth, &r.month, m.month}, {hasDay, &r.day, m.day}, {hasHour, &r.hour, m.hour}, {hasMinute, &r.minute, m.minute}, {hasSecond, &r.second, m.second}} {
			if r.has&part.bit != 0 {
				break
			}
			*part.dst = part.value
			r.has |= part.bit
		}
	}
	if r.has&hasMonth == 0 {
		r.month = 1
	}
	if r.has&hasDay == 0 {
		r.day = 1
	}
}

// resolve computes the result from a complete date and time of day; last is for a
// time that the clock shows twice.
func (r *reader) resolve(loc *time.Location, last bool) {
	wall := daysOf(r.year, r.month, r.day)*86400 + int64(r.hour*3600+r.minute*60+r.second)
	if r.hasOffset {
		r.unix = wall - int64(r.offset)
	} else {
		r.unix = instant(wall, loc, last)
	}
}
