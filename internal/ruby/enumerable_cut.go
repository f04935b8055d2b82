package ruby

func (m *Env) countArg(v Value, what string) int {
	n := m.int(v)
	if n < 0 {
		m.raise("ArgumentError", "%s", what)
	}
	return n
}

func enumFirst(m *Env, self Value, a []Value, _ *Proc) Value {
	if len(a) == 0 {
		var first Value
		m.eachOf(self, func(v Value) bool { first = v; return false })
		return first
	}
	return m.takeN(self, m.countArg(a[0], "attempt to take negative size"))
}

func (m *Env) takeN(self Value, n int) Value {
	var out []Value
	if n == 0 {
		return m.array(nil)
	}
	m.eachOf(self, func(v Value) bool {
		out = append(out, v)
		m.charge(16)
		return len(out) < n
	})
	return m.array(out)
}

func enumTake(m *Env, self Value, a []Value, _ *Proc) Value {
	return m.takeN(self, m.countArg(a[0], "attempt to take negative size"))
}

func enumTakeWhile(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	var out []Value
	m.eachMulti(self, func(args []Value) bool {
		v := m.packed(args)
		if !truthy(m.yield(blk, args...)) {
			return false
		}
		out = append(out, v)
		return true
	})
	return m.array(out)
}

func enumDrop(m *Env, self Value, a []Value, _ *Proc) Value {
	n := m.countArg(a[0], "attempt to drop negative size")
	list := m.toArray(self)
	return m.list(list[min(n, len(list)):]...)
}

func enumDropWhile(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	var out []Value
	dropping := true
	m.eachOf(self, func(v Value) bool {
		dropping = dropping && truthy(m.yield1(blk, v))
		if !dropping {
			out = append(out, v)
		}
		return true
	})
	return m.array(out)
}

func enumToH(m *Env, self Value, _ []Value, blk *Proc) Value {
	h := m.newHash()
	i := 0
	m.eachMulti(self, func(args []Value) bool {
		v := m.packed(args)
		if blk != nil {
			v = m.yield(blk, args...)
		}
		m.storePair(h, v, i, blk != nil || kindOf(self) != kArray)
		i++
		return true
	})
	return h
}

func (m *Env) storePair(h *Hash, v Value, i int, plain bool) {
	pair, ok := v.(*Array)
	at := ""
	if !plain {
		at = " at " + formatInt(i)
	}
	if !ok {
		if plain {
			m.raise("TypeError", "wrong element type %s (expected array)", className(v))
		}
		m.raise("TypeError", "wrong element type %s%s (expected array)", className(v), at)
	}
	if len(pair.v) != 2 {
		if plain {
			m.raise("ArgumentError", "element has wrong array length (expected 2, was %d)", len(pair.v))
		}
		m.raise("ArgumentError", "wrong array length%s (expected 2, was %d)", at, len(pair.v))
	}
	m.hashSet(h, pair.v[0], pair.v[1])
}

func enumGroupBy(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	h := m.newHash()
	m.eachOf(self, func(v Value) bool {
		k := m.yield1(blk, v)
		if list, ok := h.get(k); ok {
			arr := list.(*Array)
			m.charge(16)
			arr.v = append(arr.v, v)
		} else {
			m.hashSet(h, k, m.list(v))
		}
		return true
	})
	return h
}

func enumPartition(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	var yes, no []Value
	m.eachOf(self, func(v Value) bool {
		if truthy(m.yield1(blk, v)) {
			yes = append(yes, v)
		} else {
			no = append(no, v)
		}
		return true
	})
	return m.list(m.array(yes), m.array(no))
}

// chunks cuts between neighbours where the block says so.
func (m *Env) chunks(self Value, blk *Proc, cutWhen bool) Value {
	if blk == nil {
		m.raise("ArgumentError", "tried to create Proc object without a block")
	}
	var out, part []Value
	for i, v := range m.toArray(self) {
		if i > 0 && truthy(m.yield2(blk, part[len(part)-1], v)) == cutWhen {
			out = append(out, m.array(part))
			part = nil
		}
		part = append(part, v)
	}
	if part != nil {
		out = append(out, m.array(part))
	}
	// Ruby gives an enumerator; its elements are these.
	return &enumerator{recv: m.array(out), name: "each", opaque: true}
}

