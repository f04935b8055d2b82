package ruby

// hashMethods are the plain ones of Hash.
func hashMethods() table {
	return table{
		"[]":       {func(m *Env, self Value, a []Value, _ *Proc) Value { return m.hashGet(self.(*Hash), a[0]) }, 1, 1, false},
		"dig":      {objDig, 1, -1, false},
		"fetch":    {hashFetch, 1, 2, false},
		"key?":     {hashHas, 1, 1, false},
		"has_key?": {hashHas, 1, 1, false}, "include?": {hashHas, 1, 1, false}, "member?": {hashHas, 1, 1, false},
		"value?":       {hashHasValue, 1, 1, false},
		"has_value?":   {hashHasValue, 1, 1, false},
		"key":          {hashKeyOf, 1, 1, false},
		"keys":         {hashKeys, 0, 0, false},
		"values":       {hashValues, 0, 0, false},
		"length":       {hashLength, 0, 0, false},
		"size":         {hashLength, 0, 0, false},
		"empty?":       {func(_ *Env, self Value, _ []Value, _ *Proc) Value { return self.(*Hash).len() == 0 }, 0, 0, false},
		"to_h":         {hashToH, 0, 0, false},
		"to_hash":      {func(_ *Env, self Value, _ []Value, _ *Proc) Value { return self }, 0, 0, false},
		"each":         {hashEach, 0, 0, false},
		"each_pair":    {hashEach, 0, 0, false},
		"each_key":     {hashEachKey, 0, 0, false},
		"each_value":   {hashEachValue, 0, 0, false},
		"default":      {func(_ *Env, self Value, _ []Value, _ *Proc) Value { return self.(*Hash).def }, 0, 1, false},
		"values_at":    {hashValuesAt, 0, -1, false},
		"fetch_values": {hashFetchValues, 0, -1, false},
		"assoc":        {hashAssoc, 1, 1, false},
		"to_proc":      {func(m *Env, self Value, _ []Value, _ *Proc) Value { return m.toProc(self) }, 0, 0, false},
		"any?":         {hashAny, 0, 1, false},
		"<=":           {hashSubset, 1, 1, false},
		">=":           {func(m *Env, self Value, a []Value, _ *Proc) Value { return hashSubset(m, a[0], []Value{self}, nil) }, 1, 1, false},
		"lazy":         {refused("lazy", "leave it out"), 0, 0, false},
	}
}

func hashFetch(m *Env, self Value, a []Value, blk *Proc) Value {
	if v, ok := self.(*Hash).get(a[0]); ok {
		return v
	}
	switch {
	case blk != nil:
		return m.yield1(blk, a[0])
	case len(a) == 2:
		return a[1]
	}
	m.raise("KeyError", "key not found: %s", m.inspect(a[0]))
	return nil
}

func hashHas(_ *Env, self Value, a []Value, _ *Proc) Value {
	_, ok := self.(*Hash).get(a[0])
	return ok
}

func hashHasValue(m *Env, self Value, a []Value, _ *Proc) Value {
	found := false
	self.(*Hash).eachWhile(func(_, v Value) bool { found = m.eq(v, a[0]); return !found })
	return found
}

func hashKeyOf(m *Env, self Value, a []Value, _ *Proc) Value {
	var key Value
	self.(*Hash).eachWhile(func(k, v Value) bool {
		if m.eq(v, a[0]) {
			key = k
			return false
		}
		return true
	})
	return key
}

func hashKeys(m *Env, self Value, _ []Value, _ *Proc) Value {
	var out []Value
	self.(*Hash).each(func(k, _ Value) { out = append(out, k) })
	return m.array(out)
}

func hashValues(m *Env, self Value, _ []Value, _ *Proc) Value {
	var out []Value
	self.(*Hash).each(func(_, v Value) { out = append(out, v) })
	return m.array(out)
}

func hashLength(_ *Env, self Value, _ []Value, _ *Proc) Value { return int64(self.(*Hash).len()) }

func hashToH(m *Env, self Value, _ []Value, blk *Proc) Value {
	if blk == nil {
		return self
	}
	out := m.newHash()
	self.(*Hash).each(func(k, v Value) { m.storePair(out, m.yieldPair(blk, k, v), 0, true) })
	return out
}

// yieldPair calls a block with a key and a value.
func (m *Env) yieldPair(blk *Proc, k, v Value) Value { return m.yield2(blk, k, v) }

func hashEach(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	self.(*Hash).each(func(k, v Value) {
		if b := blk.block; b != nil && !blk.lambda && b.simple && len(b.params.req) > 1 {
			m.yield2(blk, k, v) // saves the pair, which would be taken apart at once
			return
		}
		m.yield1(blk, m.list(k, v))
	})
	return self
}

func hashEachKey(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	self.(*Hash).each(func(k, _ Value) { m.yield1(blk, k) })
	return self
}

func hashEachValue(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	self.(*Hash).each(func(_, v Value) { m.yield1(blk, v) })
	return self
}

func hashValuesAt(m *Env, self Value, a []Value, _ *Proc) Value {
	out := make([]Value, len(a))
	for i, k := range a {
		out[i] = m.hashGet(self.(*Hash), k)
	}
	return m.array(out)
}

func hashFetchValues(m *Env, self Value, a []Value, blk *Proc) Value {
	out := make([]Value, len(a))
	for i := range a {
		out[i] = hashFetch(m, self, a[i:i+1], blk)
	}
	return m.array(out)
}

func hashAssoc(m *Env, self Value, a []Value, _ *Proc) Value {
	if v, ok := self.(*Hash).get(a[0]); ok {
		return m.list(a[0], v)
	}
	return nil
}

func hashAny(m *Env, self Value, a []Value, blk *Proc) Value {
	h := self.(*Hash)
	if len(a) == 0 && blk == nil {
		return h.len() > 0
	}
	return enumAny(m, self, a, blk)
}

func hashSubset(m *Env, self Value, a []Value, _ *Proc) Value {
	h, other := m.hashArg(self), m.hashArg(a[0])
	all := true
	h.eachWhile(func(k, v Value) bool {
		x, ok := other.get(k)
		all = ok && m.eq(v, x)
		return all
	})
	return all
}
