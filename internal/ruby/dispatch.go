package ruby

import "github.com/sluicelog/sluice/internal/ruby/syntax"

func (c *compiler) call(n *syntax.Call) code {
	if n.Recv == nil {
		return c.function(n)
	}
	if class, ok := n.Recv.(*syntax.Const); ok {
		if code := c.classCall(n, class); code != nil {
			return code
		}
	}
	if fast := c.fastCall(n); fast != nil {
		return fast
	}
	return c.dispatch(c.compile(n.Recv), c.site(n, n.Name), n)
}

// symProc is &:name.
func symProc(s *site) *Proc {
	return &Proc{lambda: true, arity: -2, native: func(m *Env, args []Value) Value {
		if len(args) == 0 {
			m.raise("ArgumentError", "no receiver given")
		}
		return m.call(s, args[0], args[1:len(args):len(args)], nil)
	}}
}

// toProc is what &v hands over as a block.
func (m *Env) toProc(v Value) *Proc {
	switch v := v.(type) {
	case nil:
		return nil
	case *Proc:
		return v
	case Sym:
		return &Proc{lambda: true, arity: -2, native: func(m *Env, args []Value) Value {
			if len(args) == 0 {
				m.raise("ArgumentError", "no receiver given")
			}
			return m.sendList(args[0], string(v), args[1:len(args):len(args)])
		}}
	case *Hash:
		return &Proc{lambda: true, arity: 1, native: func(m *Env, args []Value) Value { return m.hashGet(v, args[0]) }}
	}
	m.raise("TypeError", "wrong argument type %s (expected Proc)", className(v))
	return nil
}

// callBreaking is call for a block that holds break.
func (m *Env) callBreaking(s *site, self Value, args []Value, p *Proc) (out Value) {
	k := m.mark()
	defer func() {
		if r := recover(); r != nil {
			j, ok := r.(*jump)
			if !ok || j.to != any(p) {
				panic(r)
			}
			m.restore(k)
			out = j.v
		}
	}()
	return m.call(s, self, args, p)
}

// call runs the method of a call site for a receiver. args are not kept.
func (m *Env) call(s *site, self Value, args []Value, blk *Proc) Value {
	m.step()
	k := kindOf(self)
	me := &s.methods[k]
	switch k {
	case kHash:
		if h := self.(*Hash); h.lazy != nil && !s.lazy {
			h.force()
		}
	case kClass:
		if own := classMethod(self.(*Class).name, s.name); own.fn != nil {
			me = &own
		}
	}
	return m.invoke(me, s.name, self, args, blk, s.kw)
}

func (m *Env) invoke(me *method, name string, self Value, args []Value, blk *Proc, kw bool) Value {
	if me.fn == nil {
		m.missing(self, name)
	}
	n := len(args)
	if kw && n > 0 {
		if h, ok := args[n-1].(*Hash); ok && h.kw {
			if me.kw {
				n--
			} else {
				h.kw = false // from here on it is a hash like any other
				if h.len() == 0 {
					args = args[:n-1]
					n--
				}
			}
		}
	}
	if n < int(me.min) || me.max >= 0 && n > int(me.max) {
		m.wrongArgs(n, int(me.min), int(me.max), me.max < 0)
	}
	m.calling = name
	return me.fn(m, self, args, blk)
}

// sendList calls a method by name. args are not kept.
func (m *Env) sendList(self Value, name string, args []Value) Value {
	m.step()
	k := kindOf(self)
	var me method
	switch k {
	case kHash:
		if h := self.(*Hash); h.lazy != nil {
			h.force()
		}
	case kClass:
		me = classMethod(self.(*Class).name, name)
	}
	if me.fn == nil {
		me = lookup(k, name)
	}
	return m.invoke(&me, name, self, args, nil, false)
}

func (m *Env) send(self Value, name string, args ...Value) Value { return m.sendList(self, name, args) }

// missing raises NoMethodError, or says that Ruby has the method and we have not.
func (m *Env) missing(self Value, name string) {
	if rubyHas(self, name) {
		m.unsupported(className(self)+"#"+name, "")
	}
	if lookup(kMain, name).fn != nil {
		m.raise("NoMethodError", "private method `%s' called for %s", name, m.described(self))
	}
	m.raise("NoMethodError", "undefined method `%s' for %s", name, m.described(self))
}

// suggest is "did you mean x?" for the nearest name, or "".
func suggest(name string, names []string) string {
	best, least := "", max(len(name)/3, 1)+1
	for _, one := range names {
		if !isAlnum(one[0]) {
			continue
		}
		if d := distance(name, one, least+1); d < least || d == least && best != "" && one < best {
			best, least = one, d
		}
	}
	if best == "" {
		return ""
	}
	return "did you mean " + best + "?"
}

// distance is the number of edits between two names (two letters that changed
// places are one), or most when it is more.
func distance(a, b string, most int) int {
	if len(a)-len(b) >= most || len(b)-len(a) >= most {
		return most
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := last[j]
			if a[i] != b[j] {
				cost++
			}
			row[j+1] = min(cost, row[j]+1, last[j+1]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return min(last[len(b)], most)
}
