package syntax

import (
	"math/big"
	"strconv"
	"strings"
)

// number reads an integer or a float, as text without underscores.
func (p *parser) number(t *token) {
	start := p.pos
	if p.src[p.pos] == '0' {
		if base, n := radix(p.byteAt(p.pos + 1)); base != 0 {
			p.pos += n
			p.based(t, start, base)
			return
		}
	}
	p.digits(start, 10)
	t.kind = tInt
	if p.byteAt(p.pos) == '.' && isDigit(p.byteAt(p.pos+1)) {
		t.kind = tFloat
		p.pos++
		p.digits(start, 10)
	}
	if c := p.byteAt(p.pos); c == 'e' || c == 'E' {
		at := p.pos + 1
		if s := p.byteAt(at); s == '+' || s == '-' {
			at++
		}
		if isDigit(p.byteAt(at)) {
			t.kind = tFloat
			p.pos = at
			p.digits(start, 10)
		}
	}
	t.text = strings.ReplaceAll(p.src[start:p.pos], "_", "")
	p.numberEnd(start)
}

// radix is the base that the character after a leading 0 means, and how many
// characters the prefix has.
func radix(c byte) (base, n int) {
	switch c {
	case 'x', 'X':
		return 16, 2
	case 'b', 'B':
		return 2, 2
	case 'o', 'O':
		return 8, 2
	case 'd', 'D':
		return 10, 2
	}
	if isDigit(c) || c == '_' {
		return 8, 1
	}
	return 0, 0
}

func (p *parser) based(t *token, start, base int) {
	from := p.pos
	p.digits(start, base)
	digits := strings.ReplaceAll(p.src[from:p.pos], "_", "")
	n, ok := new(big.Int).SetString(digits, base)
	if !ok {
		p.fail(start, "numeric literal without digits", "")
	}
	t.kind, t.text = tInt, n.String()
	p.numberEnd(start)
}

// digits skips digits of a base with single underscores between them.
func (p *parser) digits(start, base int) {
	for p.pos < len(p.src) {
		c := p.src[p.pos]
		switch {
		case c == '_' && isIdent(p.byteAt(p.pos+1)) && p.byteAt(p.pos+1) != '_' && p.pos > start:
		case digitValue(c) < base:
		default:
			return
		}
		p.pos++
	}
}

func digitValue(c byte) int {
	switch {
	case isDigit(c):
		return int(c - '0')
	case 'a' <= c && c <= 'z':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'Z':
		return int(c-'A') + 10
	}
	return 99
}

func (p *parser) numberEnd(start int) {
	if len(p.src[start:p.pos]) > 4000 {
		p.fail(start, "the number is too long", "")
	}
	switch c := p.byteAt(p.pos); {
	case (c == 'r' || c == 'i') && !isIdent(p.byteAt(p.pos+1)):
		p.fail(start, "rational and complex numbers are not supported", "use a float")
	case isIdent(c):
		p.fail(p.pos, "numeric literal runs into a name", "")
	}
}

// numberNode is the value of a number token, negative if so.
func (p *parser) numberNode(t token, negative bool) Node {
	text := t.text
	if negative {
		text = "-" + text
	}
	if t.kind == tFloat {
		// Beyond the range this is ±Inf with an error, which is what Ruby takes.
		f, _ := strconv.ParseFloat(text, 64)
		return &Float{At(t.pos), f}
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return &Int{At(t.pos), n}
	}
	n, _ := new(big.Int).SetString(text, 10)
	return &Int{At(t.pos), n}
}
