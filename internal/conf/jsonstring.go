package conf

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// str reads a JSON string. As in Ruby, a backslash before a sign that needs none
// is dropped ("\d" is d).
func (r *jsonReader) str() (string, error) {
	start := r.pos + 1
	for i := start; i < len(r.text); i++ {
		switch c := r.text[i]; {
		case c == '"':
			r.pos = i + 1
			return r.text[start:i], nil
		case c == '\\':
			return r.escapedString(start, i)
		case c < 0x20:
			r.pos = i
			return "", controlError(c)
		}
	}
	r.pos = len(r.text)
	return "", errors.New("a string in it is not closed")
}

// escapedString goes on with a string that began at start and has its first
// backslash at i.
func (r *jsonReader) escapedString(start, i int) (string, error) {
	buf := []byte(r.text[start:i])
	for i < len(r.text) {
		c := r.text[i]
		switch {
		case c == '"':
			r.pos = i + 1
			return string(buf), nil
		case c < 0x20:
			r.pos = i
			return "", controlError(c)
		case c != '\\':
			buf = append(buf, c)
			i++
			continue
		}
		var n int
		if buf, n = unescapeJSON(buf, r.text[i:]); n == 0 {
			r.pos = i
			return "", errors.New(`\u is not followed by a character's four hexadecimal digits`)
		}
		i += n
	}
	r.pos = len(r.text)
	return "", errors.New("a string in it is not closed")
}

// unescapeJSON appends what the escape at the beginning of s stands for; n is the
// escape's length, 0 when it is wrong.
func unescapeJSON(buf []byte, s string) (out []byte, n int) {
	if len(s) < 2 {
		return buf, len(s) // the end is found by the caller
	}
	if i := strings.IndexByte("bfnrt", s[1]); i >= 0 {
		return append(buf, "\b\f\n\r\t"[i]), 2
	}
	if s[1] != 'u' {
		if s[1] < 0x20 {
			return buf, 1 // refused by the caller as a control character
		}
		return append(buf, s[1]), 2
	}
	r, ok := hex4(s[2:])
	if !ok {
		return buf, 0
	}
	if utf16.IsSurrogate(r) {
		low, ok := rune(0), false
		if strings.HasPrefix(s[6:], `\u`) {
			low, ok = hex4(s[8:])
		}
		if r = utf16.DecodeRune(r, low); !ok || r == utf8.RuneError {
			return buf, 0
		}
		return utf8.AppendRune(buf, r), 12
	}
	return utf8.AppendRune(buf, r), 6
}

func hex4(s string) (rune, bool) {
	if len(s) < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(s[:4], 16, 16)
	return rune(n), err == nil
}

func controlError(c byte) error {
	return fmt.Errorf("a string in it holds the control character %q: write it as an escape (\\n)", rune(c))
}
