package ruby

import (
	"fmt"
	"math/big"
	"strings"
)

// digitsOnly is the number that a text of at most 18 digits stands for.
func digitsOnly(s string) (int64, bool) {
	if s == "" || len(s) > 18 {
		return 0, false
	}
	n := int64(0)
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int64(s[i]-'0')
	}
	return n, true
}

// uptoDigits walks between two texts of digits as between numbers, keeping the
// width of the first.
func (m *Env) uptoDigits(lo, hi int64, width int, excl bool, do func(v Value) bool) {
	for n := lo; n < hi || n == hi && !excl; n++ {
		m.step()
		if !do(m.ascii(fmt.Sprintf("%0*d", width, n))) {
			return
		}
	}
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// succ is the next text, as Ruby counts: the rightmost letters and digits carry
// over to the left; without any, the last character goes up.
func succ(s string) string {
	if s == "" {
		return ""
	}
	out := []byte(s)
	last := len(out) - 1
	for last >= 0 && !isAlnum(out[last]) {
		last--
	}
	if last < 0 {
		return succBytes(out)
	}
	i := last
	for {
		switch c := out[i]; c {
		case '9', 'z', 'Z':
			out[i] = map[byte]byte{'9': '0', 'z': 'a', 'Z': 'A'}[c]
		default:
			out[i]++
			return string(out)
		}
		next := i - 1
		for next >= 0 && !isAlnum(out[next]) {
			next--
		}
		// A carry jumps over other signs only when there is something to its left
		// that is near: "1.9" → "2.0", but "-9" → "-10".
		if next < 0 || next < i-1 && !carries(out, next, i) {
			return carried(out, i, s[i])
		}
		i = next
	}
}

// carries tells whether a carry goes over what is between two letters or digits.
func carries(out []byte, left, right int) bool {
	digit := func(c byte) bool { return '0' <= c && c <= '9' }
	return digit(out[left]) == digit(out[right])
}

func carried(out []byte, at int, was byte) string {
	lead := byte('1')
	switch was {
	case 'z':
		lead = 'a'
	case 'Z':
		lead = 'A'
	}
	return string(out[:at]) + string(lead) + string(out[at:])
}

func succBytes(out []byte) string {
	for i := len(out) - 1; i >= 0; i-- {
		out[i]++
		if out[i] != 0 && out[i] < 128 {
			return string(out)
		}
		if out[i] >= 128 {
			out[i] = 0
		}
	}
	return "\x01" + string(out)
}

// stringNumberMethods turn text into numbers.
func stringNumberMethods() table {
	return table{
		"to_i": {strToI, 0, 1, false},
		"to_f": {strToF, 0, 0, false},
		"to_r": {refused("to_r", "use to_f"), 0, 0, false},
		"to_c": {refused("to_c", "use to_f"), 0, 0, false},
		"hex":  {func(m *Env, self Value, _ []Value, _ *Proc) Value { return m.leadingInt(self.(*Str).s, 16) }, 0, 0, false},
		"oct":  {func(m *Env, self Value, _ []Value, _ *Proc) Value { return m.leadingInt(self.(*Str).s, -8) }, 0, 0, false},
	}
}

func strToI(m *Env, self Value, a []Value, _ *Proc) Value {
	base := 10
	if len(a) > 0 {
		base = m.int(a[0])
		if base < 0 || base == 1 || base > 36 {
			m.raise("ArgumentError", "invalid radix %d", base)
		}
	}
	return m.leadingInt(self.(*Str).s, base)
}

// leadingInt is the number that a text begins with, or 0.
func (m *Env) leadingInt(s string, base int) Value {
	s = strings.TrimLeft(s, " \t\n\v\f\r")
	n, _ := m.scanInt(s, base)
	return n
}

// scanInt reads an integer at the start of a text and returns what follows. A
// base of 0 takes the prefix's, -8 too, else octal.
func (m *Env) scanInt(s string, base int) (v Value, rest string) {
	negative := false
	text := s
	if text != "" && (text[0] == '-' || text[0] == '+') {
		negative = text[0] == '-'
		text = text[1:]
	}
	text, base = radixPrefix(text, base)
	if text != "" && text[0] == '_' {
		return int64(0), s
	}
	var digits []byte
	i := 0
	for ; i < len(text); i++ {
		c := text[i]
		if c == '_' && i > 0 && i+1 < len(text) && text[i-1] != '_' && digitOf(text[i+1]) < base {
			continue
		}
		if digitOf(c) >= base {
			break
		}
		digits = append(digits, c)
	}
	if len(digits) == 0 {
		return int64(0), s
	}
	if len(digits) > maxBits/4 {
		panic(&LimitError{"large a number"})
	}
	n, _ := new(big.Int).SetString(string(digits), base)
	if negative {
		n.Neg(n)
	}
	return m.norm(n), text[i:]
}

func digitOf(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'z':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'Z':
		return int(c-'A') + 10
	}
	return 99
}

// radixPrefix takes 0x, 0b, 0o and 0 off where the base allows them.
func radixPrefix(s string, base int) (string, int) {
	prefix := 0
	if len(s) > 1 && s[0] == '0' {
		switch s[1] {
		case 'x', 'X':
			prefix = 16
		case 'b', 'B':
			prefix = 2
		case 'o', 'O':
			prefix = 8
		case 'd', 'D':
			prefix = 10
		}
	}
	ok := prefix != 0 && (base == prefix || base <= 0)
	// A prefix without a digit behind it is none.
	if ok && len(s) > 2 && digitOf(s[2]) < prefix {
		return s[2:], prefix
	}
	if ok {
		return "0", prefix
	}
	switch {
	case base == -8:
		return s, 8
	case base == 0 && len(s) > 1 && s[0] == '0' && (digitOf(s[1]) < 8 || s[1] == '_'):
		return s, 8
	case base == 0:
		return s, 10
	}
	return s, base
}
