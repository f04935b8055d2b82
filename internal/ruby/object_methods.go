package ruby

import "strings"

// objectMethods are what every value has.
func objectMethods() table {
	return table{
		"==":  {func(m *Env, self Value, a []Value, _ *Proc) Value { return m.eq(self, a[0]) }, 1, 1, false},
		"!=":  {func(m *Env, self Value, a []Value, _ *Proc) Value { return !m.eq(self, a[0]) }, 1, 1, false},
		"!":   {func(_ *Env, self Value, _ []Value, _ *Proc) Value { return !truthy(self) }, 0, 0, false},
		"===": {func(m *Env, self Value, a []Value, _ *Proc) Value { return m.caseEq(self, a[0]) }, 1, 1, false},
		"=~":  {func(*Env, Value, []Value, *Proc) Value { return nil }, 1, 1, false},
		"<=>": {func(m *Env, self Value, a []Value, _ *Proc) Value {
			if n, ok := m.compare(self, a[0]); ok {
				return int64(n)
			}
			return nil
		}, 1, 1, false},
		"eql?":         {func(m *Env, self Value, a []Value, _ *Proc) Value { return m.eql(self, a[0]) }, 1, 1, false},
		"equal?":       {func(m *Env, self Value, a []Value, _ *Proc) Value { return identical(self, a[0]) }, 1, 1, false},
		"nil?":         {func(_ *Env, self Value, _ []Value, _ *Proc) Value { return self == nil }, 0, 0, false},
		"is_a?":        {objIsA, 1, 1, false},
		"kind_of?":     {objIsA, 1, 1, false},
		"instance_of?": {objInstanceOf, 1, 1, false},
		"respond_to?":  {objRespondTo, 1, 2, false},
		"class":        {objClass, 0, 0, false},
		"inspect":      {func(m *Env, self Value, _ []Value, _ *Proc) Value { return m.inspectStr(self) }, 0, 0, false},
		"to_s":         {func(m *Env, self Value, _ []Value, _ *Proc) Value { return m.toS(self) }, 0, 0, false},
		"to_json":      {objToJSON, 0, -1, true},
		"freeze":       {objFreeze, 0, 0, false},
		"frozen?":      {func(m *Env, self Value, _ []Value, _ *Proc) Value { return m.isFrozen(self) }, 0, 0, false},
		"dup":          {objDup, 0, 0, false},
		"clone":        {objClone, 0, 0, true},
		"itself":       {func(_ *Env, self Value, _ []Value, _ *Proc) Value { return self }, 0, 0, false},
		"then":         {objThen, 0, 0, false},
		"yield_self":   {objThen, 0, 0, false},
		"tap":          {objTap, 0, 0, false},
		"hash":         {objHash, 0, 0, false},
		"enum_for":     {objEnumFor, 0, -1, false},
		"to_enum":      {objEnumFor, 0, -1, false},
	}
}

// comparableMethods are those of Comparable, on top of <=>.
func comparableMethods() table {
	compared := func(test func(n int) bool) method {
		return method{func(m *Env, self Value, a []Value, _ *Proc) Value { return test(m.order(self, a[0])) }, 1, 1, false}
	}
	return table{
		"<":        compared(func(n int) bool { return n < 0 }),
		"<=":       compared(func(n int) bool { return n <= 0 }),
		">":        compared(func(n int) bool { return n > 0 }),
		">=":       compared(func(n int) bool { return n >= 0 }),
		"between?": {cmpBetween, 2, 2, false},
		"clamp":    {cmpClamp, 1, 2, false},
	}
}

func cmpBetween(m *Env, self Value, a []Value, _ *Proc) Value {
	return m.order(self, a[0]) >= 0 && m.order(self, a[1]) <= 0
}

