package strftime

import (
	"strings"
	"sync/atomic"
	"time"
)

// quick is a layout that reads the times of Teleport and most other programs, in
// the order and with the digits of RFC 3339. Such a text is read at once, any
// other as usual; a fuzz test holds both ways to the same.
type quick struct {
	ok       bool
	fraction bool // .%N follows
	zone     bool // %z follows
	z        bool // a literal Z follows
}

const quickLayout = "%Y-%m-%dT%H:%M:%S"

func quickOf(src string) quick {
	tail, ok := strings.CutPrefix(src, quickLayout)
	q := quick{}
	tail, q.fraction = strings.CutPrefix(tail, ".%N")
	q.zone, q.z = tail == "%z", tail == "Z"
	q.ok = ok && (tail == "" || q.zone || q.z)
	return q
}

// read takes the text apart. It says false of anything that is not quite regular.
func (q quick) read(r *reader) bool {
	s := r.s
	if len(s) < 19 || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' {
		return false
	}
	year, ok := twoDigits(s[0], s[1])
	year2, ok2 := twoDigits(s[2], s[3])
	var ok3, ok4, ok5, ok6, ok7 bool
	r.month, ok3 = twoDigits(s[5], s[6])
	r.day, ok4 = twoDigits(s[8], s[9])
	r.hour, ok5 = twoDigits(s[11], s[12])
	r.minute, ok6 = twoDigits(s[14], s[15])
	r.second, ok7 = twoDigits(s[17], s[18])
	r.year = int64(year*100 + year2)
	if !(ok && ok2 && ok3 && ok4 && ok5 && ok6 && ok7) || r.month-1 > 11 || r.month < 1 || r.day-1 > 30 || r.day < 1 || r.hour > 23 || r.minute > 59 || r.second > 60 {
		return false
	}
	r.i = 19
	if q.fraction {
		if r.i++; r.i >= len(s) || s[19] != '.' || !r.gemFraction() {
			return false
		}
	}
	if q.z {
		return r.i < len(s) && s[r.i] == 'Z'
	}
	return !q.zone || r.i < len(s) && (s[r.i] == 'Z' || s[r.i] == '+' || s[r.i] == '-') && r.gemOffset() && r.offsetInRange()
}

func twoDigits(a, b byte) (int, bool) {
	a, b = a-'0', b-'0'
	return int(a)*10 + int(b), a <= 9 && b <= 9
}

// span is a stretch of a zone's clock without a change of its offset.
type span struct {
	loc        *time.Location
	begin, end int64 // by the clock, seconds since 1970 as if it were UTC
	offset     int64
}

// spanCache remembers the stretch that the last time fell into.
type spanCache struct{ last atomic.Pointer[span] }

// instant is as the function of that name, for the first of two.
func (c *spanCache) instant(wall int64, loc *time.Location) int64 {
	if loc == time.UTC {
		return wall
	}
	if s := c.last.Load(); s != nil && s.loc == loc && s.begin <= wall && wall < s.end {
		return wall - s.offset
	}
	unix := instant(wall, loc, false)
	t := time.Unix(unix, 0).In(loc)
	begin, end := t.ZoneBounds()
	_, offset := t.Zone()
	s := &span{loc, -1 << 62, 1 << 62, int64(offset)}
	// Two days off a change nothing is ambiguous.
	if !begin.IsZero() {
		s.begin = begin.Unix() + 2*86400
	}
	if !end.IsZero() {
		s.end = end.Unix() - 2*86400
	}
	if s.begin <= wall && wall < s.end {
		c.last.Store(s)
	}
	return unix
}
