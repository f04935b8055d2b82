package ruby

import "github.com/sluicelog/sluice/internal/ruby/syntax"

// condition compiles what is only asked whether it is true. A regular expression
// alone would be matched against $_, which nobody means.
func (c *compiler) condition(n syntax.Node) code {
	if re, ok := n.(*syntax.Regexp); ok {
		c.fail(re, "match it against something: x =~ /…/", "a regular expression alone is no condition")
	}
	if r, ok := n.(*syntax.Range); ok {
		c.fail(r, "test with include?", "a range alone is no condition")
	}
	switch n := n.(type) {
	case *syntax.And:
		return c.and(c.condition(n.L), c.condition(n.R))
	case *syntax.Or:
		return c.or(c.condition(n.L), c.condition(n.R))
	}
	return c.compile(n)
}

func (c *compiler) and(l, r code) code {
	return func(m *Env) Value {
		if v := l(m); !truthy(v) {
			return v
		}
		return r(m)
	}
}

func (c *compiler) or(l, r code) code {
	return func(m *Env) Value {
		if v := l(m); truthy(v) {
			return v
		}
		return r(m)
	}
}

func (c *compiler) ifElse(n *syntax.If) code {
	cond, then, other := c.condition(n.Cond), c.compile(n.Then), c.compile(n.Else)
	return func(m *Env) Value {
		if truthy(cond(m)) {
			return then(m)
		}
		return other(m)
	}
}

func (c *compiler) caseWhen(n *syntax.Case) code {
	type branch struct {
		tests []code
		body  code
	}
	branches := make([]branch, len(n.Whens))
	for i, w := range n.Whens {
		branches[i].tests, _ = c.spread(w.Tests)
		branches[i].body = c.compile(w.Body)
	}
	other := c.compile(n.Else)
	if n.Subject == nil {
		return func(m *Env) Value {
			for _, b := range branches {
				for _, test := range b.tests {
					if anyTrue(test(m)) {
						return b.body(m)
					}
				}
			}
			return other(m)
		}
	}
	subject := c.compile(n.Subject)
	return func(m *Env) Value {
		v := subject(m)
		for _, b := range branches {
			for _, test := range b.tests {
				if m.caseMatches(test(m), v) {
					return b.body(m)
				}
			}
		}
		return other(m)
	}
}

func anyTrue(v Value) bool {
	many, ok := v.(splatted)
	if !ok {
		return truthy(v)
	}
	for _, one := range many {
		if truthy(one) {
			return true
		}
	}
	return false
}

func (m *Env) caseMatches(test, v Value) bool {
	many, ok := test.(splatted)
	if !ok {
		return m.caseEq(test, v)
	}
	for _, one := range many {
		if m.caseEq(one, v) {
			return true
		}
	}
	return false
}

// rescueClause is one rescue of a begin.
type rescueClause struct {
	classes []code
	set     func(m *Env, v Value)
	body    code
}

func (c *compiler) begin(n *syntax.Begin) code {
	run := c.compile(n.Body)
	if len(n.Rescues) > 0 {
		run = c.rescues(n, run)
	}
	if n.Ensure == nil {
		return run
	}
	ensure := c.compile(n.Ensure)
	return func(m *Env) Value { return m.ensured(run, ensure) }
}

func (c *compiler) rescues(n *syntax.Begin, body code) code {
	clauses := make([]rescueClause, len(n.Rescues))
	for i, r := range n.Rescues {
		clauses[i].classes, _ = c.spread(r.Classes)
		clauses[i].body = c.compile(r.Body)
		if r.Var != nil {
			clauses[i].set = c.setter(r.Var)
		}
	}
	other := code(nil)
	if n.Else != nil {
		other = c.compile(n.Else)
	}
	return func(m *Env) Value {
		v, exc := m.try(body)
		if exc == nil {
			if other != nil {
				return other(m)
			}
			return v
		}
		for _, clause := range clauses {
			if m.rescues(clause.classes, exc) {
				outer := m.err
				m.err = exc
				if clause.set != nil {
					clause.set(m, exc)
				}
				v := clause.body(m)
				m.err = outer
				return v
			}
		}
		panic(exc)
	}
}

// try runs code and catches a Ruby exception, and nothing else.
func (m *Env) try(body code) (v Value, exc *Exception) {
	k := m.mark()
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(*Exception)
			if !ok {
				panic(r)
			}
			m.restore(k)
			exc = e
		}
	}()
	return body(m), nil
}

// ensured runs a body and then what must run however it ended.
func (m *Env) ensured(body, ensure code) Value {
	k := m.mark()
	ended := false
	defer func() {
		if ended {
			return
		}
		r := recover()
		if isRuby(r) {
			m.restore(k)
			ensure(m)
		}
		panic(r)
	}()
	v := body(m)
	ended = true
	ensure(m)
	return v
}

