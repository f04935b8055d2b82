package syntax

import (
	"strconv"
	"strings"
)

// primary reads one value with the calls and indexes that follow it.
func (p *parser) primary() Node {
	p.enter()
	defer p.leave()
	return p.postfix(p.value())
}

func (p *parser) value() Node {
	t := p.tok
	switch t.kind {
	case tInt, tFloat:
		p.next()
		return p.numberNode(t, false)
	case tString:
		return p.stringLiteral()
	case tSymbol:
		p.next()
		return &Sym{At(t.pos), t.text}
	case tDSym:
		return p.quotedSymbol()
	case tRegexp:
		return p.regexpLiteral()
	case tWords:
		return p.words()
	case tGvar:
		p.next()
		return globalNode(t)
	case tIdent:
		return p.identifier()
	case tConst:
		return p.constant("")
	case tKeyword:
		return p.keyword()
	case tOp:
		return p.bracketed()
	}
	p.unexpected()
	return nil
}

func globalNode(t token) Node {
	if isDigit(t.text[0]) {
		n, err := strconv.Atoi(t.text)
		if err != nil {
			n = 1 << 30 // no expression has that many groups
		}
		return &NthRef{At(t.pos), n}
	}
	return &BackRef{At(t.pos), t.text[0]}
}

// bracketed reads what begins with a sign: arrays, hashes, parentheses, lambdas.
func (p *parser) bracketed() Node {
	at := At(p.tok.pos)
	switch p.tok.text {
	case "(", "(@":
		p.next()
		n := p.nested(p.statements)
		p.expectClose(")")
		return n
	case "[@", "[":
		p.next()
		arr := &Array{At: at}
		p.nested(func() Node { arr.Elems, _ = p.arguments("]", false); return nil })
		p.closeBracket("]")
		return arr
	case "{":
		return p.hash()
	case "->":
		return p.lambda()
	case "::@", "::":
		p.next()
		if p.tok.kind != tConst {
			p.unexpected()
		}
		return p.constant("")
	}
	p.unexpected()
	return nil
}

// nested reads within brackets, where "do" belongs to whoever stands there again.
func (p *parser) nested(read func() Node) Node {
	noDo := p.noDo
	p.noDo = 0
	n := read()
	p.noDo = noDo
	return n
}

func (p *parser) expectClose(text string) {
	p.skipNL()
	p.expectOp(text)
}

// closeBracket expects the end of a list; p.arguments has left blank lines.
func (p *parser) closeBracket(text string) { p.expectClose(text) }

func (p *parser) hash() Node {
	h := &Hash{At: At(p.tok.pos)}
	p.next()
	p.nested(func() Node {
		for {
			p.skipNL()
			if p.isOp("}") {
				return nil
			}
			h.Pairs = append(h.Pairs, p.pair())
			p.skipNL()
			if !p.acceptOp(",") {
				return nil
			}
		}
	})
	p.expectClose("}")
	return h
}

// pair reads k => v, k: v, "k": v or **h.
func (p *parser) pair() Pair {
	switch {
	case p.tok.kind == tLabel:
		key := &Sym{At(p.tok.pos), p.tok.text}
		p.next()
		return Pair{key, p.labelValue(key)}
	case p.isOp("**@") || p.isOp("**"):
		p.next()
		return Pair{nil, p.ternary()}
	case p.tok.kind == tString && p.tok.text == "":
		at := At(p.tok.pos)
		body := p.stringBody()
		if p.byteAt(p.pos) == ':' && p.byteAt(p.pos+1) != ':' {
			p.pos++
			p.state = stBeg
			p.next()
			return Pair{symbolOf(at, body), p.ternary()}
		}
		return p.rocket(p.continued(p.afterString(body)))
	}
	return p.rocket(p.ternary())
}

func (p *parser) rocket(key Node) Pair {
	p.skipNL()
	p.expectOp("=>")
	p.skipNL()
	return Pair{key, p.ternary()}
}

// labelValue reads the value after "name:"; without one it is that variable.
func (p *parser) labelValue(key *Sym) Node {
	if p.isOp(",") || p.isOp("}") || p.isOp(")") || p.isOp("]") || p.tok.kind == tEOF {
		return p.reference(int(key.At), key.Name)
	}
	return p.ternary()
}

