package syntax

import "strings"

// Precedences of binary operators, as Ruby has them; the higher the tighter.
const (
	precRange = iota + 1
	precOr
	precAnd
	precDefined
	precEqual
	precCompare
	precBitOr
	precBitAnd
	precShift
	precAdd
	precMul
	precUMinus
	precPow
	precUnary
)

var binary = map[string]int{
	"..": precRange, "...": precRange, "||": precOr, "&&": precAnd,
	"<=>": precEqual, "==": precEqual, "===": precEqual, "!=": precEqual, "=~": precEqual, "!~": precEqual,
	"<": precCompare, "<=": precCompare, ">": precCompare, ">=": precCompare,
	"|": precBitOr, "^": precBitOr, "&": precBitAnd, "<<": precShift, ">>": precShift,
	"+": precAdd, "-": precAdd, "*": precMul, "/": precMul, "%": precMul, "**": precPow,
}

var assignOps = map[string]string{
	"=": "", "+=": "+", "-=": "-", "*=": "*", "/=": "/", "%=": "%", "**=": "**", "||=": "||", "&&=": "&&",
	"&=": "&", "|=": "|", "^=": "^", "<<=": "<<", ">>=": ">>",
}

func (p *parser) ternary() Node {
	p.enter()
	defer p.leave()
	cond := p.binary(precRange)
	if !p.isOp("?") {
		return cond
	}
	at := At(p.tok.pos)
	p.next()
	then := p.ternary()
	p.skipNL()
	if p.tok.kind == tLabel {
		p.unexpected()
	}
	p.expectOp(":")
	return &If{at, cond, then, p.ternary()}
}

// binary reads operators of at least the given precedence.
func (p *parser) binary(least int) Node {
	p.enter()
	defer p.leave()
	var left Node
	if (p.isOp("..") || p.isOp("...")) && least <= precRange {
		at, excl := At(p.tok.pos), p.isOp("...")
		p.next()
		left = &Range{at, nil, p.binary(precOr), excl}
	} else {
		left = p.unary()
	}
	for p.tok.kind == tOp {
		op := p.tok.text
		prec, ok := binary[op]
		if !ok || prec < least {
			return left
		}
		at := At(p.tok.pos)
		p.next()
		left = p.operation(left, op, at, prec)
		if prec == precRange || prec == precEqual {
			if p.tok.kind == tOp && binary[p.tok.text] == prec {
				p.unexpected() // these do not associate
			}
		}
	}
	return left
}

func (p *parser) operation(left Node, op string, at At, prec int) Node {
	switch op {
	case "**":
		return &Call{At: at, Recv: left, Name: op, Args: []Node{p.binary(precPow)}}
	case "..", "...":
		var hi Node
		if !p.endsRange() {
			hi = p.binary(prec + 1)
		}
		return &Range{At(left.Pos()), left, hi, op == "..."}
	}
	right := p.binary(prec + 1)
	switch op {
	case "&&":
		return &And{at, left, right}
	case "||":
		return &Or{at, left, right}
	case "!=":
		return &Not{at, &Call{At: at, Recv: left, Name: "==", Args: []Node{right}}}
	case "!~":
		return &Not{at, &Call{At: at, Recv: left, Name: "=~", Args: []Node{right}}}
	}
	call := &Call{At: at, Recv: left, Name: op, Args: []Node{right}}
	if re, ok := left.(*Regexp); ok && op == "=~" {
		p.captures(call, re)
	}
	return call
}

// captures declares the variables of /(?<name>…)/ =~ text.
func (p *parser) captures(call *Call, re *Regexp) {
	if len(re.Parts) != 1 {
		return
	}
	s, ok := re.Parts[0].(*Str)
	if !ok {
		return
	}
	for rest := s.S; ; {
		_, after, found := strings.Cut(rest, "(?<")
		if !found {
			return
		}
		rest = after
		name, _, closed := strings.Cut(after, ">")
		if !closed || name == "" || !isIdentStart(name[0]) || name[0] < 'a' && name[0] != '_' || keywords[name] || !allIdent(name) {
			continue
		}
		call.Captures = append(call.Captures, p.variable(int(call.At), name))
	}
}

