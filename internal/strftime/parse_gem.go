package strftime

import (
	"errors"
	"strings"
	"time"
)

// gemVerbs are the directives that version 0.2.5 of the strptime gem knows. A
// layout with any other is read by Time.strptime.
const gemVerbs = "BbdehHMmNnSYyz"

// compileRead prepares reading: white space and literal text are steps too.
func (l *Layout) compileRead(src string) {
	l.gem = true
	l.read = nil
	for s := src; s != ""; {
		n := 1
		switch {
		case isSpace(s[0]):
			l.read = append(l.read, step{verb: 'n'})
		case s[0] != '%':
			for n < len(s) && s[n] != '%' && !isSpace(s[n]) {
				n++
			}
			l.read = append(l.read, step{literal: s[:n]})
		case len(s) < 2 || strings.IndexByte(gemVerbs, s[1]) < 0:
			l.gem = false
			l.read = compileRuby(src)
			return
		default:
			n = 2
			l.read = append(l.read, step{verb: s[1], width: numberNext(s[2:])})
		}
		s = s[n:]
	}
}

// gem reads as the strptime gem does.
func (r *reader) gem(steps []step) bool {
	for i := range steps {
		d := &steps[i]
		ok := true
		switch d.verb {
		case 0:
			ok = r.literal(d.literal)
		case 'n':
			r.space()
		case 'Y':
			ok = r.gemYear()
		case 'y':
			var n int
			ok = r.digits(&n, 2)
			if r.year, r.has = int64(2000+n), r.has|hasYear; n >= 69 {
				r.year = int64(1900 + n)
			}
		case 'm':
			ok, r.has = r.ranged(&r.month, 2, 1, 12), r.has|hasMonth
		case 'd', 'e':
			ok, r.has = r.ranged(&r.day, 2, 1, 31), r.has|hasDay
		case 'H':
			ok, r.has = r.ranged(&r.hour, 2, 0, 23), r.has|hasHour
		case 'M':
			ok, r.has = r.ranged(&r.minute, 2, 0, 59), r.has|hasMinute
		case 'S':
			ok, r.has = r.ranged(&r.second, 2, 0, 60), r.has|hasSecond
		case 'N':
			ok = r.gemFraction()
		case 'B', 'b', 'h':
			r.month, ok = r.name(months[:])
			r.month, r.has = r.month+1, r.has|hasMonth
		case 'z':
			ok = r.gemOffset()
		}
		if !ok {
			return false
		}
	}
	return true
}

func (r *reader) gemYear() bool {
	sign := r.peek()
	if sign == '-' || sign == '+' {
		r.i++
	}
	var n int
	ok := r.digits(&n, 4)
	if r.year, r.has = int64(n), r.has|hasYear; sign == '-' {
		r.year = -r.year
	}
	return ok
}

func (r *reader) gemFraction() bool {
	start := r.i
	ok := r.digits(&r.nsec, 9)
	for n := r.i - start; ok && n < 9; n++ {
		r.nsec *= 10
	}
	return ok
}

// gemOffset takes Z, +9, +09, +0900, +09:00; the sign may be missing.
func (r *reader) gemOffset() bool {
	r.hasOffset = true
	sign := r.peek()
	if sign|0x20 == 'z' {
		r.offset = 0 // the gem does not step over it: what follows meets the Z again
		return true
	}
	if sign == '-' || sign == '+' {
		r.i++
	}
	var h, m int
	if !r.digits(&h, 2) {
		return false
	}
	if r.peek() == ':' {
		r.i++
	}
	r.digits(&m, 2)
	if r.offset = h*3600 + m*60; sign == '-' {
		r.offset = -r.offset
	}
	return true
}

var errOffset = errors.New("utc_offset out of range")

func (r *reader) offsetInRange() bool { return r.offset > -86400 && r.offset < 86400 }

func (r *reader) finishGem(loc *time.Location) error {
	if !r.offsetInRange() {
		return errOffset
	}
	r.complete(loc)
	r.resolve(loc, false)
	return nil
}