// reference is the variable of that name, else a call.
func (p *parser) reference(pos int, name string) Node {
	if scope, depth, slot := p.scope.find(name); slot >= 0 {
		return &Var{At(pos), name, scope, depth, slot}
	}
	return &Call{At: At(pos), Name: name}
}

// continued goes on with an expression whose first value is read already.
func (p *parser) continued(first Node) Node {
	left := p.postfix(first)
	for p.tok.kind == tOp {
		op := p.tok.text
		prec, ok := binary[op]
		if !ok {
			break
		}
		at := At(p.tok.pos)
		p.next()
		left = p.operation(left, op, at, prec)
	}
	if p.isOp("?") {
		at := At(p.tok.pos)
		p.next()
		then := p.ternary()
		p.skipNL()
		p.expectOp(":")
		return &If{at, left, then, p.ternary()}
	}
	return left
}

// constant reads A::B::C; prefix is what was read of it.
func (p *parser) constant(prefix string) Node {
	t := p.tok
	p.next()
	name := prefix + t.text
	if p.isOp("(") && !p.tok.space || prefix == "" && p.startsArgument() {
		return p.callRest(&Call{At: At(t.pos), Name: t.text})
	}
	if p.isOp("::") && !p.tok.space && p.byteAt(p.pos) >= 'A' && p.byteAt(p.pos) <= 'Z' && !p.methodAfterColons() {
		p.next()
		n := p.constant(name + "::")
		if c, ok := n.(*Const); ok {
			c.At = At(t.pos)
		}
		return n
	}
	return &Const{At(t.pos), name}
}

// methodAfterColons tells A::B(…), a method call, from A::B.
func (p *parser) methodAfterColons() bool {
	i := p.pos
	for i < len(p.src) && isIdent(p.src[i]) {
		i++
	}
	return p.byteAt(i) == '('
}

func (p *parser) keyword() Node {
	t := p.tok
	at := At(t.pos)
	switch t.text {
	case "nil":
		p.next()
		return &Nil{at}
	case "true", "false":
		p.next()
		return &Bool{at, t.text == "true"}
	case "if", "unless":
		return p.ifExpr()
	case "case":
		return p.caseExpr()
	case "begin":
		p.next()
		n := p.nested(p.bodyWithRescue)
		p.expectKw("end")
		if p.isKw("while") || p.isKw("until") {
			p.refuseLoop()
		}
		return n
	case "break", "next", "return":
		return p.jump()
	case "not":
		return p.notExpr()
	case "defined?":
		return p.defined()
	case "while", "until", "for":
		p.refuseLoop()
	}
	p.refuseKeyword(t)
	return nil
}

func (p *parser) refuseKeyword(t token) {
	hint := ""
	switch t.text {
	case "def", "class", "module", "alias", "undef", "BEGIN", "END", "super", "yield":
		hint = "write the expression itself, or a lambda: ->(x) { … }"
	case "retry", "redo":
		hint = "leave it out"
	case "self", "__FILE__", "__LINE__", "__method__", "__dir__", "__ENCODING__":
		hint = "it has no meaning here"
	default:
		p.unexpected()
	}
	p.fail(t.pos, "`"+t.text+"' is not supported", hint)
}

func (p *parser) jump() Node {
	t := p.tok
	p.next()
	j := &Jump{At: At(t.pos), Kind: t.text}
	if p.endsValue() {
		return j
	}
	j.X = p.expr()
	if p.isOp(",") && p.stmt == t.pos {
		j.X = p.valueList(j.X)
	}
	return j
}

// endsValue tells whether no value can begin at the present token.
func (p *parser) endsValue() bool {
	switch p.tok.kind {
	case tEOF, tNL:
		return true
	case tKeyword:
		switch p.tok.text {
		case "if", "unless", "while", "until", "rescue", "and", "or", "end", "then", "do", "else", "elsif", "when", "ensure":
			return true
		}
	case tOp:
		return strings.Contains(") ] } : , ?", p.tok.text) || binary[p.tok.text] != 0
	}
	return false
}