func cmpClamp(m *Env, self Value, a []Value, _ *Proc) Value {
	lo, hi := a[0], arg(a, 1)
	if len(a) == 1 {
		r, ok := a[0].(*Range)
		if !ok {
			m.raise("TypeError", "wrong argument type %s (expected Range)", className(a[0]))
		}
		lo, hi = r.lo, r.hi
		if r.excl && hi != nil {
			m.raise("ArgumentError", "cannot clamp with an exclusive range")
		}
	}
	if lo != nil && hi != nil && m.order(lo, hi) > 0 {
		m.raise("ArgumentError", "min argument must be smaller than max argument")
	}
	if lo != nil {
		if n := m.order(self, lo); n == 0 {
			return self
		} else if n < 0 {
			return lo
		}
	}
	if hi != nil && m.order(self, hi) > 0 {
		return hi
	}
	return self
}

func identical(a, b Value) bool {
	switch a.(type) {
	case float64:
		return a == b
	}
	if isInt(a) && isInt(b) {
		return bigOf(a).Cmp(bigOf(b)) == 0
	}
	return a == b
}

func (m *Env) classArg(v Value) *Class {
	c, ok := v.(*Class)
	if !ok {
		m.raise("TypeError", "class or module required")
	}
	return c
}

func objIsA(m *Env, self Value, a []Value, _ *Proc) Value { return isA(self, m.classArg(a[0]).name) }

func objInstanceOf(m *Env, self Value, a []Value, _ *Proc) Value {
	return className(self) == m.classArg(a[0]).name
}

func objRespondTo(m *Env, self Value, a []Value, _ *Proc) Value {
	name := m.name(a[0])
	if c, ok := self.(*Class); ok {
		if classMethod(c.name, name).fn == nil && lookup(kClass, name).fn == nil {
			m.unsupported("respond_to? of a class", "")
		}
		return true
	}
	return lookup(kindOf(self), name).fn != nil || rubyHas(self, name)
}

func objClass(_ *Env, self Value, _ []Value, _ *Proc) Value { return classes[className(self)] }

func objFreeze(_ *Env, self Value, _ []Value, _ *Proc) Value {
	switch v := self.(type) {
	case *Str:
		v.frozen = true
	case *Array:
		v.frozen = true
	case *Hash:
		v.frozen = true
	}
	return self
}

func (m *Env) isFrozen(v Value) bool {
	switch v := v.(type) {
	case *Str:
		return v.frozen
	case *Array:
		return v.frozen
	case *Hash:
		return v.frozen
	case *Class:
		m.unsupported("frozen? of a class", "")
	case *Time, *Exception, *Proc, *Match, *enumerator, *ipAddr, *uriValue, *date:
		return false
	}
	return true
}

// copyOf is a shallow copy, not frozen.
func (m *Env) copyOf(v Value) Value {
	switch v := v.(type) {
	case *Str:
		return m.strEnc(v.s, v.enc)
	case *Array:
		return m.list(v.v...)
	case *Hash:
		return m.copyHash(v)
	case *Time:
		t := *v
		return &t
	}
	return v
}

func (m *Env) copyHash(h *Hash) *Hash {
	out := m.newHash()
	h.each(func(k, v Value) { m.hashSet(out, k, v) })
	out.def, out.defProc = h.def, h.defProc
	return out
}

func objDup(m *Env, self Value, _ []Value, _ *Proc) Value { return m.copyOf(self) }

func objClone(m *Env, self Value, a []Value, _ *Proc) Value {
	_, kw := m.keywords(a, "freeze")
	out := m.copyOf(self)
	keep := m.isFrozen(self)
	if v, ok := kw.keyword("freeze"); ok && v != nil {
		keep = truthy(v)
	}
	if keep {
		objFreeze(m, out, nil, nil)
	}
	return out
}

func objThen(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	return m.yield1(blk, self)
}

func objTap(m *Env, self Value, _ []Value, blk *Proc) Value {
	m.yield(blk, self)
	return self
}

func objHash(m *Env, _ Value, _ []Value, _ *Proc) Value {
	m.unsupported("hash (a number that differs from run to run)", "use Digest or Zlib.crc32")
	return nil
}

