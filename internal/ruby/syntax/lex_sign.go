package syntax

import (
	"strings"
	"unicode/utf8"
)

// sign reads an operator or the opening of a literal that looks like one.
func (p *parser) sign(t *token) {
	c := p.src[p.pos]
	following := p.byteAt(p.pos + 1)
	beg := p.state == stBeg || p.state == stTernQ || p.state == stMid
	// In "foo -1" and "foo [1]" the sign opens an argument; in "foo - 1" it does not.
	opens := beg || p.state == stArg && t.space && !isSpace(following) && following != 0
	switch {
	case p.state == stDot:
	case c == ':' && p.colon(t, opens):
		return
	case c == '?' && p.character(t):
		return
	case c == '/' && opens && (beg || following != '='):
		p.pos++
		t.kind, t.open, t.close = tRegexp, '/', '/'
		return
	case c == '%' && opens && (beg || following != '=') && p.percent(t):
		return
	case c == '<' && following == '<' && opens && p.heredoc():
		p.fail(p.pos, "heredocs are not supported", "write a quoted string")
	}
	t.kind = tOp
	for _, op := range operators {
		if strings.HasPrefix(p.src[p.pos:], op) {
			t.text = op
			break
		}
	}
	if beg && t.text[:min(len(t.text), 1)] == "!" {
		t.text = "!" // no operator can stand here: !~x is !(~x)
	}
	if t.text == "" {
		p.fail(p.pos, "unexpected character "+quoteRune(p.src[p.pos:]), "")
	}
	p.pos += len(t.text)
	if after := p.byteAt(p.pos); !beg && (isSpace(after) || after == 0) {
		opens = false // a sign of two characters with a blank behind it
	}
	if !opens || p.state == stDot {
		return
	}
	switch t.text {
	case "-", "+", "*", "&", "**", "[", "::":
		t.text += "@" // opens a value
	case "(":
		if p.state == stArg {
			t.text = "(@"
		}
	}
}

// colon reads what begins with ":" where a symbol may stand.
func (p *parser) colon(t *token, opens bool) bool {
	c := p.byteAt(p.pos + 1)
	if c == ':' || p.state == stEnd || !opens && p.state == stArg {
		return false
	}
	switch {
	case c == '"' || c == '\'':
		p.pos += 2
		t.kind, t.open, t.close = tDSym, c, c
	case isIdentStart(c):
		end := p.pos + 1
		for end < len(p.src) && isIdent(p.src[end]) {
			end++
		}
		if n := p.byteAt(end); (n == '?' || n == '!' || n == '=') && p.byteAt(end+1) != '=' && p.byteAt(end+1) != '~' && p.byteAt(end+1) != '>' {
			end++
		}
		t.kind, t.text = tSymbol, p.src[p.pos+1:end]
		p.pos = end
	default:
		for _, op := range symbolOperators {
			if strings.HasPrefix(p.src[p.pos+1:], op) {
				t.kind, t.text = tSymbol, op
				p.pos += 1 + len(op)
				return true
			}
		}
		return false
	}
	return true
}

var symbolOperators = []string{
	"[]=", "[]", "<=>", "===", "==", "=~", "!=", "!~", "**", "+@", "-@", "<<", ">>", "<=", ">=",
	"+", "-", "*", "/", "%", "<", ">", "!", "&", "|", "^", "~",
}

// character reads ?x, a string of one character.
func (p *parser) character(t *token) bool {
	if p.state == stEnd || p.pos+1 >= len(p.src) || isSpace(p.src[p.pos+1]) || p.src[p.pos+1] == '\\' {
		return false
	}
	_, n := utf8.DecodeRuneInString(p.src[p.pos+1:])
	end := p.pos + 1 + n
	if isIdent(p.src[p.pos+1]) && end < len(p.src) && isIdent(p.src[end]) {
		return false
	}
	t.kind, t.text = tString, p.src[p.pos+1:end]
	p.pos = end
	return true
}

// percent reads the opening of %w[…] and its like.
func (p *parser) percent(t *token) bool {
	typ, at := byte('Q'), p.pos+1
	if c := p.byteAt(at); 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' {
		typ = c
		at++
	}
	open := p.byteAt(at)
	if open == 0 || isIdent(open) || isSpace(open) || p.state == stArg && open == '=' {
		return false
	}
	switch typ {
	case 'Q', 'q':
		t.kind = tString
	case 'w', 'W', 'i', 'I':
		t.kind = tWords
	case 'r':
		t.kind = tRegexp
	case 's':
		t.kind = tDSym
	case 'x':
		p.fail(p.pos, "commands (%x, backticks) are refused: nothing here may start a process", "")
	default:
		return false
	}
	t.text = string(typ)
	t.open, t.close = open, open
	if i := strings.IndexByte("([{<", open); i >= 0 {
		t.close = ")]}>"[i]
	}
	p.pos = at + 1
	return true
}

func (p *parser) heredoc() bool {
	at := p.pos + 2
	if c := p.byteAt(at); c == '~' || c == '-' {
		at++
	} else if p.state == stBeg && c != '"' && c != '\'' && (c < 'A' || c > 'Z') {
		return false
	}
	c := p.byteAt(at)
	return c == '"' || c == '\'' || isIdentStart(c)
}

func quoteRune(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if r == utf8.RuneError {
		return "\\x" + strings.ToUpper(string("0123456789abcdef"[s[0]>>4])+string("0123456789abcdef"[s[0]&15]))
	}
	return "`" + s[:n] + "'"
}