// isRuby tells what Ruby code may see ending, from limits and faults of ours.
func isRuby(r any) bool {
	switch r.(type) {
	case *Exception, *jump:
		return true
	}
	return false
}

func (m *Env) rescues(classes []code, exc *Exception) bool {
	if len(classes) == 0 {
		return descends(exc.class.name, "StandardError")
	}
	for _, one := range classes {
		v := one(m)
		list := []Value{v}
		if many, ok := v.(splatted); ok {
			list = many
		}
		for _, class := range list {
			cl, ok := class.(*Class)
			if !ok {
				m.raise("TypeError", "class or module required for rescue clause")
			}
			if descends(exc.class.name, cl.name) {
				return true
			}
		}
	}
	return false
}

func (c *compiler) jump(n *syntax.Jump) code {
	x := c.compile(n.X)
	switch n.Kind {
	case "next":
		if c.block == nil {
			c.fail(n, "", "Invalid next: it stands in no block")
		}
		c.block.nexts = true
		return func(m *Env) Value { panic(&jump{'n', m.frame, x(m)}) }
	case "break":
		if c.block == nil {
			c.fail(n, "", "Invalid break: it stands in no block")
		}
		if c.block.lambda {
			c.block.nexts = true
			return func(m *Env) Value { panic(&jump{'n', m.frame, x(m)}) }
		}
		c.block.breaks = true
		return func(m *Env) Value { panic(&jump{'b', m.frame.proc, x(m)}) }
	}
	depth := 0
	for b := c.block; b != nil; b = b.outer {
		if b.lambda {
			b.nexts = true
			return func(m *Env) Value { panic(&jump{'n', m.frame.out(depth), x(m)}) }
		}
		depth++
	}
	return func(m *Env) Value { panic(&jump{'r', nil, x(m)}) }
}

func (c *compiler) lambda(n *syntax.Lambda) code {
	b := c.compileBlock(n.Block, true)
	return func(m *Env) Value { return &Proc{block: b, frame: m.frame, lambda: true} }
}

func (c *compiler) compileBlock(n *syntax.Block, lambda bool) *block {
	st := &blockState{outer: c.block, lambda: lambda}
	for outer := c.block; outer != nil; outer = outer.outer {
		outer.capture = true
	}
	c.block = st
	b := &block{scope: n.Scope, lambda: lambda}
	b.params = c.params(n.Params)
	b.body = c.compile(n.Body)
	c.block = st.outer
	b.nexts, b.breaks, b.capture = st.nexts, st.breaks, st.capture
	b.simple = len(b.params.opt) == 0 && len(b.params.post) == 0 && (!b.params.hasRest || b.params.comma)
	for _, p := range b.params.req {
		if p.sub != nil {
			b.simple = false
		}
	}
	return b
}

func (c *compiler) params(ps syntax.Params) params {
	out := params{rest: -1, hasRest: ps.HasRest, comma: ps.Comma}
	out.req, out.opt, out.post = c.paramList(ps.Req), c.paramList(ps.Opt), c.paramList(ps.Post)
	if ps.Rest != nil {
		out.rest = ps.Rest.Slot
	}
	return out
}

func (c *compiler) paramList(list []syntax.Param) []param {
	out := make([]param, len(list))
	for i, p := range list {
		if p.Sub != nil {
			sub := c.params(*p.Sub)
			out[i].sub = &sub
			continue
		}
		out[i].slot = p.Var.Slot
		if p.Default != nil {
			out[i].def = c.compile(p.Default)
		}
	}
	return out
}

// unused is a statement whose value nobody takes. Ruby does not make ranges then,
// so they need not be good ones.
func unused(n syntax.Node) syntax.Node {
	switch n := n.(type) {
	case nil:
		return &syntax.Nil{}
	case *syntax.Range:
		return &syntax.Array{At: n.At, Elems: []syntax.Node{unused(n.Lo), unused(n.Hi)}}
	case *syntax.Array:
		elems := make([]syntax.Node, len(n.Elems))
		for i, e := range n.Elems {
			if _, ok := e.(*syntax.Splat); ok {
				return n
			}
			elems[i] = unused(e)
		}
		return &syntax.Array{At: n.At, Elems: elems}
	case *syntax.If:
		return &syntax.If{At: n.At, Cond: n.Cond, Then: unused(n.Then), Else: unused(n.Else)}
	case *syntax.And:
		return &syntax.And{At: n.At, L: n.L, R: unused(n.R)}
	case *syntax.Or:
		return &syntax.Or{At: n.At, L: n.L, R: unused(n.R)}
	}
	return n
}
