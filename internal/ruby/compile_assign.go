package ruby

import "github.com/sluicelog/sluice/internal/ruby/syntax"

// setter compiles an assignment to a variable or an element.
func (c *compiler) setter(n syntax.Node) func(m *Env, v Value) {
	switch n := n.(type) {
	case *syntax.Var:
		depth, slot := n.Depth, n.Slot
		return func(m *Env, v Value) { m.frame.out(depth).vars[slot] = v }
	case *syntax.Call:
		recv := c.compile(n.Recv)
		args, _ := c.spread(n.Args)
		return func(m *Env, v Value) {
			self := recv(m)
			base := len(m.stack)
			for _, one := range args {
				m.push(one(m))
			}
			m.stack = append(m.stack, v)
			m.sendList(self, "[]=", m.stack[base:len(m.stack):len(m.stack)])
			m.stack = m.stack[:base]
		}
	}
	c.fail(n, "", "cannot assign to this")
	return nil
}

func (c *compiler) assign(n *syntax.Assign) code {
	value := c.compile(n.Value)
	if n.Op == "" {
		if v, ok := n.Target.(*syntax.Var); ok && v.Depth == 0 {
			slot := v.Slot
			return func(m *Env) Value {
				x := value(m)
				m.frame.vars[slot] = x
				return x
			}
		}
		if call, ok := n.Target.(*syntax.Call); ok {
			return c.assignPlainElem(call, value)
		}
		set := c.setter(n.Target)
		return func(m *Env) Value {
			x := value(m)
			set(m, x)
			return x
		}
	}
	if v, ok := n.Target.(*syntax.Var); ok {
		return c.assignVar(v, n.Op, value)
	}
	return c.assignElem(n.Target.(*syntax.Call), n.Op, value)
}

// assignPlainElem compiles a[i] = v, evaluated from left to right.
func (c *compiler) assignPlainElem(call *syntax.Call, value code) code {
	recv := c.compile(call.Recv)
	args, _ := c.spread(call.Args)
	return func(m *Env) Value {
		self := recv(m)
		base := len(m.stack)
		for _, one := range args {
			m.push(one(m))
		}
		x := value(m)
		m.stack = append(m.stack, x)
		m.sendList(self, "[]=", m.stack[base:len(m.stack):len(m.stack)])
		m.stack = m.stack[:base]
		return x
	}
}

// combine makes the new value of an operator assignment; ok is false when
// nothing is to be assigned.
func (c *compiler) combine(n syntax.Node, op string, value code) func(m *Env, old Value) (v Value, ok bool) {
	switch op {
	case "||":
		return func(m *Env, old Value) (Value, bool) {
			if truthy(old) {
				return old, false
			}
			return value(m), true
		}
	case "&&":
		return func(m *Env, old Value) (Value, bool) {
			if !truthy(old) {
				return old, false
			}
			return value(m), true
		}
	}
	s := c.site(n, op)
	return func(m *Env, old Value) (Value, bool) {
		base := len(m.stack)
		x := value(m)
		m.stack = append(m.stack, x)
		v := m.call(s, old, m.stack[base:base+1:base+1], nil)
		m.stack = m.stack[:base]
		return v, true
	}
}

func (c *compiler) assignVar(v *syntax.Var, op string, value code) code {
	get, set, combine := c.variable(v), c.setter(v), c.combine(v, op, value)
	return func(m *Env) Value {
		x, ok := combine(m, get(m))
		if ok {
			set(m, x)
		}
		return x
	}
}

func (c *compiler) assignElem(call *syntax.Call, op string, value code) code {
	recv := c.compile(call.Recv)
	args, _ := c.spread(call.Args)
	get, combine := c.site(call, "[]"), c.combine(call, op, value)
	return func(m *Env) Value {
		self := recv(m)
		base := len(m.stack)
		for _, one := range args {
			m.push(one(m))
		}
		n := len(m.stack)
		x, ok := combine(m, m.call(get, self, m.stack[base:n:n], nil))
		if ok {
			m.stack = append(m.stack[:n], x)
			m.sendList(self, "[]=", m.stack[base:n+1:n+1])
		}
		m.stack = m.stack[:base]
		return x
	}
}

func (c *compiler) multiAssign(n *syntax.MultiAssign) code {
	var value code
	if arr, ok := n.Value.(*syntax.Array); ok {
		value = c.array(arr)
	} else {
		value = c.compile(n.Value)
	}
	sets := make([]func(*Env, Value), len(n.Targets))
	rest := -1
	for i, t := range n.Targets {
		if s, ok := t.(*syntax.Splat); ok {
			rest = i
			if s.X == nil {
				sets[i] = func(*Env, Value) {}
				continue
			}
			t = s.X
		}
		sets[i] = c.setter(t)
	}
	return func(m *Env) Value {
		v := value(m)
		list := []Value{v}
		if arr, ok := v.(*Array); ok {
			list = append([]Value(nil), arr.v...)
		}
		m.assignAll(sets, rest, list)
		return v
	}
}

func (m *Env) assignAll(sets []func(*Env, Value), rest int, list []Value) {
	at := func(i int) Value {
		if i < len(list) {
			return list[i]
		}
		return nil
	}
	for i, set := range sets {
		switch {
		case rest < 0 || i < rest:
			set(m, at(i))
		case i == rest:
			after := len(sets) - rest - 1
			end := max(len(list)-after, rest)
			var part []Value
			if rest < len(list) {
				part = list[rest:min(end, len(list))]
			}
			set(m, m.list(part...))
		default:
			after := len(sets) - i
			set(m, at(max(len(list)-after, rest+i-rest-1)))
		}
	}
}
