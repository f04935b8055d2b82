package syntax

import "strings"

// identifier reads a variable, or a call on self.
func (p *parser) identifier() Node {
	t := p.tok
	scope, depth, slot := p.scope.find(t.text)
	p.next()
	paren := p.isOp("(") && !p.tok.space
	if slot >= 0 && !paren {
		return &Var{At(t.pos), t.text, scope, depth, slot}
	}
	if v := p.implicit(t, paren); v != nil {
		return v
	}
	return p.callRest(&Call{At: At(t.pos), Name: t.text})
}

// implicit is a block's parameter that has no declaration: _1 or it.
func (p *parser) implicit(t token, paren bool) Node {
	numbered := len(t.text) == 2 && t.text[0] == '_' && '1' <= t.text[1] && t.text[1] <= '9'
	if paren || !numbered && (t.text != "it" || p.startsArgument()) || p.scope.explicit {
		return nil
	}
	n := 1
	if numbered {
		n = int(t.text[1] - '0')
	}
	p.scope.Numbered = max(p.scope.Numbered, n)
	scope, depth, slot := p.scope.find(t.text)
	if slot < 0 {
		scope, depth, slot = p.scope, 0, p.scope.declare(t.text)
	}
	return &Var{At(t.pos), t.text, scope, depth, slot}
}

// postfix reads the calls and indexes behind a value.
func (p *parser) postfix(n Node) Node {
	for hops := 0; p.tok.kind == tOp; hops++ {
		if hops > maxDepth {
			p.fail(p.tok.pos, "the expression is nested too deeply", "")
		}
		switch p.tok.text {
		case ".", "&.":
			n = p.method(n)
		case "::":
			if p.tok.space {
				return n
			}
			n = p.method(n)
		case "[":
			if p.tok.space && p.tok.nl {
				return n
			}
			call := &Call{At: At(p.tok.pos), Recv: n, Name: "[]"}
			p.next()
			p.nested(func() Node { call.Args, call.BlockArg = p.arguments("]", true); return nil })
			p.expectClose("]")
			n = call
		default:
			return n
		}
	}
	return n
}

// method reads what follows a dot.
func (p *parser) method(recv Node) Node {
	call := &Call{Recv: recv, Safe: p.isOp("&.")}
	p.next()
	t := p.tok
	call.At, call.Name = At(t.pos), t.text
	switch t.kind {
	case tIdent, tConst:
		p.next()
	case tOp:
		if t.text == "(" {
			call.Name = "call"
			return p.callRest(call)
		}
		op := t.plain()
		if binary[op] == 0 && op != "!" && op != "~" || strings.HasPrefix(op, ".") || op == "&&" || op == "||" {
			if op == "[" {
				p.fail(t.pos, "calling .[] by name is not supported", "write x[…]")
			}
			p.unexpected()
		}
		call.Name = op
		p.state = stArg
		p.next()
	default:
		p.unexpected()
	}
	return p.callRest(call)
}

// callRest reads the arguments and block of a call whose name is read.
func (p *parser) callRest(call *Call) Node {
	switch {
	case p.isOp("(") && !p.tok.space:
		call.Parens = true
		p.next()
		p.nested(func() Node { call.Args, call.BlockArg = p.arguments(")", true); return nil })
		p.expectClose(")")
	case p.startsArgument():
		p.noDo++
		call.Args, call.BlockArg = p.arguments("", true)
		p.noDo--
	}
	if p.isOp("{") && !p.tok.nl {
		p.setBlock(call)
	} else if p.isKw("do") && p.noDo == 0 {
		p.setBlock(call)
	}
	return call
}

func (p *parser) setBlock(call *Call) {
	if call.BlockArg != nil {
		p.fail(p.tok.pos, "both block arg and actual block given", "")
	}
	call.Block = p.block()
}

// startsArgument tells whether a call without parentheses has arguments here.
func (p *parser) startsArgument() bool {
	t := p.tok
	if !t.space || t.nl {
		return false
	}
	switch t.kind {
	case tInt, tFloat, tIdent, tConst, tString, tSymbol, tDSym, tRegexp, tWords, tGvar, tLabel:
		return true
	case tKeyword:
		switch t.text {
		case "nil", "true", "false", "not", "defined?", "case", "begin", "self", "__FILE__", "__LINE__", "__method__":
			return true
		}
	case tOp:
		switch t.text {
		case "-@", "+@", "*@", "&@", "**@", "[@", "(@", "::@", "->", "~":
			return true
		case "!":
			return !isSpace(p.byteAt(p.pos))
		}
	}
	return false
}

// arguments reads a list up to the closing bracket, or, when there is none, up
// to the end of the call. Pairs at the end become one Hash.
func (p *parser) arguments(closing string, blocks bool) (args []Node, block Node) {
	var pairs *Hash
	for {
		if closing != "" {
			p.skipNL()
			if p.isOp(closing) {
				break
			}
		}
		at := At(p.tok.pos)
		switch {
		case p.isOp("&@") || p.isOp("&"):
			if !blocks {
				p.unexpected()
			}
			p.next()
			block = p.ternary()
		case p.isOp("*@") || p.isOp("*"):
			p.next()
			args = append(args, &Splat{at, p.ternary()})
		case p.isOp("**@") || p.isOp("**") || p.tok.kind == tLabel:
			pairs, args = addPair(pairs, args, p.pair(), at)
		default:
			p.argument(&args, &pairs)
		}
		if closing != "" {
			p.skipNL()
		}
		if !p.isOp(",") {
			break
		}
		p.next()
		if block != nil {
			p.unexpected()
		}
	}
	return args, block
}

func (p *parser) argument(args *[]Node, pairs **Hash) {
	at := At(p.tok.pos)
	var n Node
	if p.tok.kind == tString && p.tok.text == "" {
		body := p.stringBody()
		if p.byteAt(p.pos) == ':' && p.byteAt(p.pos+1) != ':' {
			p.pos++
			p.state = stBeg
			p.next()
			*pairs, *args = addPair(*pairs, *args, Pair{symbolOf(at, body), p.ternary()}, at)
			return
		}
		n = p.continued(p.afterString(body))
	} else if p.isKw("not") {
		n = p.notExpr()
	} else {
		n = p.ternary()
	}
	if p.isOp("=>") {
		p.next()
		p.skipNL()
		*pairs, *args = addPair(*pairs, *args, Pair{n, p.ternary()}, at)
		return
	}
	if *pairs != nil {
		p.fail(int(at), "syntax error, an argument after keywords", "")
	}
	*args = append(*args, n)
}

func addPair(pairs *Hash, args []Node, pair Pair, at At) (*Hash, []Node) {
	if pairs == nil {
		pairs = &Hash{At: at, Braceless: true}
		args = append(args, pairs)
	}
	pairs.Pairs = append(pairs.Pairs, pair)
	return pairs, args
}