func objEnumFor(m *Env, self Value, a []Value, _ *Proc) Value {
	name := "each"
	if len(a) > 0 {
		switch v := a[0].(type) {
		case Sym:
			name = string(v)
		default:
			m.unsupported("enum_for of anything but a symbol", "")
		}
		a = a[1:]
	}
	return &enumerator{recv: self, name: name, args: append([]Value(nil), a...)}
}

func nilMethods() table {
	return table{
		"to_a":    {func(m *Env, _ Value, _ []Value, _ *Proc) Value { return m.array(nil) }, 0, 0, false},
		"to_h":    {func(m *Env, _ Value, _ []Value, _ *Proc) Value { return m.newHash() }, 0, 0, false},
		"to_i":    {func(*Env, Value, []Value, *Proc) Value { return int64(0) }, 0, 0, false},
		"to_f":    {func(*Env, Value, []Value, *Proc) Value { return 0.0 }, 0, 0, false},
		"&":       {func(*Env, Value, []Value, *Proc) Value { return false }, 1, 1, false},
		"|":       {func(_ *Env, _ Value, a []Value, _ *Proc) Value { return truthy(a[0]) }, 1, 1, false},
		"to_s":    {nilToS, 0, 0, false},
		"inspect": {func(m *Env, _ Value, _ []Value, _ *Proc) Value { return m.ascii("nil") }, 0, 0, false},
	}
}

func nilToS(m *Env, _ Value, _ []Value, _ *Proc) Value {
	s := m.ascii("")
	s.frozen = true
	return s
}

func boolMethods() table {
	return table{
		"&":    {func(_ *Env, self Value, a []Value, _ *Proc) Value { return truthy(self) && truthy(a[0]) }, 1, 1, false},
		"|":    {func(_ *Env, self Value, a []Value, _ *Proc) Value { return truthy(self) || truthy(a[0]) }, 1, 1, false},
		"^":    {func(_ *Env, self Value, a []Value, _ *Proc) Value { return truthy(self) != truthy(a[0]) }, 1, 1, false},
		"to_s": {boolToS, 0, 0, false}, "inspect": {boolToS, 0, 0, false},
	}
}

func boolToS(m *Env, self Value, _ []Value, _ *Proc) Value {
	s := m.ascii(m.inspect(self))
	s.frozen = true
	return s
}

func symbolMethods() table {
	onText := func(name string, symbol bool) method {
		return method{func(m *Env, self Value, a []Value, blk *Proc) Value {
			me := lookup(kStr, name)
			v := m.invoke(&me, name, m.toS(self), a, blk, false)
			if s, ok := v.(*Str); ok && symbol {
				return Sym(s.s)
			}
			return v
		}, 0, -1, false}
	}
	t := table{
		"to_sym":  {func(_ *Env, self Value, _ []Value, _ *Proc) Value { return self }, 0, 0, false},
		"to_proc": {func(m *Env, self Value, _ []Value, _ *Proc) Value { return m.toProc(self) }, 0, 0, false},
		"name":    {nameOfSymbol, 0, 0, false},
		"id2name": {func(m *Env, self Value, _ []Value, _ *Proc) Value { return m.toS(self) }, 0, 0, false},
		"<=>": {func(m *Env, self Value, a []Value, _ *Proc) Value {
			if n, ok := m.compare(self, a[0]); ok {
				return int64(n)
			}
			return nil
		}, 1, 1, false},
	}
	for _, name := range strings.Fields("upcase downcase capitalize swapcase succ next") {
		t[name] = onText(name, true)
	}
	for _, name := range strings.Fields("length size empty? start_with? end_with? [] slice =~ match match? encoding") {
		t[name] = onText(name, false)
	}
	return t
}

func nameOfSymbol(m *Env, self Value, _ []Value, _ *Proc) Value {
	s := m.toS(self)
	s.frozen = true
	return s
}
