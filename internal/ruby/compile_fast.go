package ruby

import (
	"github.com/sluicelog/sluice/internal/ruby/syntax"
	"github.com/sluicelog/sluice/internal/strftime"
)

// fastCall compiles the calls that nearly all expressions consist of without a
// detour; nil for all others.
func (c *compiler) fastCall(n *syntax.Call) code {
	if n.Safe || n.Block != nil || n.BlockArg != nil || len(n.Args) != 1 {
		return nil
	}
	lit, ok := n.Args[0].(*syntax.Str)
	switch {
	case n.Name == "[]" && ok:
		return c.fastField(n, lit.S)
	case n.Name == "strftime" && ok:
		return c.fastStrftime(n, lit.S)
	}
	return nil
}

// fastField is x["name"].
func (c *compiler) fastField(n *syntax.Call, name string) code {
	recv, s := c.compile(n.Recv), c.site(n, n.Name)
	key := &Str{s: name, frozen: true}
	return func(m *Env) Value {
		self := recv(m)
		h, ok := self.(*Hash)
		if !ok {
			base := len(m.stack)
			m.stack = append(m.stack, m.str(name))
			out := m.call(s, self, m.stack[base:base+1:base+1], nil)
			m.stack = m.stack[:base]
			return out
		}
		m.step()
		if h.lazy != nil {
			v, _ := h.peekString(name)
			return v
		}
		return m.hashGet(h, key)
	}
}

// fastStrftime is x.strftime("…"), with the format read once.
func (c *compiler) fastStrftime(n *syntax.Call, layout string) code {
	l, err := strftime.Compile(layout)
	if err != nil {
		c.fail(n.Args[0], "", "the time format %s is not supported", layout)
	}
	recv, s := c.compile(n.Recv), c.site(n, n.Name)
	return func(m *Env) Value {
		self := recv(m)
		t, ok := self.(*Time)
		if !ok || t.sub != nil {
			base := len(m.stack)
			m.stack = append(m.stack, m.str(layout))
			out := m.call(s, self, m.stack[base:base+1:base+1], nil)
			m.stack = m.stack[:base]
			return out
		}
		m.step()
		start := len(m.buf)
		m.buf = l.Append(m.buf, t.t)
		text := string(m.buf[start:])
		m.buf = m.buf[:start]
		return m.str(text)
	}
}

// defined compiles defined?(x).
func (c *compiler) defined(n syntax.Node) code {
	word := func(s string) code {
		return func(m *Env) Value {
			out := m.ascii(s)
			out.frozen = true
			return out
		}
	}
	switch n := n.(type) {
	case *syntax.Var:
		return word("local-variable")
	case *syntax.Assign, *syntax.MultiAssign:
		return word("assignment")
	case *syntax.Nil:
		return word("nil")
	case *syntax.Bool:
		return word(map[bool]string{true: "true", false: "false"}[n.Val])
	case *syntax.Not:
		return word("method")
	case *syntax.Const:
		if _, ok := constantValue(n.Name); ok || classes[n.Name] != nil {
			return word("constant")
		}
		if refusedConstants[n.Name] != "" {
			c.compile(n) // refuses it
		}
		return constant(nil)
	case *syntax.NthRef, *syntax.BackRef:
		x, yes := c.compile(n), word("global-variable")
		return func(m *Env) Value {
			if x(m) == nil {
				return nil
			}
			return yes(m)
		}
	case *syntax.Call:
		if n.Block != nil || n.Safe {
			return word("expression")
		}
		return c.definedCall(n, word("method"))
	}
	return word("expression")
}

// hasBlock tells whether a chain of calls has a block in it.
func hasBlock(n syntax.Node) bool {
	for {
		call, ok := n.(*syntax.Call)
		if !ok || call.Block != nil || call.BlockArg != nil {
			return ok
		}
		n = call.Recv
	}
}

func (c *compiler) definedCall(n *syntax.Call, yes code) code {
	if n.Recv == nil {
		if lookup(kMain, n.Name).fn == nil {
			if _, refused := refusedMethods[n.Name]; refused {
				c.fail(n, "", "%s is not supported", n.Name)
			}
			return constant(nil)
		}
		return yes
	}
	if hasBlock(n.Recv) {
		c.fail(n, "ask respond_to? of its value", "defined? of a call on a block's result is not supported")
	}
	recv, name := c.compile(n.Recv), n.Name
	c.list(n.Args) // refused if need be, but not evaluated
	return func(m *Env) Value {
		v, exc := m.try(func(m *Env) Value {
			return objRespondTo(m, recv(m), []Value{Sym(name)}, nil)
		})
		if exc != nil || v != true {
			return nil
		}
		return yes(m)
	}
}
