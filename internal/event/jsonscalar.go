package event

import (
	"math"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDigits is the longest integer that is taken: to read one costs the square
// of its length, and a body of nothing but digits must not stop the relay.
const maxDigits = 4096

// number reads an integer or float as RFC 8259 writes them, and the three words
// that Oj takes too.
func (p *jsonReader) number() any {
	start := p.i
	p.take('-')
	if p.mode == Oj {
		if c := p.peek(); c == 'I' {
			sign := 1 - 2*(p.i-start)
			return p.word("Infinity", math.Inf(sign))
		} else if c == 'N' && p.i == start {
			return p.word("NaN", math.NaN())
		}
	}
	if !p.take('0') && !p.digits() {
		p.i = start
		p.fail("a value")
		return nil
	}
	if p.i-start > maxDigits {
		p.i = start
		p.fail("a number of fewer digits")
	}
	if p.take('.') && !p.digits() {
		p.fail("a digit")
	}
	if p.take('e') || p.take('E') {
		if !p.take('+') {
			p.take('-')
		}
		if !p.digits() {
			p.fail("a digit")
		}
	}
	if p.err != nil {
		return nil
	}
	return decodeNumber(p.s[start:p.i])
}

func (p *jsonReader) digits() bool {
	start := p.i
	for c := p.peek(); '0' <= c && c <= '9'; c = p.peek() {
		p.i++
	}
	return p.i > start
}

// string reads a string with its quotes.
func (p *jsonReader) string() string {
	p.i++
	start := p.i
	end := strings.IndexAny(p.s[start:], "\"\\")
	if end >= 0 && p.s[start+end] == '"' {
		p.i += end + 1
		return p.checked(start, p.s[start:start+end])
	}
	var out []byte
	for p.err == nil {
		switch c := p.peek(); {
		case p.i >= len(p.s):
			p.fail("'\"' to end the string")
		case c == '"':
			p.i++
			return string(out)
		case c == '\\':
			p.i++
			out = p.escape(out)
		default:
			run := p.i
			for p.i < len(p.s) && p.s[p.i] != '"' && p.s[p.i] != '\\' {
				p.i++
			}
			out = append(out, p.checked(run, p.s[run:p.i])...)
		}
	}
	return ""
}

// checked refuses what a mode does not allow in a string's plain text, which
// began at start.
func (p *jsonReader) checked(start int, s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 && (p.mode != Oj || c == 0) {
			p.i = start + i
			p.fail("an escape in place of a control character")
			return ""
		}
	}
	if p.mode == Yajl && !utf8.ValidString(s) {
		p.i = start
		p.fail("a string in UTF-8")
		return ""
	}
	return s
}

// plainEscapes are the escapes that stand for one byte.
var plainEscapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escape reads what follows a backslash.
func (p *jsonReader) escape(out []byte) []byte {
	c := p.peek()
	if e := plainEscapes[c]; e != 0 {
		p.i++
		return append(out, e)
	}
	if c != 'u' {
		p.fail("an escape that JSON knows")
		return out
	}
	p.i++
	at := p.i
	r := p.hex()
	if !utf16.IsSurrogate(r) {
		return utf8.AppendRune(out, r)
	}
	if strings.HasPrefix(p.s[p.i:], `\u`) {
		back := p.i
		p.i += 2
		if both := utf16.DecodeRune(r, p.hex()); both != utf8.RuneError || p.err != nil {
			return utf8.AppendRune(out, both)
		}
		p.i = back
	}
	if p.mode == Yajl {
		return append(out, '?')
	}
	p.i = at
	p.fail("the other half of the surrogate pair")
	return out
}

// hex reads four hexadecimal digits.
func (p *jsonReader) hex() rune {
	var r rune
	for range 4 {
		d := hexValue[p.peek()]
		if d > 15 {
			p.fail("four hexadecimal digits")
			return 0
		}
		r = r<<4 | rune(d)
		p.i++
	}
	return r
}

// hexValue is the value of a hexadecimal digit, 255 of anything else.
var hexValue = func() (t [256]byte) {
	for i := range t {
		t[i] = 255
	}
	for i, c := range "0123456789" {
		t[c] = byte(i)
	}
	for i, c := range "abcdef" {
		t[c], t[c-32] = byte(i+10), byte(i+10)
	}
	return t
}()
