package strftime

import (
	"strconv"
	"time"
)

var (
	months = [...]string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"}
	days   = [...]string{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"}
)

// word prints the name of a day, month or zone, or the half of the day. # turns
// names to upper case, and AM and UTC to lower case.
func (d *step) word(dst []byte, m *moment) []byte {
	text, up, down := "", d.flags&upper != 0, false
	switch d.verb {
	case 'A':
		text, up = days[m.weekday()], up || d.flags&swap != 0
	case 'a':
		text, up = days[m.weekday()][:3], up || d.flags&swap != 0
	case 'B':
		text, up = months[m.month-1], up || d.flags&swap != 0
	case 'b', 'h':
		text, up = months[m.month-1][:3], up || d.flags&swap != 0
	case 'p', 'P':
		if text = "AM"; m.hour >= 12 {
			text = "PM"
		}
		down = d.flags&swap != 0
		if d.verb == 'P' {
			down = d.flags&(swap|upper) == 0
		}
	case 'Z':
		text, _ = m.t.Zone()
		down = d.flags&swap != 0
	}
	if text == "" {
		return dst // Ruby does not pad what is not there
	}
	if d.flags&left == 0 {
		dst = fill(dst, int(d.width)-len(text), d.padding())
	}
	from := len(dst)
	dst = append(dst, text...)
	switch {
	case down:
		lowerASCII(dst[from:])
	case up:
		upperASCII(dst[from:])
	}
	return dst
}

func (d *step) padding() byte {
	if d.pad == '0' {
		return '0'
	}
	return ' '
}

// composite prints what a directive such as %c stands for, within its width.
func (d *step) composite(dst []byte, t time.Time) []byte {
	if len(d.literal) == 1 { // %%, %n, %t
		if d.flags&left == 0 {
			dst = fill(dst, int(d.width)-1, d.padding())
		}
		return append(dst, d.literal...)
	}
	from := len(dst)
	dst = Format(dst, d.literal, t)
	if d.flags&upper != 0 {
		upperASCII(dst[from:])
	}
	if missing := int(d.width) - (len(dst) - from); missing > 0 {
		n := len(dst) - from
		dst = fill(dst, missing, ' ')
		copy(dst[from+missing:], dst[from:from+n])
		for i := range missing {
			dst[from+i] = d.padding()
		}
	}
	return dst
}

// offset prints +hhmm; with colons +hh:mm, +hh:mm:ss, or the shortest of them.
// The width counts the whole, and pads the hours.
func (d *step) offset(dst []byte, m *moment) []byte {
	sign, off := byte('+'), m.offset
	if off < 0 {
		sign, off = '-', -off
	} else if d.flags&left != 0 && m.t.Location() == time.UTC {
		sign = '-' // RFC 3339's "-00:00": the local offset is not known
	}
	h, mi, s := off/3600, off/60%60, off%60
	var buf [8]byte
	tail := buf[:0]
	if d.colons < 3 || mi != 0 || s != 0 {
		if d.colons > 0 {
			tail = append(tail, ':')
		}
		tail = two(tail, mi)
	}
	if d.colons == 2 || d.colons == 3 && s != 0 {
		tail = two(append(tail, ':'), s)
	}
	hours := max(int(d.width)-1-len(tail), 2)
	var digits [4]byte
	hh := strconv.AppendInt(digits[:0], int64(h), 10)
	if d.pad == ' ' {
		dst = append(fill(dst, hours-len(hh), ' '), sign)
	} else {
		dst = fill(append(dst, sign), hours-len(hh), '0')
	}
	return append(append(dst, hh...), tail...)
}

func upperASCII(b []byte) {
	for i, c := range b {
		if c >= 'a' && c <= 'z' {
			b[i] = c - 0x20
		}
	}
}

func lowerASCII(b []byte) {
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 0x20
		}
	}
}
