package syntax

import (
	"strings"
	"unicode/utf8"
)

// stringLiteral reads a string and the literals that stand right behind it,
// which Ruby joins.
func (p *parser) stringLiteral() Node {
	if p.tok.open == '`' {
		p.fail(p.tok.pos, "commands (%x, backticks) are refused: nothing here may start a process", "")
	}
	if p.tok.open == 0 { // ?x
		t := p.tok
		p.next()
		return &Str{At(t.pos), t.text}
	}
	return p.afterString(p.stringBody())
}

// stringBody reads the rest of the string that the present token opens, and
// leaves p.pos behind its end.
func (p *parser) stringBody() Node {
	t := p.tok
	if t.open == '`' {
		p.stringLiteral()
	}
	if t.open == 0 {
		return &Str{At(t.pos), t.text}
	}
	raw := t.open == '\'' || t.text == "q"
	return joinParts(At(t.pos), p.parts(t, raw, false))
}

func (p *parser) afterString(n Node) Node {
	p.state = stEnd
	p.next()
	for p.tok.kind == tString && p.tok.text == "" && p.tok.open != '`' {
		n = joinParts(At(n.Pos()), append(partsOf(n), partsOf(p.stringBody())...))
		p.state = stEnd
		p.next()
	}
	return n
}

func partsOf(n Node) []Node {
	if i, ok := n.(*Interp); ok {
		return i.Parts
	}
	return []Node{n}
}

// joinParts is a string of parts: a *Str when all of it is text.
func joinParts(at At, parts []Node) Node {
	out := parts[:0:0]
	for _, part := range parts {
		s, ok := part.(*Str)
		if ok && len(out) > 0 {
			if last, ok := out[len(out)-1].(*Str); ok {
				out[len(out)-1] = &Str{last.At, last.S + s.S}
				continue
			}
		}
		out = append(out, part)
	}
	switch len(out) {
	case 0:
		return &Str{at, ""}
	case 1:
		if s, ok := out[0].(*Str); ok {
			return &Str{at, s.S}
		}
	}
	return &Interp{at, out}
}

func symbolOf(at At, body Node) Node {
	if s, ok := body.(*Str); ok {
		return &Sym{at, s.S}
	}
	return &DSym{at, body}
}

func (p *parser) quotedSymbol() Node {
	t := p.tok
	raw := t.open == '\'' || t.text == "s"
	n := symbolOf(At(t.pos), joinParts(At(t.pos), p.parts(t, raw, false)))
	p.state = stEnd
	p.next()
	return n
}

func (p *parser) regexpLiteral() Node {
	t := p.tok
	re := &Regexp{At: At(t.pos)}
	re.Parts = partsOf(joinParts(re.At, p.parts(t, false, true)))
	start := p.pos
	for p.pos < len(p.src) && 'a' <= p.src[p.pos] && p.src[p.pos] <= 'z' {
		if strings.IndexByte("imxounse", p.src[p.pos]) < 0 {
			p.fail(p.pos, "unknown regexp option - "+p.src[p.pos:p.pos+1], "")
		}
		if strings.IndexByte("nse", p.src[p.pos]) >= 0 {
			p.fail(p.pos, "the regexp option "+p.src[p.pos:p.pos+1]+" (another encoding) is not supported", "leave it out")
		}
		p.pos++
	}
	re.Flags = p.src[start:p.pos]
	p.state = stEnd
	p.next()
	return re
}

// words reads %w[a b] and %i[a b].
func (p *parser) words() Node {
	t := p.tok
	arr := &Array{At: At(t.pos)}
	var word []byte
	inWord := false
	end := func() {
		if !inWord {
			return
		}
		var n Node = &Str{arr.At, string(word)}
		if t.text == "i" || t.text == "I" {
			n = &Sym{arr.At, string(word)}
		}
		arr.Elems, word, inWord = append(arr.Elems, n), nil, false
	}
	depth := 0
	for {
		if p.pos >= len(p.src) {
			p.fail(t.pos, "unterminated list meets end of file", "")
		}
		c := p.src[p.pos]
		switch {
		case c == '\\' && p.pos+1 < len(p.src):
			if t.text == "W" || t.text == "I" {
				p.fail(p.pos, "escapes in %"+t.text+" are not supported", "write an array of strings")
			}
			if n := p.src[p.pos+1]; !isSpace(n) && n != t.open && n != t.close && n != '\\' {
				word = append(word, '\\')
			}
			p.pos++
			word, inWord = append(word, p.src[p.pos]), true
		case c == '#' && p.byteAt(p.pos+1) == '{' && (t.text == "W" || t.text == "I"):
			p.fail(p.pos, "code in %"+t.text+" is not supported", "write an array of strings")
		case c == t.close && depth == 0:
			p.pos++
			end()
			p.state = stEnd
			p.next()
			return arr
		case isSpace(c):
			end()
		default:
			if c == t.open {
				depth++
			} else if c == t.close {
				depth--
			}
			word, inWord = append(word, c), true
		}
		p.pos++
	}
}

