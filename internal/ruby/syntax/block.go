package syntax

// block reads { |x| … } or do |x| … end.
func (p *parser) block() *Block {
	p.enter()
	defer p.leave()
	b := &Block{At: At(p.tok.pos)}
	brace := p.isOp("{")
	p.openScope(b)
	p.next()
	if p.isOp("||") {
		p.scope.explicit = true
		p.next()
	} else if p.isOp("|") {
		p.scope.explicit = true
		p.next()
		b.Params = p.params("|")
		p.expectOp("|")
	}
	p.blockBody(b, brace)
	return b
}

func (p *parser) openScope(b *Block) {
	b.Scope = &Scope{Parent: p.scope}
	p.scope = b.Scope
}

// blockBody reads the statements and the end of a block.
func (p *parser) blockBody(b *Block, brace bool) {
	if brace {
		b.Body = p.nested(p.statements)
	} else {
		b.Body = p.nested(p.bodyWithRescue)
	}
	if b.Scope.Numbered > 0 {
		b.Params = p.numberedParams(b.Scope)
	}
	p.scope = b.Scope.Parent
	if brace {
		if !p.isOp("}") {
			p.unexpected()
		}
		p.next()
		return
	}
	p.expectKw("end")
}

// numberedParams are the parameters of a block that uses _1, _2 or it.
func (p *parser) numberedParams(s *Scope) Params {
	var ps Params
	one := func(name string) {
		slot := -1
		for i, n := range s.Names {
			if n == name {
				slot = i
			}
		}
		if slot < 0 {
			slot = s.declare(name)
		}
		ps.Req = append(ps.Req, Param{Var: &Var{Name: name, Scope: s, Slot: slot}})
	}
	for _, n := range s.Names {
		if n == "it" {
			one("it")
			return ps
		}
	}
	for i := 1; i <= s.Numbered; i++ {
		one("_" + string(rune('0'+i)))
	}
	return ps
}

// params reads a block's parameters up to a closing sign, which it leaves.
func (p *parser) params(closing string) Params {
	p.enter()
	defer p.leave()
	var ps Params
	for !p.isOp(closing) {
		if p.tok.kind == tNL && closing == "|" { // block-local variables
			p.blockLocals()
			break
		}
		p.param(&ps, closing)
		if p.tok.kind == tNL && closing == "|" {
			continue
		}
		if !p.acceptOp(",") {
			break
		}
		if p.isOp(closing) && closing == "|" && len(ps.Req) == 1 && !ps.HasRest {
			ps.HasRest, ps.Comma = true, true
		}
	}
	return ps
}

func (p *parser) blockLocals() {
	p.next()
	for p.tok.kind == tIdent {
		p.scope.declare(p.tok.text)
		p.next()
		if !p.acceptOp(",") {
			return
		}
	}
}

func (p *parser) param(ps *Params, closing string) {
	t := p.tok
	switch {
	case t.kind == tIdent:
		v := p.newParam()
		switch {
		case p.isOp("="):
			p.next()
			least := precRange
			if closing == "|" {
				least = precBitAnd // a | would end the list
			}
			ps.Opt = append(ps.Opt, Param{Var: v, Default: p.binary(least)})
		case ps.HasRest || len(ps.Opt) > 0:
			ps.Post = append(ps.Post, Param{Var: v})
		default:
			ps.Req = append(ps.Req, Param{Var: v})
		}
	case p.isOp("*") || p.isOp("*@"):
		if ps.HasRest {
			p.unexpected()
		}
		ps.HasRest = true
		p.next()
		if p.tok.kind == tIdent {
			ps.Rest = p.newParam()
		}
	case p.isOp("(") || p.isOp("(@"):
		p.next()
		sub := p.params(")")
		p.expectOp(")")
		one := Param{Sub: &sub}
		if ps.HasRest || len(ps.Opt) > 0 {
			ps.Post = append(ps.Post, one)
		} else {
			ps.Req = append(ps.Req, one)
		}
	case t.kind == tLabel || p.isOp("**") || p.isOp("**@"):
		p.fail(t.pos, "keyword parameters are not supported", "take plain parameters")
	case p.isOp("&") || p.isOp("&@"):
		p.fail(t.pos, "block parameters of blocks are not supported", "leave it out")
	default:
		p.unexpected()
	}
}

// newParam declares the variable that the present token names.
func (p *parser) newParam() *Var {
	t := p.tok
	v := &Var{At: At(t.pos), Name: t.text, Scope: p.scope, Slot: p.scope.declare(t.text)}
	p.state = stEnd
	p.next()
	return v
}

// lambda reads ->(x) { … }.
func (p *parser) lambda() Node {
	p.enter()
	defer p.leave()
	b := &Block{At: At(p.tok.pos), Lambda: true}
	p.openScope(b)
	p.next()
	switch {
	case p.isOp("(") || p.isOp("(@"):
		p.scope.explicit = true
		p.next()
		b.Params = p.params(")")
		p.expectOp(")")
	case p.tok.kind == tIdent || p.isOp("*") || p.isOp("*@"):
		p.scope.explicit = true
		b.Params = p.params("{")
	}
	brace := p.isOp("{")
	if !brace && !p.isKw("do") {
		p.unexpected()
	}
	p.state = stBeg
	p.next()
	p.blockBody(b, brace)
	return &Lambda{b.At, b}
}
