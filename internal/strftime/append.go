package strftime

import (
	"bytes"
	"strconv"
	"time"
)

// append prints one directive.
func (d *directive) append(dst []byte, t time.Time) []byte {
	switch d.verb {
	case '%':
		return append(dst, '%')
	case 'Y':
		return d.year(dst, t.Year())
	case 'G':
		year, _ := t.ISOWeek()
		return d.year(dst, year)
	case 'N', 'L':
		return d.fraction(dst, t)
	case 'z':
		return d.zone(dst, t)
	}
	if text, ok := d.text(t); ok {
		return d.padText(dst, text)
	}
	n, width, pad := d.number(t)
	return d.padNumber(dst, n, width, pad)
}

// number is the value of a numeric directive, its own width and padding.
func (d *directive) number(t time.Time) (n int64, width int, pad byte) {
	hour12 := (t.Hour()+11)%12 + 1
	isoYear, isoWeek := t.ISOWeek()
	switch d.verb {
	case 'C':
		return int64(floorDiv(t.Year(), 100)), 2, '0'
	case 'y':
		return int64(floorMod(t.Year(), 100)), 2, '0'
	case 'g':
		return int64(floorMod(isoYear, 100)), 2, '0'
	case 'm':
		return int64(t.Month()), 2, '0'
	case 'd':
		return int64(t.Day()), 2, '0'
	case 'e':
		return int64(t.Day()), 2, ' '
	case 'j':
		return int64(t.YearDay()), 3, '0'
	case 'H':
		return int64(t.Hour()), 2, '0'
	case 'k':
		return int64(t.Hour()), 2, ' '
	case 'I':
		return int64(hour12), 2, '0'
	case 'l':
		return int64(hour12), 2, ' '
	case 'M':
		return int64(t.Minute()), 2, '0'
	case 'S':
		return int64(t.Second()), 2, '0'
	case 'u':
		return int64((t.Weekday()+6)%7 + 1), 1, '0'
	case 'w':
		return int64(t.Weekday()), 1, '0'
	case 'V':
		return int64(isoWeek), 2, '0'
	case 'U':
		return int64((t.YearDay() + 6 - int(t.Weekday())) / 7), 2, '0'
	case 'W':
		return int64((t.YearDay() + 6 - int(t.Weekday()+6)%7) / 7), 2, '0'
	}
	return t.Unix(), 1, '0' // %s
}

// text is the value of a directive that prints words.
func (d *directive) text(t time.Time) (string, bool) {
	switch d.verb {
	case 'A':
		return t.Weekday().String(), true
	case 'a':
		return t.Weekday().String()[:3], true
	case 'B':
		return t.Month().String(), true
	case 'b', 'h':
		return t.Month().String()[:3], true
	case 'p', 'P':
		half := "AM"
		if t.Hour() >= 12 {
			half = "PM"
		}
		if d.verb == 'P' || d.swap {
			half = string(bytes.ToLower([]byte(half)))
		}
		return half, true
	case 'Z':
		name, _ := t.Zone()
		if len(name) > 0 && (name[0] == '+' || name[0] == '-') {
			name = "" // an offset has no name in Ruby
		}
		return name, true
	case 'c', 'D', 'F', 'T', 'x', 'X', 'R', 'r', 'v', '+', 'n', 't':
		return string(Format(nil, composed[d.verb], t)), true
	}
	return "", false
}

func (d *directive) padText(dst []byte, text string) []byte {
	if d.pad != '-' {
		fill := byte(' ')
		if d.pad == '0' {
			fill = '0'
		}
		for n := len(text); n < d.width; n++ {
			dst = append(dst, fill)
		}
	}
	from := len(dst)
	dst = append(dst, text...)
	switch {
	case d.upper, d.swap && d.verb != 'p' && d.verb != 'Z':
		copy(dst[from:], bytes.ToUpper(dst[from:]))
	case d.swap && d.verb == 'Z':
		copy(dst[from:], bytes.ToLower(dst[from:]))
	}
	return dst
}

func (d *directive) padNumber(dst []byte, n int64, width int, pad byte) []byte {
	if d.width >= 0 {
		width = d.width
	}
	switch d.pad {
	case '-':
		width = 0
	case '0':
		pad = '0'
	case '_':
		pad = ' '
	}
	var buf [24]byte
	digits := strconv.AppendInt(buf[:0], n, 10)
	if n < 0 && pad == '0' {
		dst = append(dst, '-')
		digits = digits[1:]
		width--
	}
	for i := len(digits); i < width; i++ {
		dst = append(dst, pad)
	}
	return append(dst, digits...)
}

// year has four digits, five with a sign.
func (d *directive) year(dst []byte, year int) []byte {
	width := 4
	if year < 0 {
		width = 5
	}
	return d.padNumber(dst, int64(year), width, '0')
}

// fraction prints the digits behind the second: 9 for %N, 3 for %L, else as many
// as the width says.
func (d *directive) fraction(dst []byte, t time.Time) []byte {
	width := d.width
	if width <= 0 {
		width = 9
		if d.verb == 'L' {
			width = 3
		}
	}
	var buf [9]byte
	n := t.Nanosecond()
	for i := 8; i >= 0; i-- {
		buf[i] = byte('0' + n%10)
		n /= 10
	}
	dst = append(dst, buf[:min(width, 9)]...)
	for i := 9; i < width; i++ {
		dst = append(dst, '0')
	}
	return dst
}

// zone prints +hhmm, with colons +hh:mm, +hh:mm:ss, or the shortest of them.
func (d *directive) zone(dst []byte, t time.Time) []byte {
	_, offset := t.Zone()
	sign := byte('+')
	if offset < 0 {
		sign, offset = '-', -offset
	}
	h, m, s := offset/3600, offset/60%60, offset%60
	var tail [8]byte
	rest := tail[:0]
	two := func(n int) { rest = append(rest, byte('0'+n/10), byte('0'+n%10)) }
	switch {
	case d.colons == 0:
		two(m)
	case d.colons == 1, d.colons == 3 && s == 0 && m != 0:
		rest = append(rest, ':')
		two(m)
	case d.colons == 2, d.colons == 3 && s != 0:
		rest = append(rest, ':')
		two(m)
		rest = append(rest, ':')
		two(s)
	}
	hours := 2
	if d.width > 0 {
		hours = max(hours, d.width-1-len(rest))
	}
	var buf [4]byte
	digits := strconv.AppendInt(buf[:0], int64(h), 10)
	switch d.pad {
	case '_':
		for i := len(digits); i < hours; i++ {
			dst = append(dst, ' ')
		}
		dst = append(dst, sign)
	case '-':
		dst = append(dst, sign)
	default:
		dst = append(dst, sign)
		for i := len(digits); i < hours; i++ {
			dst = append(dst, '0')
		}
	}
	return append(append(dst, digits...), rest...)
}

func floorDiv(a, b int) int {
	if a%b < 0 {
		return a/b - 1
	}
	return a / b
}

func floorMod(a, b int) int { return (a%b + b) % b }
