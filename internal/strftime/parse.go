package strftime

import (
	"fmt"
	"strings"
	"time"
)

// fields is what a parse has found so far.
type fields struct {
	year, month, day, yday int
	hour, min, sec, nsec   int
	pm, hasPM              bool
	unix                   int64
	hasUnix                bool
	offset                 int
	hasZone                bool
	hasYday                bool
	century, yearOfCentury int
	hasCentury, hasShort   bool
}

// Parse reads a time from the start of s. hasZone says that the text itself named
// a zone or an offset; without one the time is in loc. rest is what stands behind
// the part that the format describes. The date defaults to today, the time of day
// to midnight.
func (l *Layout) Parse(s string, loc *time.Location) (t time.Time, hasZone bool, rest string, err error) {
	now := time.Now().In(loc)
	f := fields{year: now.Year(), month: int(now.Month()), day: now.Day()}
	rest = s
	dated := false
	for i := range l.parts {
		d := &l.parts[i]
		if d.verb == 0 {
			if rest, err = skipLiteral(rest, d.literal); err != nil {
				return t, false, rest, err
			}
			continue
		}
		if !dated && strings.IndexByte("YCymBbhdejs", d.verb) >= 0 {
			// A date that is only named in part begins at the start of its year.
			dated = true
			f.month, f.day = 1, 1
		}
		next := byte(0)
		if i+1 < len(l.parts) {
			next = l.parts[i+1].verb
		}
		if rest, err = d.read(&f, rest, next); err != nil {
			return t, false, rest, err
		}
	}
	t, err = f.time(loc)
	return t, f.hasZone, rest, err
}

