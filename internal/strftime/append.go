package strftime

import (
	"strconv"
	"time"
)

// Append appends t as the layout says. The zone is t's own: a time in time.UTC is
// UTC to Ruby, one in a zone without a name prints none for %Z.
func (l *Layout) Append(dst []byte, t time.Time) []byte {
	m := momentOf(t)
	for i := range l.print {
		d := &l.print[i]
		switch {
		case d.verb == 0:
			dst = append(dst, d.literal...)
		case d.plain:
			dst = d.appendPlain(dst, &m)
		default:
			dst = d.append(dst, &m)
		}
	}
	return dst
}

// appendPlain prints the usual directives without flags and width, at once.
func (d *step) appendPlain(dst []byte, m *moment) []byte {
	switch d.verb {
	case 'Y':
		if m.year >= 1000 && m.year <= 9999 {
			return append(dst, byte('0'+m.year/1000), byte('0'+m.year/100%10), byte('0'+m.year/10%10), byte('0'+m.year%10))
		}
	case 'm':
		return two(dst, m.month)
	case 'd':
		return two(dst, m.day)
	case 'H':
		return two(dst, m.hour)
	case 'M':
		return two(dst, m.minute)
	case 'S':
		return two(dst, m.second)
	}
	return d.append(dst, m)
}

func two(dst []byte, n int) []byte { return append(dst, byte('0'+n/10), byte('0'+n%10)) }

// append prints any directive.
func (d *step) append(dst []byte, m *moment) []byte {
	switch d.verb {
	case 'N':
		return d.fraction(dst, m.nsec, 9)
	case 'L':
		return d.fraction(dst, m.nsec, 3)
	case 'z':
		return d.offset(dst, m)
	case 'A', 'a', 'B', 'b', 'h', 'p', 'P', 'Z':
		return d.word(dst, m)
	}
	if d.literal != "" {
		return d.composite(dst, m.t)
	}
	n, width, pad := d.number(m)
	return d.padNumber(dst, n, width, pad)
}

// number is the value of a numeric directive, its own width and padding.
func (d *step) number(m *moment) (n int64, width int, pad byte) {
	two := func(n int) (int64, int, byte) { return int64(n), 2, '0' }
	blank := func(n int) (int64, int, byte) { return int64(n), 2, ' ' }
	year := func(n int64) (int64, int, byte) {
		if n < 0 {
			return n, 5, '0'
		}
		return n, 4, '0'
	}
	switch d.verb {
	case 'Y':
		return year(m.year)
	case 'C':
		return floorDiv(m.year, 100), 2, '0'
	case 'y':
		return floorMod(m.year, 100), 2, '0'
	case 'G':
		iso, _ := m.isoWeek()
		return year(iso)
	case 'g':
		iso, _ := m.isoWeek()
		return floorMod(iso, 100), 2, '0'
	case 'V':
		_, week := m.isoWeek()
		return two(week)
	case 'm':
		return two(m.month)
	case 'd':
		return two(m.day)
	case 'e':
		return blank(m.day)
	case 'j':
		return int64(m.yearday()), 3, '0'
	case 'H':
		return two(m.hour)
	case 'k':
		return blank(m.hour)
	case 'I':
		return two((m.hour+11)%12 + 1)
	case 'l':
		return blank((m.hour+11)%12 + 1)
	case 'M':
		return two(m.minute)
	case 'S':
		return two(m.second)
	case 'u':
		return int64((m.weekday()+6)%7 + 1), 1, '0'
	case 'w':
		return int64(m.weekday()), 1, '0'
	case 'U':
		return two(m.week(0))
	case 'W':
		return two(m.week(1))
	}
	return m.unix, 1, '0' // %s
}

// padNumber pads a number; the sign stands before zeros and behind blanks.
func (d *step) padNumber(dst []byte, n int64, width int, pad byte) []byte {
	if d.width > 0 {
		width = int(d.width)
	}
	if d.pad != 0 {
		pad = d.pad
	}
	if d.flags&left != 0 {
		width = 0
	}
	var buf [24]byte
	digits := strconv.AppendInt(buf[:0], n, 10)
	if n < 0 && pad == '0' {
		dst = append(dst, '-')
		digits = digits[1:]
		width--
	}
	return append(fill(dst, width-len(digits), pad), digits...)
}

func fill(dst []byte, n int, pad byte) []byte {
	for ; n > 0; n-- {
		dst = append(dst, pad)
	}
	return dst
}

// fraction prints the digits behind the second, as many as the width says.
func (d *step) fraction(dst []byte, nsec, width int) []byte {
	if d.width > 0 {
		width = int(d.width)
	}
	var buf [9]byte
	for i := 8; i >= 0; i-- {
		buf[i] = byte('0' + nsec%10)
		nsec /= 10
	}
	return fill(append(dst, buf[:min(width, 9)]...), width-9, '0')
}
