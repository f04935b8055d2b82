package ruby

// newException makes an exception with any value for a message; nil means the
// class's name.
func (m *Env) newException(class *Class, msg Value) *Exception {
	e := &Exception{class: class, msg: msg, text: class.name}
	if msg != nil {
		e.text = m.toS(msg).s
	}
	return e
}

func (m *Env) exceptionText(e *Exception) *Str {
	if s, ok := e.msg.(*Str); ok {
		return m.like(s.s, s)
	}
	return m.str(e.text)
}

func exceptionMethods() table {
	message := func(m *Env, self Value, _ []Value, _ *Proc) Value { return m.exceptionText(self.(*Exception)) }
	return table{
		"message":          {message, 0, 0, false},
		"to_s":             {message, 0, 0, false},
		"full_message":     {refused("full_message", "use message"), 0, -1, false},
		"detailed_message": {refused("detailed_message", "use message"), 0, -1, false},
		"backtrace":        {refused("backtrace", "use message"), 0, 0, false},
		"exception": {func(m *Env, self Value, a []Value, _ *Proc) Value {
			if len(a) == 0 {
				return self
			}
			return m.newException(self.(*Exception).class, a[0])
		}, 0, 1, false},
	}
}

func procMethods() table {
	call := func(m *Env, self Value, a []Value, _ *Proc) Value { return m.callProc(self.(*Proc), a) }
	return table{
		"call": {call, 0, -1, false}, "()": {call, 0, -1, false}, "yield": {call, 0, -1, false}, "===": {call, 0, -1, false}, "[]": {call, 0, -1, false},
		"to_proc": {func(_ *Env, self Value, _ []Value, _ *Proc) Value { return self }, 0, 0, false},
		"lambda?": {func(_ *Env, self Value, _ []Value, _ *Proc) Value { return self.(*Proc).lambda }, 0, 0, false},
		"arity":   {procArity, 0, 0, false},
		">>":      {procThen, 1, 1, false},
		"<<":      {procAfter, 1, 1, false},
		"curry":   {refused("curry", ""), 0, 1, false},
	}
}

func procArity(m *Env, self Value, _ []Value, _ *Proc) Value {
	p := self.(*Proc)
	if p.block == nil {
		return int64(p.arity)
	}
	ps := &p.block.params
	n := ps.required()
	if ps.hasRest && !ps.comma || len(ps.opt) > 0 && p.lambda || len(ps.opt) > 0 && n > 0 {
		return int64(-n - 1)
	}
	return int64(n)
}

func procThen(m *Env, self Value, a []Value, _ *Proc) Value { return m.chain(self, a[0]) }

func procAfter(m *Env, self Value, a []Value, _ *Proc) Value { return m.chain(a[0], self) }

func (m *Env) chain(first, second Value) Value {
	for _, v := range []Value{first, second} {
		if _, ok := v.(*Proc); !ok {
			m.raise("TypeError", "callable object is expected")
		}
	}
	return &Proc{lambda: true, arity: -1, native: func(m *Env, args []Value) Value {
		return m.yield1(second.(*Proc), m.callProc(first.(*Proc), args))
	}}
}

// classObjectMethods are those of a class seen as a value.
func classObjectMethods() table {
	name := func(m *Env, self Value, _ []Value, _ *Proc) Value { return m.ascii(self.(*Class).name) }
	compared := func(test func(n int) bool) method {
		return method{func(m *Env, self Value, a []Value, _ *Proc) Value {
			m.classArg(a[0])
			n, ok := compareClasses(self.(*Class), a[0])
			if !ok {
				return nil
			}
			return test(n)
		}, 1, 1, false}
	}
	return table{
		"name": {name, 0, 0, false}, "to_s": {name, 0, 0, false}, "inspect": {name, 0, 0, false},
		"<":         compared(func(n int) bool { return n < 0 }),
		"<=":        compared(func(n int) bool { return n <= 0 }),
		">":         compared(func(n int) bool { return n > 0 }),
		">=":        compared(func(n int) bool { return n >= 0 }),
		"ancestors": {refused("ancestors", "use is_a?"), 0, 0, false},
	}
}
