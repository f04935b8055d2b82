package syntax

import "fmt"

// maxDepth bounds how deeply expressions may lie within one another.
const maxDepth = 200

// parser reads statements; the grammar is spread over the files of this folder
// by what it reads: expr.go operators, primary.go values, call.go calls and
// arguments, control.go if, case and begin, block.go blocks, str.go strings.
type parser struct {
	src   string
	pos   int // where the token after tok begins
	tok   token
	state state
	scope *Scope
	depth int
	noDo  int // within the arguments of a command call, whose block "do" is
	stmt  int // where the present statement began
}

// Parse reads a program whose variables vars are set from outside; they have the
// first slots of the scope that is returned. The error is an *Error.
func Parse(src string, vars []string) (n Node, scope *Scope, err error) {
	p := &parser{src: src, scope: &Scope{Assigned: map[int]bool{}, Names: append([]string(nil), vars...), explicit: true}}
	scope = p.scope
	defer func() {
		// Only fail panics with *Error; anything else is a fault of ours.
		if r := recover(); r != nil {
			e, ok := r.(*Error)
			if !ok {
				panic(r)
			}
			err = e
		}
	}()
	p.next()
	n = p.statements()
	if p.tok.kind != tEOF {
		p.unexpected()
	}
	return n, scope, nil
}

func (p *parser) fail(off int, msg, hint string) {
	panic(&Error{Off: off, Msg: msg, Hint: hint})
}

func (p *parser) unexpected() {
	switch p.tok.kind {
	case tEOF:
		p.fail(p.tok.pos, "syntax error, unexpected end-of-input", "")
	case tNL:
		p.fail(p.tok.pos, "syntax error, unexpected end of statement", "")
	case tString, tDSym, tWords, tRegexp:
		p.fail(p.tok.pos, "syntax error, unexpected literal", "")
	}
	p.fail(p.tok.pos, fmt.Sprintf("syntax error, unexpected `%s'", p.tok.plain()), "")
}

// plain is the token as it was written.
func (t token) plain() string {
	if n := len(t.text); t.kind == tOp && n > 1 && t.text[n-1] == '@' {
		return t.text[:n-1]
	}
	return t.text
}

func (p *parser) enter() {
	if p.depth++; p.depth > maxDepth {
		p.fail(p.tok.pos, "the expression is nested too deeply", "")
	}
}
func (p *parser) leave() { p.depth-- }

func (p *parser) isOp(text string) bool { return p.tok.kind == tOp && p.tok.text == text }
func (p *parser) isKw(text string) bool { return p.tok.kind == tKeyword && p.tok.text == text }

func (p *parser) acceptOp(text string) bool {
	if !p.isOp(text) {
		return false
	}
	p.next()
	return true
}

func (p *parser) acceptKw(text string) bool {
	if !p.isKw(text) {
		return false
	}
	p.next()
	return true
}

func (p *parser) expectOp(text string) {
	if !p.acceptOp(text) {
		p.unexpected()
	}
}

func (p *parser) expectKw(text string) {
	if !p.acceptKw(text) {
		p.unexpected()
	}
}

func (p *parser) skipNL() {
	for p.tok.kind == tNL {
		p.next()
	}
}

func (p *parser) isVar(name string) bool {
	_, _, slot := p.scope.find(name)
	return slot >= 0
}

// statements reads up to something that cannot begin a statement.
func (p *parser) statements() Node {
	seq := &Seq{At: At(p.tok.pos)}
	for {
		p.skipNL()
		if p.endsStatements() {
			break
		}
		seq.List = append(seq.List, p.statement())
		if p.tok.kind != tNL {
			break
		}
	}
	switch len(seq.List) {
	case 0:
		return &Nil{seq.At}
	case 1:
		return seq.List[0]
	}
	return seq
}

func (p *parser) endsStatements() bool {
	switch p.tok.kind {
	case tEOF:
		return true
	case tOp:
		return p.tok.text == ")" || p.tok.text == "}" || p.tok.text == "]"
	case tKeyword:
		switch p.tok.text {
		case "end", "else", "elsif", "when", "rescue", "ensure", "in":
			return true
		}
	}
	return false
}

// statement reads one statement with its modifiers.
func (p *parser) statement() Node {
	p.enter()
	defer p.leave()
	outer := p.stmt
	p.stmt = p.tok.pos
	n := p.andOr()
	for p.tok.kind == tKeyword {
		at := At(p.tok.pos)
		switch p.tok.text {
		case "if":
			p.next()
			n = &If{at, p.andOr(), n, nil}
		case "unless":
			p.next()
			n = &If{at, p.andOr(), nil, n}
		case "rescue":
			p.next()
			p.stmt = p.tok.pos // a, b = … may stand here
			n = &Begin{At: at, Body: n, Rescues: []Rescue{{Body: p.andOr()}}}
		case "while", "until":
			p.refuseLoop()
		default:
			p.stmt = outer
			return n
		}
	}
	p.stmt = outer
	return n
}

func (p *parser) refuseLoop() {
	p.fail(p.tok.pos, "loops with `"+p.tok.text+"' are not supported", "use each, map, times or upto")
}

func (p *parser) andOr() Node {
	n := p.notExpr()
	for p.isKw("and") || p.isKw("or") {
		at, and := At(p.tok.pos), p.isKw("and")
		p.next()
		right := p.notExpr()
		if and {
			n = &And{at, n, right}
		} else {
			n = &Or{at, n, right}
		}
	}
	return n
}

func (p *parser) notExpr() Node {
	if p.isKw("not") {
		p.enter()
		defer p.leave()
		at := At(p.tok.pos)
		p.next()
		return &Not{at, p.notExpr()}
	}
	if p.isOp("*@") && p.tok.pos == p.stmt {
		return p.multiAssign(nil)
	}
	first := p.tok.pos
	n := p.expr()
	if p.isOp(",") && first == p.stmt && assignable(n) {
		return p.multiAssign(n)
	}
	return n
}

// expr reads an expression without and, or, not, and modifiers.
func (p *parser) expr() Node { return p.ternary() }
