package event

import (
	"encoding/binary"
	"math/bits"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// stops marks, of eight bytes, those that a string can not simply contain: the
// quote, the backslash and control characters. Only the lowest mark is exact.
func stops(w uint64) uint64 {
	quote := w ^ ones*'"'
	slash := w ^ ones*'\\'
	return ((quote-ones)&^quote | (slash-ones)&^slash | (w-ones*0x20)&^w) & highs
}

// load reads eight bytes as one little-endian word, with zeros behind the end of
// the text, which count as control characters.
func load(b []byte, i int) uint64 {
	if len(b)-i >= 8 {
		return binary.LittleEndian.Uint64(b[i:])
	}
	var w uint64
	for n, c := range b[min(i, len(b)):] {
		w |= uint64(c) << (8 * n)
	}
	return w
}

// string walks over a string's text and its closing quote.
func (c *compactor) string(i int) int {
	for {
		m := stops(load(c.b, i))
		if m == 0 {
			i += 8
			continue
		}
		i += bits.TrailingZeros64(m) >> 3
		if i >= len(c.b) {
			return refused
		}
		switch c.b[i] {
		case '"':
			return i + 1
		case '\\':
			if i = c.escape(i); i < 0 {
				return refused
			}
		default:
			return refused
		}
	}
}

// escape walks over an escape within a value. One that Fluentd would not write
// is replaced by what it stands for.
func (c *compactor) escape(i int) int {
	if end := c.plainEscape(i); end >= 0 {
		return end
	}
	if len(c.b)-i >= 2 && c.b[i+1] == '/' {
		c.dst = append(c.dst, c.b[c.run:i]...)
		c.run = i + 1 // the slash itself
		return i + 2
	}
	if len(c.b)-i < 6 || c.b[i+1] != 'u' {
		return refused
	}
	var r rune
	for _, d := range c.b[i+2 : i+6] {
		if hexValue[d] > 15 {
			return refused
		}
		r = r<<4 | rune(hexValue[d])
	}
	if utf16.IsSurrogate(r) {
		return refused
	}
	c.dst = append(c.dst, c.b[c.run:i]...)
	c.run = i + 6
	if r < utf8.RuneSelf {
		c.dst = appendEscaped(c.dst, byte(r))
	} else {
		c.dst = utf8.AppendRune(c.dst, r)
	}
	return i + 6
}

// plainEscape walks over an escape that is just as Fluentd writes it.
func (c *compactor) plainEscape(i int) int {
	if len(c.b)-i < 2 {
		return refused
	}
	switch c.b[i+1] {
	case '"', '\\', 'n', 't', 'r', 'b', 'f':
		return i + 2
	case 'u':
		if len(c.b)-i < 6 || c.b[i+2] != '0' || c.b[i+3] != '0' || c.b[i+4] > '1' || c.b[i+4] < '0' {
			return refused
		}
		d := c.b[i+5]
		if low := hexValue[d]; low <= 15 && !('A' <= d && d <= 'F') && escapes[(c.b[i+4]-'0')<<4|low] == 'u' {
			return i + 6
		}
	}
	return refused
}

// key walks over a key's text and its closing quote, and refuses one that the
// object has already.
func (c *compactor) key(i int, id uint32) int {
	start := i
	h := hashStart(id)
	for {
		w := load(c.b, i)
		m := stops(w)
		if m == 0 {
			h = hashWord(h, w)
			i += 8
			continue
		}
		n := bits.TrailingZeros64(m) &^ 7
		i += n >> 3
		if i >= len(c.b) {
			return refused
		}
		if c.b[i] != '"' {
			return c.keyWithEscapes(start, i, id)
		}
		h = hashWord(h, w&(1<<n-1))
		if !c.keys.add(c.b, start, i, h) {
			return refused
		}
		return i + 1
	}
}

// keyWithEscapes is key for one that has something special at i.
func (c *compactor) keyWithEscapes(start, i int, id uint32) int {
	for i < len(c.b) && c.b[i] != '"' {
		if c.b[i] == '\\' {
			if i = c.plainEscape(i); i < 0 {
				return refused
			}
			continue
		}
		if c.b[i] < 0x20 {
			return refused
		}
		i++
	}
	if i >= len(c.b) || !c.keys.add(c.b, start, i, hashKey(c.b[start:i], id)) {
		return refused
	}
	return i + 1
}

// number walks over an integer, or a float that prints as it is written.
func (c *compactor) number(i int) int {
	start, b := i, c.b
	if i < len(b) && b[i] == '-' {
		i++
	}
	first := i
	i = digitsEnd(b, i)
	if i == first || b[first] == '0' && i > first+1 || i-start > maxDigits {
		return refused
	}
	if i < len(b) {
		switch b[i] {
		case '.':
			return c.fraction(start, first, i)
		case 'e', 'E':
			return refused
		}
	}
	if b[first] == '0' && first > start {
		return refused // -0
	}
	return i
}

func digitsEnd(b []byte, i int) int {
	for i < len(b) && b[i]-'0' <= 9 {
		i++
	}
	return i
}

// fraction walks over the digits behind the point of the float that begins at
// start, with its first digit at first.
func (c *compactor) fraction(start, first, point int) int {
	b := c.b
	i := digitsEnd(b, point+1)
	if i == point+1 || i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		return refused
	}
	digits := i - first - 1
	// Up to 15 digits survive the way through a double. What remains to be
	// checked is zeros at the end, small numbers, and zero itself.
	if digits <= 15 && (b[first] != '0' || b[point+1] != '0') && (b[i-1] != '0' || i == point+2) {
		return i
	}
	var room [32]byte
	if i-start > len(room) {
		return refused
	}
	f, err := strconv.ParseFloat(text(b[start:i]), 64)
	if err != nil || string(appendFloat(room[:0], f)) != string(b[start:i]) {
		return refused
	}
	return i
}