func allIdent(s string) bool {
	for i := range len(s) {
		if !isIdent(s[i]) {
			return false
		}
	}
	return true
}

// endsRange tells whether the present token leaves a range without end.
func (p *parser) endsRange() bool {
	switch p.tok.kind {
	case tEOF, tNL:
		return true
	case tKeyword:
		return p.tok.text == "then" || p.tok.text == "if" && p.tok.space
	case tOp:
		return p.tok.text == ")" || p.tok.text == "]" || p.tok.text == "}" || p.tok.text == ","
	}
	return false
}

func (p *parser) unary() Node {
	if p.tok.kind == tKeyword && p.tok.text == "defined?" {
		return p.defined()
	}
	if p.tok.kind != tOp {
		return p.operand()
	}
	at, op := At(p.tok.pos), p.tok.text
	switch op {
	case "!":
		p.next()
		return &Not{at, p.binary(precUnary)}
	case "-@":
		p.next()
		if (p.tok.kind == tInt || p.tok.kind == tFloat) && !p.tok.space {
			return p.negative(at)
		}
		return &Call{At: at, Recv: p.binary(precUMinus), Name: "-@"}
	case "+@", "~":
		p.next()
		if op == "+@" && (p.tok.kind == tInt || p.tok.kind == tFloat) && !p.tok.space {
			return p.operand()
		}
		return &Call{At: at, Recv: p.binary(precUnary), Name: op}
	case "&@":
		p.unexpected()
	}
	return p.operand()
}

// negative reads -2, which is a literal (-2.abs is 2), but -2 ** 2 is -4.
func (p *parser) negative(at At) Node {
	t := p.tok
	p.next()
	if p.isOp("**") {
		pow := &Call{At: At(p.tok.pos), Recv: p.numberNode(t, false), Name: "**"}
		p.next()
		pow.Args = []Node{p.binary(precPow)}
		return &Call{At: at, Recv: pow, Name: "-@"}
	}
	n := p.numberNode(t, true)
	return p.postfix(n)
}

func (p *parser) defined() Node {
	at := At(p.tok.pos)
	p.next()
	if p.isOp("(") || p.isOp("(@") {
		p.next()
		x := p.nested(p.statements)
		p.expectClose(")")
		return p.postfix(&Defined{at, x})
	}
	return &Defined{at, p.binary(precDefined)}
}

// operand reads a value, and the assignment to it if one follows. An assignment
// may stand to the right of any operator: a && b = c.
func (p *parser) operand() Node {
	n := p.primary()
	if p.tok.kind != tOp {
		return n
	}
	op, ok := assignOps[p.tok.text]
	if !ok {
		return n
	}
	return p.assign(n, op)
}

func assignable(n Node) bool {
	switch n := n.(type) {
	case *Var:
		return true
	case *Call:
		return n.Recv == nil && len(n.Args) == 0 && !n.Parens && n.Block == nil && n.BlockArg == nil || n.Name == "[]" && n.Recv != nil && !n.Safe
	}
	return false
}

// target turns what was read as a value into what can be assigned to.
func (p *parser) target(n Node) Node {
	if call, ok := n.(*Call); ok && call.Recv == nil {
		last := call.Name[len(call.Name)-1]
		if last == '?' || last == '!' {
			p.fail(call.Pos(), "cannot assign to "+call.Name, "")
		}
		return p.variable(call.Pos(), call.Name)
	}
	if v, ok := n.(*Var); ok {
		return p.variable(v.Pos(), v.Name)
	}
	return n
}

