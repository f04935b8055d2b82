package syntax

import (
	"strings"
	"unicode/utf8"
)

type kind uint8

const (
	tEOF kind = iota
	tNL       // end of a statement: a line's end or ;
	tInt
	tFloat
	tIdent
	tConst
	tKeyword
	tLabel // "name:" of a pair
	tOp
	tString // opening of a string; the parser reads the rest
	tSymbol
	tDSym
	tRegexp
	tWords // %w %i and so on
	tGvar
)

// token is one token; text is the operator, the name, or the literal's text.
// For openings, open and close are the delimiters.
type token struct {
	kind        kind
	text        string
	pos         int
	space       bool // white space before it
	nl          bool // a line's end before it
	open, close byte
}

// state is what the token before allows next.
type state uint8

const (
	stBeg   state = iota // a value begins
	stEnd                // a value has just ended
	stArg                // a method name: an operator or an argument may follow
	stDot                // after a dot: a method name, whatever it looks like
	stTernQ              // as stBeg, but "name:" is no label
	stMid                // as stBeg, but a line's end ends the statement: after return and its like
)

var keywords = map[string]bool{
	"if": true, "elsif": true, "else": true, "unless": true, "end": true, "then": true, "case": true, "when": true,
	"begin": true, "rescue": true, "ensure": true, "and": true, "or": true, "not": true, "nil": true, "true": true,
	"false": true, "do": true, "while": true, "until": true, "for": true, "in": true, "def": true, "class": true,
	"module": true, "return": true, "break": true, "next": true, "redo": true, "retry": true, "yield": true,
	"super": true, "self": true, "alias": true, "undef": true, "defined?": true, "BEGIN": true, "END": true,
	"__FILE__": true, "__LINE__": true, "__method__": true, "__ENCODING__": true, "__dir__": true,
}

// valueKeywords end a value, so an operator may follow.
var valueKeywords = map[string]bool{"nil": true, "true": true, "false": true, "self": true, "end": true}

// operators, longest first for each beginning.
var operators = []string{
	"**=", "<=>", "===", "...", "<<=", ">>=", "&&=", "||=",
	"**", "==", "=~", "=>", "!=", "!~", "<=", "<<", ">=", ">>", "&&", "&.", "||", "..", "::", "->",
	"+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=",
	"+", "-", "*", "/", "%", "=", "<", ">", "!", "&", "|", "^", "~", "?", ":", ",", ".", "(", ")", "[", "]", "{", "}",
}

