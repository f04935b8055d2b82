package syntax

// ifExpr reads if/unless … elsif … else … end.
func (p *parser) ifExpr() Node {
	p.enter()
	defer p.leave()
	at, negate := At(p.tok.pos), p.isKw("unless")
	p.next()
	cond := p.nested(p.andOr)
	p.then()
	body := p.nested(p.statements)
	var other Node
	switch {
	case p.isKw("elsif") && !negate:
		other = p.ifExpr() // reads the one "end" of all
		return &If{at, cond, body, other}
	case p.acceptKw("else"):
		other = p.nested(p.statements)
	}
	p.expectKw("end")
	if negate {
		return &If{at, cond, other, body}
	}
	return &If{at, cond, body, other}
}

// then ends a condition: a line's end, then, or both.
func (p *parser) then() {
	if p.tok.kind != tNL && !p.isKw("then") {
		p.unexpected()
	}
	p.skipNL()
	p.acceptKw("then")
}

func (p *parser) caseExpr() Node {
	p.enter()
	defer p.leave()
	c := &Case{At: At(p.tok.pos)}
	p.next()
	if p.tok.kind != tNL && !p.isKw("when") {
		c.Subject = p.nested(p.andOr)
	}
	p.skipNL()
	if p.isKw("in") {
		p.fail(p.tok.pos, "pattern matching (case … in) is not supported", "use when")
	}
	for p.isKw("when") {
		p.next()
		var w When
		w.Tests = p.tests()
		p.then()
		w.Body = p.nested(p.statements)
		c.Whens = append(c.Whens, w)
	}
	if len(c.Whens) == 0 {
		p.unexpected()
	}
	if p.acceptKw("else") {
		c.Else = p.nested(p.statements)
	}
	p.expectKw("end")
	return c
}

func (p *parser) tests() []Node {
	var tests []Node
	for {
		p.skipNL()
		if p.isOp("*@") || p.isOp("*") {
			at := At(p.tok.pos)
			p.next()
			tests = append(tests, &Splat{at, p.ternary()})
		} else {
			tests = append(tests, p.ternary())
		}
		if !p.acceptOp(",") {
			return tests
		}
	}
}

// bodyWithRescue reads the inside of begin … end or do … end.
func (p *parser) bodyWithRescue() Node {
	b := &Begin{At: At(p.tok.pos)}
	b.Body = p.statements()
	for p.isKw("rescue") {
		b.Rescues = append(b.Rescues, p.rescue())
	}
	if len(b.Rescues) > 0 && p.acceptKw("else") {
		b.Else = p.statements()
	}
	if p.acceptKw("ensure") {
		b.Ensure = p.statements()
	}
	if len(b.Rescues) == 0 && b.Ensure == nil {
		return b.Body
	}
	return b
}

func (p *parser) rescue() Rescue {
	var r Rescue
	p.state = stBeg
	p.next()
	// A line's end right behind "rescue" is skipped by the lexer, so the class
	// list is what stands on the same line.
	if !p.tok.nl && p.tok.kind != tNL && !p.isKw("then") && !p.isOp("=>") {
		for {
			at := At(p.tok.pos)
			if p.isOp("*@") {
				p.next()
				r.Classes = append(r.Classes, &Splat{at, p.ternary()})
			} else {
				r.Classes = append(r.Classes, p.ternary())
			}
			if !p.acceptOp(",") {
				break
			}
		}
	}
	if p.isOp("=>") && !p.tok.nl {
		p.next()
		if p.tok.kind != tIdent {
			p.unexpected()
		}
		r.Var = p.variable(p.tok.pos, p.tok.text)
		p.state = stEnd
		p.next()
	}
	p.acceptThen()
	r.Body = p.statements()
	return r
}

func (p *parser) acceptThen() {
	p.skipNL()
	p.acceptKw("then")
}