func enumChunkWhile(m *Env, self Value, _ []Value, blk *Proc) Value {
	return m.chunks(self, blk, false)
}

func enumSliceWhen(m *Env, self Value, _ []Value, blk *Proc) Value { return m.chunks(self, blk, true) }

func enumEachSlice(m *Env, self Value, a []Value, blk *Proc) Value {
	n := m.int(a[0])
	if n <= 0 {
		m.raise("ArgumentError", "invalid slice size")
	}
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	var part []Value
	m.eachOf(self, func(v Value) bool {
		part = append(part, v)
		if len(part) == n {
			m.yield1(blk, m.array(part))
			part = nil
		}
		return true
	})
	if part != nil {
		m.yield1(blk, m.array(part))
	}
	return afterSlices(self)
}

// afterSlices is what each_slice and each_cons return.
func afterSlices(self Value) Value { return self }

func enumEachCons(m *Env, self Value, a []Value, blk *Proc) Value {
	n := m.int(a[0])
	if n <= 0 {
		m.raise("ArgumentError", "invalid size")
	}
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	var last []Value
	m.eachOf(self, func(v Value) bool {
		last = append(last, v)
		if len(last) > n {
			last = last[1:]
		}
		if len(last) == n {
			m.yield1(blk, m.list(last...))
		}
		return true
	})
	return afterSlices(self)
}

func enumZip(m *Env, self Value, a []Value, blk *Proc) Value {
	others := make([][]Value, len(a))
	for i, v := range a {
		switch v.(type) {
		case *Array, *Hash, *Range, *enumerator:
			others[i] = m.zipped(v, self)
		default:
			m.raise("TypeError", "wrong argument type %s (must respond to :each)", className(v))
		}
	}
	var out []Value
	i := 0
	m.eachOf(self, func(v Value) bool {
		row := []Value{v}
		for _, list := range others {
			row = append(row, arg(list, i))
		}
		i++
		if blk != nil {
			m.yield1(blk, m.array(row))
		} else {
			out = append(out, m.array(row))
		}
		return true
	})
	if blk != nil {
		return nil
	}
	return m.array(out)
}

// zipped is the other side of zip; a range without end gives only what is needed.
func (m *Env) zipped(v, self Value) []Value {
	if r, ok := v.(*Range); ok && r.hi == nil {
		return m.takeN(r, len(m.toArray(self))).(*Array).v
	}
	return m.toArray(v)
}

func enumTally(m *Env, self Value, _ []Value, _ *Proc) Value {
	h := m.newHash()
	m.eachOf(self, func(v Value) bool {
		n, _ := h.get(v)
		count, _ := n.(int64)
		m.hashSet(h, v, count+1)
		return true
	})
	return h
}

func enumUniq(m *Env, self Value, _ []Value, blk *Proc) Value {
	if _, ok := self.(*enumerator); !ok || blk == nil {
		return m.array(m.uniq(m.toArray(self), blk))
	}
	var out []Value
	seen := m.newHash()
	m.eachMulti(self, func(args []Value) bool {
		v := m.packed(args)
		k := m.yield(blk, args...)
		if _, ok := seen.get(k); !ok {
			m.hashSet(seen, k, true)
			out = append(out, v)
		}
		return true
	})
	return m.array(out)
}

func (m *Env) uniq(list []Value, blk *Proc) []Value {
	seen := m.newHash()
	var out []Value
	for _, v := range append([]Value(nil), list...) {
		k := v
		if blk != nil {
			k = m.yield1(blk, v)
		}
		if _, ok := seen.get(k); !ok {
			m.hashSet(seen, k, true)
			out = append(out, v)
		}
	}
	return out
}

func enumGrep(m *Env, self Value, a []Value, blk *Proc) Value { return m.grep(self, a[0], blk, true) }

func enumGrepV(m *Env, self Value, a []Value, blk *Proc) Value { return m.grep(self, a[0], blk, false) }

func (m *Env) grep(self, test Value, blk *Proc, want bool) Value {
	var out []Value
	m.eachOf(self, func(v Value) bool {
		if m.caseEq(test, v) == want {
			if blk != nil {
				v = m.yield1(blk, v)
			}
			out = append(out, v)
		}
		return true
	})
	return m.array(out)
}