// skipLiteral passes over literal text; white space stands for any white space.
func skipLiteral(s, literal string) (string, error) {
	for i := 0; i < len(literal); i++ {
		if isSpace(literal[i]) {
			s = strings.TrimLeft(s, " \t\n\v\f\r")
			continue
		}
		if s == "" || s[0] != literal[i] {
			return s, fmt.Errorf("%q expected", literal[i:])
		}
		s = s[1:]
	}
	return s, nil
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// read takes what one directive describes from the start of s.
func (d *directive) read(f *fields, s string, next byte) (string, error) {
	switch d.verb {
	case 'Y':
		width := 0 // as many digits as there are
		if strings.IndexByte("CymdejHkIlMSLNsuwGgVUW", next) >= 0 && next != 0 {
			width = 4
		}
		return number(s, width, &f.year, -1<<31, 1<<31-1)
	case 'C':
		f.hasCentury = true
		return number(s, 2, &f.century, 0, 99)
	case 'y':
		f.hasShort = true
		return number(s, 2, &f.yearOfCentury, 0, 99)
	case 'm':
		return number(s, 2, &f.month, 1, 12)
	case 'd', 'e':
		return number(strings.TrimLeft(s, " "), 2, &f.day, 1, 31)
	case 'j':
		f.hasYday = true
		return number(s, 3, &f.yday, 1, 366)
	case 'H', 'k':
		return number(strings.TrimLeft(s, " "), 2, &f.hour, 0, 24)
	case 'I', 'l':
		return number(strings.TrimLeft(s, " "), 2, &f.hour, 1, 12)
	case 'M':
		return number(s, 2, &f.min, 0, 59)
	case 'S':
		return number(s, 2, &f.sec, 0, 60)
	case 'L', 'N':
		return d.readFraction(f, s)
	case 's':
		return readUnix(f, s)
	case 'z':
		return readOffset(f, s)
	case 'Z':
		return readZone(f, s)
	case 'B', 'b', 'h':
		return name(s, monthNames[:], func(i int) { f.month = i + 1 })
	case 'A', 'a':
		return name(s, dayNames[:], func(int) {})
	case 'p', 'P':
		return name(s, []string{"AM", "PM"}, func(i int) { f.pm, f.hasPM = i == 1, true })
	case '%':
		return skipLiteral(s, "%")
	case 'n', 't':
		return strings.TrimLeft(s, " \t\n\v\f\r"), nil
	case 'u', 'w', 'U', 'W', 'V', 'G', 'g':
		var ignored int
		return number(s, 4, &ignored, 0, 9999)
	}
	return s, fmt.Errorf("%%%c can not be read", d.verb)
}

// number takes up to width digits (0: any number of them), with a sign.
func number(s string, width int, dst *int, least, most int) (string, error) {
	i, sign := 0, 1
	if width == 0 && s != "" && (s[0] == '-' || s[0] == '+') {
		if s[0] == '-' {
			sign = -1
		}
		i = 1
	}
	start, n := i, 0
	for i < len(s) && s[i] >= '0' && s[i] <= '9' && (width == 0 || i-start < width) && n < 1<<40 {
		n = n*10 + int(s[i]-'0')
		i++
	}
	if i == start {
		return s, fmt.Errorf("a number expected")
	}
	if n *= sign; n < least || n > most {
		return s, fmt.Errorf("%d is out of range", n)
	}
	*dst = n
	return s[i:], nil
}

func (d *directive) readFraction(f *fields, s string) (string, error) {
	if d.width > 0 {
		return s, fmt.Errorf("%%%d%c can not be read", d.width, d.verb)
	}
	limit := 9
	if d.verb == 'L' {
		limit = 3
	}
	i, n, scale := 0, 0, int(time.Second)
	for i < len(s) && s[i] >= '0' && s[i] <= '9' && (i < limit || d.verb == 'N') {
		if scale > 1 {
			scale /= 10
			n += int(s[i]-'0') * scale
		}
		i++
	}
	if i == 0 {
		return s, fmt.Errorf("digits of the fraction expected")
	}
	f.nsec = n
	return s[i:], nil
}

func readUnix(f *fields, s string) (string, error) {
	i, sign := 0, int64(1)
	if s != "" && s[0] == '-' {
		sign, i = -1, 1
	}
	start := i
	for i < len(s) && s[i] >= '0' && s[i] <= '9' && f.unix < 1<<56 {
		f.unix = f.unix*10 + int64(s[i]-'0')
		i++
	}
	if i == start {
		return s, fmt.Errorf("a number expected")
	}
	f.unix, f.hasUnix = f.unix*sign, true
	return s[i:], nil
}

// readOffset takes Z, +09, +0900, +09:00, UTC, GMT.
func readOffset(f *fields, s string) (string, error) {
	if s == "" {
		return s, fmt.Errorf("a zone expected")
	}
	if s[0] != '+' && s[0] != '-' {
		return readZone(f, s)
	}
	digits, i := [4]int{}, 1
	n := 0
	for n < 4 && i < len(s) {
		switch {
		case s[i] >= '0' && s[i] <= '9':
			digits[n] = int(s[i] - '0')
			n++
		case s[i] == ':' && n == 2:
		default:
			goto done
		}
		i++
	}
done:
	if n != 2 && n != 4 {
		return s, fmt.Errorf("an offset such as +0900 expected")
	}
	if s[i-1] == ':' {
		i--
	}
	offset := (digits[0]*10+digits[1])*3600 + (digits[2]*10+digits[3])*60
	if digits[2] > 5 || offset > 24*3600 {
		return s, fmt.Errorf("the offset is out of range")
	}
	if s[0] == '-' {
		offset = -offset
	}
	f.offset, f.hasZone = offset, true
	return s[i:], nil
}

// zones are the abbreviations of RFC 822 that Ruby knows, in hours.
var zones = map[string]int{"UTC": 0, "GMT": 0, "UT": 0, "Z": 0, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7, "JST": 9, "CET": 1, "CEST": 2, "BST": 1}

func readZone(f *fields, s string) (string, error) {
	i := 0
	for i < len(s) && (s[i]|0x20 >= 'a' && s[i]|0x20 <= 'z') {
		i++
	}
	hours, ok := zones[strings.ToUpper(s[:i])]
	if !ok {
		return s, fmt.Errorf("a zone expected")
	}
	f.offset, f.hasZone = hours*3600, true
	return s[i:], nil
}

var (
	monthNames = [...]string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"}
	dayNames   = [...]string{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"}
)

// name takes a whole name or its first three letters, in any case.
func name(s string, names []string, found func(int)) (string, error) {
	for i, whole := range names {
		for _, word := range []string{whole, whole[:min(3, len(whole))]} {
			if len(s) >= len(word) && strings.EqualFold(s[:len(word)], word) {
				found(i)
				return s[len(word):], nil
			}
		}
	}
	return s, fmt.Errorf("a name expected")
}

// time puts the fields together. A day beyond its month runs into the next one.
func (f *fields) time(loc *time.Location) (time.Time, error) {
	if f.hasZone {
		loc = zoneOf(f.offset)
	}
	if f.hasUnix {
		return time.Unix(f.unix, int64(f.nsec)).In(loc), nil
	}
	if f.hasShort {
		switch {
		case f.hasCentury:
			f.year = f.century*100 + f.yearOfCentury
		case f.yearOfCentury < 69:
			f.year = 2000 + f.yearOfCentury
		default:
			f.year = 1900 + f.yearOfCentury
		}
	}
	if f.hasPM {
		f.hour %= 12
		if f.pm {
			f.hour += 12
		}
	}
	if f.hour == 24 && (f.min > 0 || f.sec > 0) {
		return time.Time{}, fmt.Errorf("hour 24 is out of range")
	}
	if f.hasYday {
		f.month, f.day = 1, f.yday
	}
	return time.Date(f.year, time.Month(f.month), f.day, f.hour, f.min, f.sec, f.nsec, loc), nil
}

func zoneOf(offset int) *time.Location {
	if offset == 0 {
		return time.UTC
	}
	return time.FixedZone("", offset)
}
