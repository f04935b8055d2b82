package strftime

import (
	"strings"
)

// rubyComposites are directives that stand for others when Ruby reads.
var rubyComposites = map[byte]string{
	'c': "%a %b %e %H:%M:%S %Y", 'D': "%m/%d/%y", 'x': "%m/%d/%y", 'F': "%Y-%m-%d", 'r': "%I:%M:%S %p", 'R': "%H:%M",
	'T': "%H:%M:%S", 'X': "%H:%M:%S", 'v': "%e-%b-%Y", 'n': " ", 't': " ", '+': "%a %b %e %H:%M:%S %Z %Y",
}

// compileRuby makes the steps of Date._strptime. A directive with flags or a
// width is none: its characters must stand in the text, so that %3N matches "%3N".
// width is how many digits a number may have at most, 0 for any number of them.
func compileRuby(src string) []step {
	var steps []step
	text := func(s string) { steps = append(steps, step{literal: s}) }
	for s := src; s != ""; {
		if isSpace(s[0]) {
			steps = append(steps, step{verb: 'n'})
			s = s[1:]
			continue
		}
		if s[0] != '%' || len(s) == 1 {
			n := 1
			for n < len(s) && s[n] != '%' && !isSpace(s[n]) {
				n++
			}
			text(s[:n])
			s = s[n:]
			continue
		}
		verb, n := rubyDirective(s)
		switch whole, composed := rubyComposites[verb]; {
		case composed:
			steps = append(steps, compileRuby(whole)...)
		case verb == '%':
			text("%")
		case verb == 0: // no directive: it stands for itself
			text(s[:2])
			n = 2
		default:
			steps = append(steps, step{verb: verb, width: numberNext(s[n:])})
		}
		s = s[n:]
	}
	return steps
}

// rubyDirective reads the directive at the start of s, n bytes long; verb is 0
// when there is none.
func rubyDirective(s string) (verb byte, n int) {
	i := 1
	switch {
	case i+1 < len(s) && (s[i] == 'E' && strings.IndexByte("cCxXyY", s[i+1]) >= 0 || s[i] == 'O' && strings.IndexByte("deHImMSuUVwWy", s[i+1]) >= 0):
		i++
	case s[i] == ':':
		for n := 0; i < len(s) && s[i] == ':' && n < 3; n++ {
			i++
		}
		if i == len(s) || s[i] != 'z' {
			return 0, 0
		}
	}
	if strings.IndexByte("AaBbCcDdeFGgHhIjkLlMmNnPpQRrSsTtUuVvWwXxYyZz%+", s[i]) < 0 {
		return 0, 0
	}
	return s[i], i + 1
}

// numberNext is 1 when the format goes on with a number: then the one before it
// can not take all digits that there are.
func numberNext(s string) int16 {
	if s == "" {
		return 0
	}
	if s[0] == '%' && len(s) > 1 {
		s = s[1:]
		if (s[0] == 'E' || s[0] == 'O') && len(s) > 1 {
			s = s[1:]
		}
		if isDigit(s[0]) || strings.IndexByte("CDdeFGgHIjkLlMmNQRrSsTUuVvWwXxYy", s[0]) >= 0 {
			return 1
		}
		return 0
	}
	if isDigit(s[0]) {
		return 1
	}
	return 0
}

// ruby reads as Date._strptime does.
func (r *reader) ruby(steps []step) bool {
	for i := range steps {
		d := &steps[i]
		ok := true
		switch d.verb {
		case 0:
			ok = r.literal(d.literal)
		case 'n':
			r.space()
		case 'L', 'N':
			ok = r.rubyFraction(d)
		case 'Y', 'G', 'C', 's', 'Q':
			ok = r.longNumber(d)
		case 'A', 'a', 'B', 'b', 'h', 'P', 'p':
			ok = r.word(d.verb)
		case 'Z', 'z':
			ok = r.rubyZone()
		default:
			ok = r.shortNumber(d.verb)
		}
		if !ok {
			return false
		}
	}
	if r.has&hasCentury != 0 {
		r.year += r.century * 100
		r.isoYear += r.century * 100
	}
	if r.has&hasHalf != 0 && r.has&hasHour != 0 {
		r.hour = r.hour%12 + r.half
	}
	return true
}

