package strftime

import (
	"strconv"
	"strings"
	"unicode"
)

// rubyZone reads what Date._strptime takes for a zone: GMT+9, +09:00:00, a word,
// "Eastern Standard Time", "EST DST".
func (r *reader) rubyZone() bool {
	n := zoneLength(r.s[r.i:])
	if n == 0 {
		return false
	}
	name := r.s[r.i : r.i+n]
	r.i += n
	r.offset, r.hasOffset = zoneOffset(name)
	return true
}

func zoneLength(s string) int {
	i := 0
	for _, prefix := range [...]string{"gmt", "utc", "ut"} {
		if len(s) >= len(prefix) && equalFold(s[:len(prefix)], prefix) {
			i = len(prefix)
			break
		}
	}
	if n := numericZone(s[i:]); n > 0 {
		return i + n
	}
	if n := numericZone(s); n > 0 {
		return n
	}
	if n := longZone(s); n > 0 {
		return n
	}
	n := 0
	for n < len(s) && isAlpha(s[n]) {
		n++
	}
	if n == 0 || n < len(s) && isWordByte(s[n]) {
		return 0
	}
	dst := n
	for dst < len(s) && isSpace(s[dst]) {
		dst++
	}
	if dst > n && len(s) >= dst+3 && equalFold(s[dst:dst+3], "dst") && (len(s) == dst+3 || !isWordByte(s[dst+3])) {
		return dst + 3
	}
	return n
}

// numericZone is the length of +09, +0900, +9:30, +09:00:00.
func numericZone(s string) int {
	run := func(i int) int {
		for i < len(s) && isDigit(s[i]) {
			i++
		}
		return i
	}
	if s == "" || s[0] != '+' && s[0] != '-' {
		return 0
	}
	i := run(1)
	if i == 1 {
		return 0
	}
	if i < len(s) && strings.IndexByte(",.:", s[i]) >= 0 && run(i+1) > i+1 {
		i = run(i + 1)
		if i < len(s) && s[i] == ':' && run(i+1) > i+1 {
			i = run(i + 1)
		}
	}
	return i
}

// maxZone bounds the work on a text that only looks like a zone's long name.
const maxZone = 64

// longZone is the length of "… standard time" or "… daylight time".
func longZone(s string) int {
	n := 0
	for n < len(s) && n < maxZone && (isAlpha(s[n]) || s[n] == '.' || isSpace(s[n])) {
		n++
	}
	if strings.IndexFunc(s[:n], unicode.IsSpace) < 0 {
		return 0
	}
	for end := n; end > 0; end-- {
		words := strings.Fields(strings.ToLower(s[:end]))
		if k := len(words); k >= 2 && words[k-1] == "time" && (strings.HasSuffix(words[k-2], "standard") || strings.HasSuffix(words[k-2], "daylight")) &&
			!isSpace(s[end-1]) && (end == len(s) || !isWordByte(s[end])) && len(words[k-2])+k > len("standard")+2 {
			return end
		}
	}
	return 0
}

// zoneHours are the names that Ruby's Time knows beyond one letter.
var zoneHours = map[string]int{"UTC": 0, "UT": 0, "GMT": 0, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7}

// zoneOffset is what Time.zone_offset knows of a zone: offsets of whole pairs of
// digits, the letters and names of RFC 822. Of any other zone Ruby knows nothing
// and takes the time for local.
func zoneOffset(name string) (seconds int, ok bool) {
	if name[0] == '+' || name[0] == '-' {
		return pairs(name)
	}
	var buf [3]byte
	if len(name) > len(buf) {
		return 0, false
	}
	copy(buf[:], name)
	upperASCII(buf[:])
	if len(name) == 1 {
		return militaryOffset(buf[0])
	}
	hours, ok := zoneHours[string(buf[:len(name)])]
	return hours * 3600, ok
}

func militaryOffset(c byte) (int, bool) {
	switch {
	case c == 'Z':
		return 0, true
	case c >= 'A' && c <= 'I':
		return int(c-'A'+1) * 3600, true
	case c >= 'K' && c <= 'M':
		return int(c-'K'+10) * 3600, true
	case c >= 'N' && c <= 'Y':
		return -int(c-'N'+1) * 3600, true
	}
	return 0, false
}

// pairs reads +hh, +hhmm, +hh:mm, +hhmmss, +hh:mm:ss.
func pairs(s string) (seconds int, ok bool) {
	colon := len(s) > 3 && s[3] == ':'
	unit := 3600
	for i := 1; i < len(s); i += 2 {
		if i > 1 && colon {
			if s[i] != ':' {
				return 0, false
			}
			i++
		}
		if unit == 0 || i+2 > len(s) {
			return 0, false
		}
		n, err := strconv.Atoi(s[i : i+2])
		if err != nil || !isDigit(s[i]) {
			return 0, false
		}
		seconds, unit = seconds+n*unit, unit/60
	}
	if s[0] == '-' {
		seconds = -seconds
	}
	return seconds, true
}