// parts reads text and code up to the closing delimiter.
func (p *parser) parts(t token, raw, regexp bool) []Node {
	p.enter()
	defer p.leave()
	var parts []Node
	var text []byte
	start, depth := p.pos, 0
	flush := func() {
		if len(text) > 0 {
			parts = append(parts, &Str{At(start), string(text)})
		}
		text, start = nil, p.pos
	}
	for {
		if p.pos >= len(p.src) {
			what := "string"
			if regexp {
				what = "regexp"
			}
			p.fail(t.pos, "unterminated "+what+" meets end of file", "")
		}
		c := p.src[p.pos]
		switch {
		case c == t.close && depth == 0:
			p.pos++
			if len(text) > 0 {
				parts = append(parts, &Str{t.at(), string(text)})
			}
			return parts
		case c == '\\':
			text = p.escape(text, t, raw, regexp)
			continue
		case c == '#' && !raw && p.byteAt(p.pos+1) == '{':
			flush()
			parts = append(parts, p.code())
			start = p.pos
			continue
		case c == '#' && !raw && (p.byteAt(p.pos+1) == '@' || p.byteAt(p.pos+1) == '$') && isIdentStart(p.byteAt(p.pos+2)):
			p.fail(p.pos, "variables in strings without braces are not supported", "write #{…}, or \\# for the sign itself")
		case c == t.close:
			depth--
		case c == t.open:
			depth++
		}
		text = append(text, c)
		p.pos++
	}
}

func (t token) at() At { return At(t.pos) }

// code reads #{…}; p.pos is at its #.
func (p *parser) code() Node {
	at := At(p.pos)
	tok, state := p.tok, p.state
	p.pos += 2
	p.state = stBeg
	p.next()
	n := p.nested(p.statements)
	if !p.isOp("}") {
		p.unexpected()
	}
	// p.pos is right behind the brace: the string goes on there.
	p.tok, p.state = tok, state
	if s, ok := n.(*Str); ok {
		return &Seq{At: at, List: []Node{s}} // keeps joinParts from taking it for the string's own text
	}
	return n
}

// escape reads a backslash and what it stands for.
func (p *parser) escape(text []byte, t token, raw, regexp bool) []byte {
	c := p.byteAt(p.pos + 1)
	if p.pos+1 >= len(p.src) {
		p.pos++
		return text
	}
	switch {
	case regexp:
		p.pos += 2
		if c == t.close && (c == '/' || strings.IndexByte(".*?+^$|()[]{}-", c) < 0) {
			return append(text, c)
		}
		return append(text, '\\', c)
	case raw:
		p.pos += 2
		if c != '\\' && c != t.close && c != t.open {
			text = append(text, '\\')
		}
		return append(text, c)
	}
	p.pos += 2
	switch c {
	case '\n':
		return text
	case 'u':
		return p.unicode(text)
	case 'x':
		v, n := p.base(16, 2)
		if n == 0 {
			p.fail(p.pos, "invalid hex escape", "")
		}
		return append(text, byte(v))
	case 'c', 'C', 'M':
		p.fail(p.pos-2, "control and meta escapes (\\"+string(c)+") are not supported", "write \\x and two hex digits")
	}
	if '0' <= c && c <= '7' {
		p.pos--
		v, _ := p.base(8, 3)
		return append(text, byte(v))
	}
	if e, ok := simpleEscapes[c]; ok {
		return append(text, e)
	}
	return append(text, c)
}

var simpleEscapes = map[byte]byte{'n': '\n', 't': '\t', 's': ' ', 'r': '\r', 'a': 7, 'b': 8, 'e': 27, 'f': '\f', 'v': '\v'}

// base reads up to most digits.
func (p *parser) base(radix, most int) (v, n int) {
	for n < most && p.pos < len(p.src) && digitValue(p.src[p.pos]) < radix {
		v = v*radix + digitValue(p.src[p.pos])
		p.pos++
		n++
	}
	return v, n
}

func (p *parser) unicode(text []byte) []byte {
	if p.byteAt(p.pos) != '{' {
		v, n := p.base(16, 4)
		if n < 4 {
			p.fail(p.pos, "invalid Unicode escape", "")
		}
		return p.rune(text, v)
	}
	p.pos++
	for {
		for p.pos < len(p.src) && isSpace(p.src[p.pos]) {
			p.pos++
		}
		if p.byteAt(p.pos) == '}' {
			p.pos++
			return text
		}
		v, n := p.base(16, 6)
		if n == 0 {
			p.fail(p.pos, "unterminated Unicode escape", "")
		}
		text = p.rune(text, v)
	}
}

func (p *parser) rune(text []byte, v int) []byte {
	if v > utf8.MaxRune || 0xd800 <= v && v < 0xe000 {
		p.fail(p.pos, "invalid Unicode codepoint", "")
	}
	return utf8.AppendRune(text, rune(v))
}