func (r *reader) shortNumber(verb byte) bool {
	set := func(f field, n *int, width, least, most int) bool {
		r.has |= f
		return r.ranged(n, width, least, most)
	}
	// A number that may be padded with a blank.
	blank := func(f field, n *int, least, most int) bool {
		width := 2
		if r.peek() == ' ' {
			r.i++
			width = 1
		}
		return set(f, n, width, least, most)
	}
	switch verb {
	case 'd', 'e':
		return blank(hasDay, &r.day, 1, 31)
	case 'H', 'k':
		return blank(hasHour, &r.hour, 0, 24)
	case 'I', 'l':
		return blank(hasHour, &r.hour, 1, 12)
	case 'j':
		return set(hasYday, &r.yday, 3, 1, 366)
	case 'M':
		return set(hasMinute, &r.minute, 2, 0, 59)
	case 'm':
		return set(hasMonth, &r.month, 2, 1, 12)
	case 'S':
		return set(hasSecond, &r.second, 2, 0, 60)
	case 'U':
		return set(hasWeek0, &r.week, 2, 0, 53)
	case 'W':
		return set(hasWeek1, &r.week, 2, 0, 53)
	case 'V':
		return set(hasISOWeek, &r.week, 2, 1, 53)
	case 'u':
		return set(hasISODay, &r.wday, 1, 1, 7)
	case 'w':
		return set(hasWday, &r.wday, 1, 0, 6)
	}
	return r.shortYear(verb)
}

// shortYear reads %y and %g, whose century is this one and the last, unless %C
// says otherwise.
func (r *reader) shortYear(verb byte) bool {
	var n int
	if !r.digits(&n, 2) {
		return false
	}
	if verb == 'y' {
		r.year, r.has = int64(n), r.has|hasYear
	} else {
		r.isoYear, r.has = int64(n), r.has|hasISOYear
	}
	if r.has&hasCentury == 0 {
		if r.century, r.has = 20, r.has|hasCentury; n >= 69 {
			r.century = 19
		}
	}
	return true
}

// maxYear is far beyond what an event's time can hold.
const maxYear = 1e9

// longNumber reads a number that may have a sign and, unless another number
// follows, any number of digits.
func (r *reader) longNumber(d *step) bool {
	sign := r.peek()
	negative := sign == '-' && d.verb != 'C'
	if negative || sign == '+' && (d.verb == 'Y' || d.verb == 'G') {
		r.i++
	}
	width := len(r.s)
	if d.width != 0 && d.verb != 's' && d.verb != 'Q' {
		if width = 4; d.verb == 'C' {
			width = 2
		}
	}
	var digits int
	start := r.i
	if !r.digits(&digits, width) || r.i-start > 18 { // more is no time
		return false
	}
	n := int64(digits)
	if n > maxYear && (d.verb == 'Y' || d.verb == 'G' || d.verb == 'C') {
		return false
	}
	if negative {
		n = -n
	}
	switch d.verb {
	case 'Y':
		r.year, r.has = n, r.has|hasYear
	case 'G':
		r.isoYear, r.has = n, r.has|hasISOYear
	case 'C':
		r.century, r.has = n, r.has|hasCentury
	case 's':
		r.unix, r.has = n, r.has|hasUnix
	case 'Q':
		r.unix, r.has = floorDiv(n, 1000), r.has|hasUnix
		r.nsec = int(floorMod(n, 1000)) * 1e6
	}
	return true
}

// rubyFraction reads the digits behind the second, all that are there.
func (r *reader) rubyFraction(d *step) bool {
	negative := r.peek() == '-'
	if negative || r.peek() == '+' {
		r.i++
	}
	most := len(r.s)
	if d.width != 0 {
		if most = 9; d.verb == 'L' {
			most = 3
		}
	}
	start, scale := r.i, int(1e9)
	for r.nsec = 0; r.i < len(r.s) && r.i-start < most && isDigit(r.s[r.i]); r.i++ {
		scale /= 10
		r.nsec += int(r.s[r.i]-'0') * scale
	}
	if negative {
		r.nsec = -r.nsec
	}
	r.has |= hasNsec
	return r.i > start
}

// word reads the name of a day or month, or the half of the day.
func (r *reader) word(verb byte) bool {
	switch verb {
	case 'A', 'a':
		n, ok := r.name(days[:])
		r.wday, r.has = n, r.has|hasWday
		return ok
	case 'B', 'b', 'h':
		n, ok := r.name(months[:])
		r.month, r.has = n+1, r.has|hasMonth
		return ok
	}
	rest := r.s[r.i:]
	if len(rest) < 2 {
		return false
	}
	switch rest[0] | 0x20 {
	case 'a':
		r.half = 0
	case 'p':
		r.half = 12
	default:
		return false
	}
	r.has |= hasHalf
	switch {
	case rest[1]|0x20 == 'm':
		r.i += 2
	case len(rest) >= 4 && equalFold(rest[1:4], ".m."):
		r.i += 4
	default:
		return false
	}
	return true
}

func isWordByte(c byte) bool { return isAlpha(c) || isDigit(c) || c == '_' || c >= 0x80 }

func isAlpha(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
