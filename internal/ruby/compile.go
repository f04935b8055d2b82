package ruby

import (
	"fmt"
	"math/big"

	"github.com/sluicelog/sluice/internal/ruby/syntax"
)

// compiler turns a tree into closures, and refuses what the subset lacks.
type compiler struct {
	root   *syntax.Scope
	inputs int // the first slots of root are variables set from outside
	uses   map[string]bool
	block  *blockState // the block that is being compiled, nil outside
}

// blockState is what is learned about a block while its body is compiled.
type blockState struct {
	outer   *blockState
	lambda  bool
	nexts   bool
	breaks  bool
	capture bool
}

func compileProgram(tree syntax.Node, scope *syntax.Scope, vars []string) (p *Program, err *syntax.Error) {
	c := &compiler{root: scope, inputs: len(vars), uses: map[string]bool{}}
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(*syntax.Error)
			if !ok {
				panic(r)
			}
			err = e
		}
	}()
	p = &Program{run: c.compile(tree), slots: len(scope.Names), uses: c.uses}
	for slot, name := range vars {
		if scope.Assigned[slot] {
			if p.inputs == nil {
				p.inputs = make([]func(*Env) Value, len(vars))
			}
			p.inputs[slot] = variables[name]
		}
	}
	return p, nil
}

func (c *compiler) fail(n syntax.Node, hint, format string, args ...any) {
	panic(&syntax.Error{Off: n.Pos(), Msg: fmt.Sprintf(format, args...), Hint: hint})
}

func (c *compiler) compile(n syntax.Node) code {
	switch n := n.(type) {
	case nil, *syntax.Nil:
		return func(*Env) Value { return nil }
	case *syntax.Bool:
		return constant(n.Val)
	case *syntax.Int:
		return constant(intOf(n.Val))
	case *syntax.Float:
		return constant(n.Val)
	case *syntax.Str:
		s, enc := n.S, utf8Enc
		return func(m *Env) Value { return m.strEnc(s, enc) }
	case *syntax.Interp:
		return c.interp(n.Parts)
	case *syntax.Sym:
		return constant(Sym(n.Name))
	case *syntax.DSym:
		name := c.compile(n.Name)
		return func(m *Env) Value { return Sym(name(m).(*Str).s) }
	case *syntax.Regexp:
		return c.regexp(n)
	case *syntax.Array:
		return c.array(n)
	case *syntax.Hash:
		return c.hash(n)
	case *syntax.Range:
		lo, hi, excl := c.compile(n.Lo), c.compile(n.Hi), n.Excl
		return func(m *Env) Value { return m.newRange(lo(m), hi(m), excl) }
	case *syntax.Const:
		return c.constant(n)
	}
	return c.compileMore(n)
}

func (c *compiler) compileMore(n syntax.Node) code {
	switch n := n.(type) {
	case *syntax.Var:
		return c.variable(n)
	case *syntax.NthRef:
		i := n.N
		return func(m *Env) Value { return m.matchGroup(i) }
	case *syntax.BackRef:
		return c.backRef(n)
	case *syntax.Seq:
		return c.seq(n.List)
	case *syntax.If:
		return c.ifElse(n)
	case *syntax.Case:
		return c.caseWhen(n)
	case *syntax.Begin:
		return c.begin(n)
	case *syntax.And:
		return c.and(c.condition(n.L), c.compile(n.R))
	case *syntax.Or:
		return c.or(c.condition(n.L), c.compile(n.R))
	case *syntax.Not:
		x := c.condition(n.X)
		return func(m *Env) Value { return !truthy(x(m)) }
	case *syntax.Defined:
		return c.defined(n.X)
	case *syntax.Assign:
		return c.assign(n)
	case *syntax.MultiAssign:
		return c.multiAssign(n)
	case *syntax.Call:
		return c.call(n)
	case *syntax.Lambda:
		return c.lambda(n)
	case *syntax.Jump:
		return c.jump(n)
	case *syntax.Splat:
		c.fail(n, "write it in brackets: [*x]", "a splat (*) cannot stand here")
	}
	c.fail(n, "", "this construct is not supported")
	return nil
}

func constant(v Value) code { return func(*Env) Value { return v } }

func intOf(v any) Value {
	if n, ok := v.(*big.Int); ok {
		return n
	}
	return v
}

func (c *compiler) list(nodes []syntax.Node) []code {
	out := make([]code, len(nodes))
	for i, n := range nodes {
		out[i] = c.compile(n)
	}
	return out
}

func (c *compiler) seq(nodes []syntax.Node) code {
	last := len(nodes) - 1
	list := make([]code, 0, len(nodes))
	for i, n := range nodes {
		if i < last {
			n = unused(n)
		}
		list = append(list, c.compile(n))
	}
	return func(m *Env) Value {
		for _, one := range list[:last] {
			one(m)
		}
		return list[last](m)
	}
}

