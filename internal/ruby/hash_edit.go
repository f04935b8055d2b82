package ruby

// hashEditMethods change the hash.
func hashEditMethods() table {
	return table{
		"[]=":     {hashStore, 2, 2, false},
		"store":   {hashStore, 2, 2, false},
		"delete":  {hashDelete, 1, 1, false},
		"merge!":  {hashUpdate, 0, -1, false},
		"update":  {hashUpdate, 0, -1, false},
		"replace": {hashReplace, 1, 1, false},
		"clear":   {hashClear, 0, 0, false},
		"shift":   {hashShift, 0, 0, false},
		"default=": {func(m *Env, self Value, a []Value, _ *Proc) Value {
			m.changeable(self)
			self.(*Hash).def, self.(*Hash).defProc = a[0], nil
			return a[0]
		}, 1, 1, false},
		"delete_if":         {hashDeleteIf, 0, 0, false},
		"reject!":           {hashRejectBang, 0, 0, false},
		"keep_if":           {hashKeepIf, 0, 0, false},
		"select!":           {hashSelectBang, 0, 0, false},
		"filter!":           {hashSelectBang, 0, 0, false},
		"compact!":          {hashCompactBang, 0, 0, false},
		"transform_values!": {hashTransformValuesBang, 0, 0, false},
		"transform_keys!":   {hashTransformKeysBang, 0, 1, false},
		"compare_by_identity": {
			refused("compare_by_identity", ""), 0, 0, false,
		},
	}
}

func hashStore(m *Env, self Value, a []Value, _ *Proc) Value {
	m.changeable(self)
	m.hashSet(self.(*Hash), a[0], a[1])
	return a[1]
}

func hashDelete(m *Env, self Value, a []Value, blk *Proc) Value {
	m.changeable(self)
	if v, ok := self.(*Hash).del(a[0]); ok {
		return v
	}
	if blk != nil {
		return m.yield1(blk, a[0])
	}
	return nil
}

func hashUpdate(m *Env, self Value, a []Value, blk *Proc) Value {
	m.changeable(self)
	h := self.(*Hash)
	for _, v := range a {
		m.hashArg(v).each(func(k, v Value) {
			if blk != nil {
				if old, ok := h.get(k); ok {
					v = m.yield(blk, k, old, v)
				}
			}
			m.hashSet(h, k, v)
		})
	}
	return self
}

func hashReplace(m *Env, self Value, a []Value, _ *Proc) Value {
	m.changeable(self)
	h, from := self.(*Hash), m.copyHash(m.hashArg(a[0]))
	h.clear()
	h.entries, h.index, h.live = from.entries, from.index, from.live
	h.def, h.defProc = from.def, from.defProc
	return self
}

func hashClear(m *Env, self Value, _ []Value, _ *Proc) Value {
	m.changeable(self)
	self.(*Hash).clear()
	return self
}

func hashShift(m *Env, self Value, _ []Value, _ *Proc) Value {
	m.changeable(self)
	h := self.(*Hash)
	for _, e := range h.entries {
		if !e.dead {
			h.del(e.key)
			return m.list(e.key, e.val)
		}
	}
	return m.hashDefault(h, nil)
}

// keepPairs keeps the pairs for which the block gives want.
func (m *Env) keepPairs(h *Hash, blk *Proc, want bool) (changed bool) {
	m.changeable(h)
	var gone []Value
	h.each(func(k, v Value) {
		if truthy(m.yieldPair(blk, k, v)) != want {
			gone = append(gone, k)
		}
	})
	for _, k := range gone {
		h.del(k)
	}
	return len(gone) > 0
}

func hashDeleteIf(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	m.keepPairs(self.(*Hash), blk, false)
	return self
}

func hashKeepIf(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	m.keepPairs(self.(*Hash), blk, true)
	return self
}

func hashRejectBang(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	if !m.keepPairs(self.(*Hash), blk, false) {
		return nil
	}
	return self
}

func hashSelectBang(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	if !m.keepPairs(self.(*Hash), blk, true) {
		return nil
	}
	return self
}

func hashCompactBang(m *Env, self Value, _ []Value, _ *Proc) Value {
	m.changeable(self)
	h := self.(*Hash)
	var gone []Value
	h.each(func(k, v Value) {
		if v == nil {
			gone = append(gone, k)
		}
	})
	for _, k := range gone {
		h.del(k)
	}
	if len(gone) == 0 {
		return nil
	}
	return self
}

func hashTransformValuesBang(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	m.changeable(self)
	h := self.(*Hash)
	h.each(func(k, v Value) { h.set(k, m.yield1(blk, v)) })
	return self
}

func hashTransformKeysBang(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok && len(a) == 0 {
		return e
	}
	m.changeable(self)
	out := hashTransformKeys(m, self, a, blk).(*Hash)
	h := self.(*Hash)
	h.entries, h.index, h.live = out.entries, out.index, out.live
	return self
}
