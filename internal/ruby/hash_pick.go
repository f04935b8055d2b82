package ruby

// hashPickMethods make a hash of another.
func hashPickMethods() table {
	return table{
		"select":           {hashSelect, 0, 0, false},
		"filter":           {hashSelect, 0, 0, false},
		"reject":           {hashReject, 0, 0, false},
		"slice":            {hashSlice, 0, -1, false},
		"except":           {hashExcept, 0, -1, false},
		"merge":            {hashMerge, 0, -1, false},
		"compact":          {hashCompact, 0, 0, false},
		"invert":           {hashInvert, 0, 0, false},
		"transform_values": {hashTransformValues, 0, 0, false},
		"transform_keys":   {hashTransformKeys, 0, 1, false},
		"filter_map":       {enumFilterMap, 0, 0, false},
		"flatten":          {hashFlatten, 0, 1, false},
		"min_by":           {enumMinBy, 0, 1, false},
	}
}

func (m *Env) pick(self Value, blk *Proc, want bool) Value {
	out := m.newHash()
	self.(*Hash).each(func(k, v Value) {
		if truthy(m.yieldPair(blk, k, v)) == want {
			m.hashSet(out, k, v)
		}
	})
	return out
}

func hashSelect(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	return m.pick(self, blk, true)
}

func hashReject(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	return m.pick(self, blk, false)
}

func hashSlice(m *Env, self Value, a []Value, _ *Proc) Value {
	h, out := self.(*Hash), m.newHash()
	for _, k := range a {
		if v, ok := h.get(k); ok {
			m.hashSet(out, k, v)
		}
	}
	return out
}

func hashExcept(m *Env, self Value, a []Value, _ *Proc) Value {
	out := m.copyHash(self.(*Hash))
	out.def, out.defProc = nil, nil
	for _, k := range a {
		out.del(k)
	}
	return out
}

func hashMerge(m *Env, self Value, a []Value, blk *Proc) Value {
	return hashUpdate(m, m.copyHash(self.(*Hash)), a, blk)
}

func hashCompact(m *Env, self Value, _ []Value, _ *Proc) Value {
	out := m.newHash()
	self.(*Hash).each(func(k, v Value) {
		if v != nil {
			m.hashSet(out, k, v)
		}
	})
	return out
}

func hashInvert(m *Env, self Value, _ []Value, _ *Proc) Value {
	out := m.newHash()
	self.(*Hash).each(func(k, v Value) { m.hashSet(out, v, k) })
	return out
}

func hashTransformValues(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	out := m.newHash()
	self.(*Hash).each(func(k, v Value) { m.hashSet(out, k, m.yield1(blk, v)) })
	return out
}

func hashTransformKeys(m *Env, self Value, a []Value, blk *Proc) Value {
	var names *Hash
	if len(a) > 0 {
		names = m.hashArg(a[0])
	} else if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	out := m.newHash()
	self.(*Hash).each(func(k, v Value) {
		if names != nil {
			if to, ok := names.get(k); ok {
				m.hashSet(out, to, v)
				return
			}
		}
		if blk != nil {
			k = m.yield1(blk, k)
		}
		m.hashSet(out, k, v)
	})
	return out
}

func hashFlatten(m *Env, self Value, a []Value, _ *Proc) Value {
	depth := 1
	if len(a) > 0 {
		depth = m.int(a[0])
	}
	pairs := m.array(m.toArray(self))
	if depth == 0 {
		return pairs
	}
	out, _ := m.flatten(nil, pairs, depth, nil)
	return m.array(out)
}