func (c *compiler) variable(n *syntax.Var) code {
	depth, slot := n.Depth, n.Slot
	if n.Scope == c.root && slot < c.inputs {
		c.uses[n.Name] = true
		if !c.root.Assigned[slot] {
			get := variables[n.Name]
			return func(m *Env) Value { return get(m) }
		}
	}
	switch depth {
	case 0:
		return func(m *Env) Value { return m.frame.vars[slot] }
	case 1:
		return func(m *Env) Value { return m.frame.parent.vars[slot] }
	}
	return func(m *Env) Value { return m.frame.out(depth).vars[slot] }
}

func (c *compiler) backRef(n *syntax.BackRef) code {
	switch n.Sign {
	case '~':
		return func(m *Env) Value {
			if m.match == nil {
				return nil
			}
			return m.match
		}
	case '!':
		return func(m *Env) Value {
			if m.err == nil {
				return nil
			}
			return m.err
		}
	case '&':
		return func(m *Env) Value { return m.matchGroup(0) }
	case '`':
		return func(m *Env) Value {
			if m.match == nil {
				return nil
			}
			return m.strEnc(m.match.str[:m.match.loc[0]], m.match.enc)
		}
	case '\'':
		return func(m *Env) Value {
			if m.match == nil {
				return nil
			}
			return m.strEnc(m.match.str[m.match.loc[1]:], m.match.enc)
		}
	}
	c.fail(n, "use $1, $2, …", "$%c is not supported", n.Sign)
	return nil
}

func (c *compiler) array(n *syntax.Array) code {
	elems, spread := c.spread(n.Elems)
	if !spread {
		return func(m *Env) Value {
			v := make([]Value, len(elems))
			for i, one := range elems {
				v[i] = one(m)
			}
			return m.array(v)
		}
	}
	return func(m *Env) Value {
		base := len(m.stack)
		for _, one := range elems {
			m.push(one(m))
		}
		v := append([]Value(nil), m.stack[base:]...)
		m.stack = m.stack[:base]
		return m.array(v)
	}
}

// splatted is the value of *x among elements or arguments.
type splatted []Value

// push puts a value, or all values of a splat, on the stack.
func (m *Env) push(v Value) {
	if many, ok := v.(splatted); ok {
		m.charge(16 * len(many))
		m.stack = append(m.stack, many...)
		return
	}
	m.stack = append(m.stack, v)
}

// spread compiles elements; splats give a splatted.
func (c *compiler) spread(nodes []syntax.Node) (list []code, any bool) {
	for _, n := range nodes {
		s, ok := n.(*syntax.Splat)
		if !ok {
			list = append(list, c.compile(n))
			continue
		}
		any = true
		x := c.compile(s.X)
		list = append(list, func(m *Env) Value { return splatted(m.splat(x(m))) })
	}
	return list, any
}

// splat is what *v stands for.
func (m *Env) splat(v Value) []Value {
	switch v := v.(type) {
	case nil:
		return nil
	case *Array:
		return v.v
	case *Hash, *Range, *enumerator:
		return m.toArray(v)
	}
	return []Value{v}
}

func (c *compiler) hash(n *syntax.Hash) code {
	type pair struct{ key, val code }
	pairs := make([]pair, len(n.Pairs))
	for i, p := range n.Pairs {
		if p.Key != nil {
			pairs[i].key = c.compile(p.Key)
		}
		pairs[i].val = c.compile(p.Val)
	}
	kw := n.Braceless
	return func(m *Env) Value {
		h := m.newHash()
		h.kw = kw
		for _, p := range pairs {
			if p.key == nil {
				m.mergeSplat(h, p.val(m))
				continue
			}
			k := p.key(m)
			m.hashSet(h, k, p.val(m))
		}
		return h
	}
}

func (m *Env) mergeSplat(h *Hash, v Value) {
	if v == nil {
		m.raise("TypeError", "no implicit conversion of nil into Hash")
	}
	from, ok := v.(*Hash)
	if !ok {
		m.raise("TypeError", "no implicit conversion of %s into Hash", nouned(v))
	}
	from.each(func(k, v Value) { m.hashSet(h, k, v) })
}

func (c *compiler) interp(nodes []syntax.Node) code {
	type piece struct {
		text string
		code code
	}
	pieces := make([]piece, len(nodes))
	for i, n := range nodes {
		if s, ok := n.(*syntax.Str); ok {
			pieces[i].text = s.S
		} else {
			pieces[i].code = c.compile(n)
		}
	}
	return func(m *Env) Value {
		j := joiner{m: m, start: len(m.buf), begun: true} // in UTF-8, unless a part forces another
		for _, p := range pieces {
			if p.code == nil {
				j.text(p.text, utf8Enc)
				continue
			}
			v := p.code(m)
			if s, ok := v.(*Str); ok {
				j.text(s.s, s.enc)
			} else {
				s := m.toS(v)
				j.text(s.s, s.enc)
			}
		}
		return j.done()
	}
}

func (c *compiler) constant(n *syntax.Const) code {
	if v, ok := constantValue(n.Name); ok {
		c.uses[n.Name] = true
		return constant(v)
	}
	if class, ok := classes[n.Name]; ok {
		c.uses[n.Name] = true
		return constant(class)
	}
	hint := refusedConstants[n.Name]
	if hint == "" {
		hint = suggest(n.Name, constantNames())
	}
	c.fail(n, hint, "the constant %s is not supported", n.Name)
	return nil
}