func isIdentStart(c byte) bool {
	return c == '_' || c >= utf8.RuneSelf || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isIdent(c byte) bool { return isIdentStart(c) || isDigit(c) }

func isSpace(c byte) bool {
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'
}

// byteAt is the byte at an offset, 0 past the end.
func (p *parser) byteAt(i int) byte {
	if i < 0 || i >= len(p.src) {
		return 0
	}
	return p.src[i]
}

// next moves to the following token.
func (p *parser) next() {
	p.tok = p.lex()
	p.state = p.after(p.tok)
}

// after is the state that a token leaves.
func (p *parser) after(t token) state {
	switch t.kind {
	case tInt, tFloat, tString, tSymbol, tDSym, tRegexp, tWords, tGvar:
		return stEnd
	case tConst:
		return stArg
	case tIdent:
		if p.state != stDot && p.isVar(t.text) {
			return stEnd
		}
		return stArg
	case tKeyword:
		switch {
		case valueKeywords[t.text]:
			return stEnd
		case t.text == "defined?":
			return stArg
		case t.text == "return" || t.text == "break" || t.text == "next":
			return stMid
		}
		return stBeg
	case tOp:
		switch t.text {
		case ")", "]", "}":
			return stEnd
		case ".", "&.":
			return stDot
		case "::", "::@":
			return stDot
		case "?":
			return stTernQ
		}
	}
	return stBeg
}

// blanks skips white space and comments; line ends too where nothing can end
// there. It says whether it skipped any, and whether a statement ended.
func (p *parser) blanks() (space, nl, end bool) {
	for p.pos < len(p.src) {
		switch c := p.src[p.pos]; {
		case c == '\n':
			nl = true
			if p.state == stEnd || p.state == stArg || p.state == stMid {
				if p.state == stMid || !p.dotFollows() {
					return space, nl, true
				}
			}
			p.pos++
		case isSpace(c):
			p.pos++
		case c == '\\' && p.byteAt(p.pos+1) == '\n':
			p.pos += 2
		case c == '#':
			if i := strings.IndexByte(p.src[p.pos:], '\n'); i >= 0 {
				p.pos += i
			} else {
				p.pos = len(p.src)
			}
		default:
			return space, nl, false
		}
		space = true
	}
	return space, nl, false
}

// dotFollows tells whether the next line goes on with a method call.
func (p *parser) dotFollows() bool {
	rest := strings.TrimLeft(p.src[p.pos:], " \t\r\n\f\v")
	return strings.HasPrefix(rest, "&.") || strings.HasPrefix(rest, ".") && !strings.HasPrefix(rest, "..")
}

func (p *parser) lex() token {
	space, nl, end := p.blanks()
	t := token{pos: p.pos, space: space, nl: nl}
	if end {
		p.pos++
		t.kind = tNL
		return t
	}
	if p.pos >= len(p.src) {
		return t
	}
	switch c := p.src[p.pos]; {
	case c == ';':
		p.pos++
		t.kind = tNL
	case isDigit(c):
		p.number(&t)
	case isIdentStart(c):
		p.word(&t)
	case c == '"' || c == '\'' || c == '`':
		p.pos++
		t.kind, t.open, t.close = tString, c, c
	case c == '@':
		p.fail(p.pos, "instance variables (@…) are not supported", "use record or a local variable")
	case c == '$':
		p.global(&t)
	default:
		p.sign(&t)
	}
	return t
}

// word reads a name, keyword or label.
func (p *parser) word(t *token) {
	start := p.pos
	for p.pos < len(p.src) && isIdent(p.src[p.pos]) {
		p.pos++
	}
	if c := p.byteAt(p.pos); c == '?' || c == '!' {
		n := p.byteAt(p.pos + 1)
		if n != '=' || p.byteAt(p.pos+2) == '=' || p.byteAt(p.pos+2) == '~' || p.byteAt(p.pos+2) == '>' {
			// "x ?a : b" never comes here: its ? has a blank before it.
			p.pos++
		}
	}
	t.text = p.src[start:p.pos]
	if p.state != stDot && p.state != stTernQ && p.byteAt(p.pos) == ':' && p.byteAt(p.pos+1) != ':' && p.state != stEnd {
		if last := t.text[len(t.text)-1]; last != '?' || isSpace(p.byteAt(p.pos+1)) {
			p.pos++
			t.kind = tLabel
			return
		}
	}
	switch {
	case p.state != stDot && keywords[t.text]:
		t.kind = tKeyword
	case 'A' <= t.text[0] && t.text[0] <= 'Z':
		t.kind = tConst
	default:
		t.kind = tIdent
	}
}

func (p *parser) global(t *token) {
	c := p.byteAt(p.pos + 1)
	switch {
	case isDigit(c) && c != '0':
		end := p.pos + 1
		for end < len(p.src) && isDigit(p.src[end]) {
			end++
		}
		t.text = p.src[p.pos+1 : end]
		p.pos = end
	case c != 0 && strings.IndexByte("~&`'+!", c) >= 0:
		t.text = string(c)
		p.pos += 2
	default:
		end := p.pos + 1
		for end < len(p.src) && isIdent(p.src[end]) {
			end++
		}
		if end == p.pos+1 && end < len(p.src) {
			end++
		}
		p.fail(p.pos, "the global variable "+p.src[p.pos:end]+" is not supported", "")
	}
	t.kind = tGvar
}