// variable is the variable of that name, declared when need be, as assigned to.
func (p *parser) variable(pos int, name string) *Var {
	scope, depth, slot := p.scope.find(name)
	if slot < 0 {
		scope, depth, slot = p.scope, 0, p.scope.declare(name)
	}
	if scope.Assigned != nil {
		scope.Assigned[slot] = true
	}
	return &Var{At(pos), name, scope, depth, slot}
}

func (p *parser) assign(left Node, op string) Node {
	p.enter()
	defer p.leave()
	if !assignable(left) {
		if c, ok := left.(*Const); ok {
			p.fail(left.Pos(), "constants cannot be defined ("+c.Name+")", "use a local variable in lower case")
		}
		if c, ok := left.(*Call); ok && c.Recv != nil && len(c.Args) == 0 {
			p.fail(p.tok.pos, "attributes cannot be assigned ("+c.Name+"=)", "")
		}
		p.unexpected()
	}
	at := At(p.tok.pos)
	first := left.Pos() == p.stmt || startsAt(left, p.stmt)
	left = p.target(left)
	p.next()
	p.skipNL()
	var value Node
	if p.isOp("*@") && op == "" {
		value = p.valueList(nil)
	} else {
		value = p.assigned()
		if p.isOp(",") && first && op == "" {
			value = p.valueList(value)
		}
	}
	return &Assign{at, left, op, value}
}

// startsAt tells whether the leftmost part of a value begins at an offset.
func startsAt(n Node, pos int) bool {
	for {
		c, ok := n.(*Call)
		if !ok || c.Recv == nil {
			return n.Pos() == pos
		}
		n = c.Recv
	}
}

// assigned is the right side of an assignment, to which a rescue modifier binds.
func (p *parser) assigned() Node {
	value := p.expr()
	if p.isKw("rescue") {
		at := At(p.tok.pos)
		p.next()
		return &Begin{At: at, Body: value, Rescues: []Rescue{{Body: p.expr()}}}
	}
	return value
}

// valueList reads the rest of "a, *b" on the right of an assignment.
func (p *parser) valueList(first Node) Node {
	arr := &Array{At: At(p.tok.pos)}
	if first != nil {
		arr.Elems = append(arr.Elems, first)
		p.next()
	}
	for {
		p.skipNL()
		if p.isOp("*@") {
			at := At(p.tok.pos)
			p.next()
			arr.Elems = append(arr.Elems, &Splat{at, p.ternary()})
		} else {
			arr.Elems = append(arr.Elems, p.ternary())
		}
		if !p.acceptOp(",") {
			return arr
		}
	}
}

// multiAssign reads a, *b = …; first is the target that is read already.
func (p *parser) multiAssign(first Node) Node {
	m := &MultiAssign{At: At(p.stmt)}
	splat := false
	add := func(n Node) {
		if !assignable(n) {
			p.unexpected()
		}
		m.Targets = append(m.Targets, p.target(n))
	}
	if first != nil {
		add(first)
		p.next()
	}
	for !p.isOp("=") {
		if p.isOp("*@") || p.isOp("*") {
			if splat {
				p.unexpected()
			}
			splat = true
			at := At(p.tok.pos)
			p.next()
			if p.isOp("=") || p.isOp(",") {
				m.Targets = append(m.Targets, &Splat{at, nil})
			} else {
				n := p.primary()
				if !assignable(n) {
					p.unexpected()
				}
				m.Targets = append(m.Targets, &Splat{at, p.target(n)})
			}
		} else if p.isOp("(@") || p.isOp("(") {
			p.fail(p.tok.pos, "nested lists on the left of = are not supported", "assign in two steps")
		} else {
			add(p.primary())
		}
		if !p.acceptOp(",") {
			break
		}
	}
	if p.isOp("=") {
		p.next()
		p.skipNL()
		if p.isOp("*@") {
			m.Value = p.valueList(nil)
			return m
		}
		m.Value = p.assigned()
		if p.isOp(",") {
			m.Value = p.valueList(m.Value)
		}
		return m
	}
	p.unexpected()
	return nil
}
