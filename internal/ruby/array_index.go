package ruby

// arrayIndexMethods look elements up.
func arrayIndexMethods() table {
	return table{
		"[]":         {arrAt, 1, 2, false},
		"slice":      {arrAt, 1, 2, false},
		"at":         {func(m *Env, self Value, a []Value, _ *Proc) Value { return m.elem(self.(*Array), m.int(a[0])) }, 1, 1, false},
		"dig":        {objDig, 1, -1, false},
		"fetch":      {arrFetch, 1, 2, false},
		"values_at":  {arrValuesAt, 0, -1, false},
		"first":      {arrFirst, 0, 1, false},
		"last":       {arrLast, 0, 1, false},
		"index":      {arrIndex, 0, 1, false},
		"find_index": {arrIndex, 0, 1, false},
		"rindex":     {arrRindex, 0, 1, false},
		"assoc":      {arrAssoc, 1, 1, false},
		"rassoc":     {arrRassoc, 1, 1, false},
		"bsearch":    {refused("bsearch", "use find"), 0, 0, false},
	}
}

// elem is the element at an index that may count from the end.
func (m *Env) elem(arr *Array, i int) Value {
	if i < 0 {
		i += len(arr.v)
	}
	if i < 0 || i >= len(arr.v) {
		return nil
	}
	return arr.v[i]
}

func arrAt(m *Env, self Value, a []Value, _ *Proc) Value {
	arr := self.(*Array)
	if len(a) == 2 {
		return m.subArray(arr, m.int(a[0]), m.int(a[1]))
	}
	if r, ok := a[0].(*Range); ok {
		start, n, ok := m.spanOf(r, len(arr.v))
		if !ok {
			return nil
		}
		return m.subArray(arr, start, n)
	}
	if n, ok := a[0].(int64); ok {
		return m.elem(arr, int(n))
	}
	return m.elem(arr, m.int(a[0]))
}

func (m *Env) subArray(arr *Array, start, n int) Value {
	if start < 0 {
		start += len(arr.v)
	}
	if start < 0 || start > len(arr.v) || n < 0 {
		return nil
	}
	return m.list(arr.v[start : start+min(n, len(arr.v)-start)]...)
}

// spanOf is where a range of indexes begins in something of a given length, and
// how long it is; ok is false when it begins outside.
func (m *Env) spanOf(r *Range, length int) (start, n int, ok bool) {
	end := -1
	excl := r.excl
	if r.lo != nil {
		start = m.int(r.lo)
	}
	if r.hi != nil {
		end = m.int(r.hi)
	} else {
		excl = false
	}
	if start < 0 {
		start += length
		if start < 0 {
			return 0, 0, false
		}
	}
	if start > length {
		return 0, 0, false
	}
	if end < 0 {
		end += length
	}
	if !excl {
		end++
	}
	return start, max(min(end, length)-start, 0), true
}

// dig follows keys and indexes as long as there is something.
func objDig(m *Env, self Value, a []Value, _ *Proc) Value {
	for i, k := range a {
		switch v := self.(type) {
		case *Hash:
			self = m.hashGet(v, k)
		case *Array:
			self = m.elem(v, m.int(k))
		case nil:
			return nil
		default:
			_ = i
			m.raise("TypeError", "%s does not have #dig method", className(v))
		}
	}
	return self
}

func arrFetch(m *Env, self Value, a []Value, blk *Proc) Value {
	arr, i := self.(*Array), m.int(a[0])
	at := i
	if at < 0 {
		at += len(arr.v)
	}
	if at >= 0 && at < len(arr.v) {
		return arr.v[at]
	}
	switch {
	case blk != nil:
		return m.yield1(blk, a[0])
	case len(a) == 2:
		return a[1]
	}
	m.raise("IndexError", "index %d outside of array bounds: %d...%d", i, -len(arr.v), len(arr.v))
	return nil
}

func arrValuesAt(m *Env, self Value, a []Value, _ *Proc) Value {
	arr := self.(*Array)
	var out []Value
	for _, i := range a {
		r, ok := i.(*Range)
		if !ok {
			out = append(out, m.elem(arr, m.int(i)))
			continue
		}
		start, n, ok := m.spanOf(r, len(arr.v))
		if !ok {
			continue
		}
		out = append(out, arr.v[start:start+n]...)
		if r.hi != nil {
			hi := m.int(r.hi)
			if !r.excl {
				hi++
			}
			m.room(16, max(hi-start, 0))
			for j := start + n; j < hi; j++ {
				out = append(out, nil)
			}
		}
	}
	return m.list(out...)
}

func arrFirst(m *Env, self Value, a []Value, _ *Proc) Value {
	list := self.(*Array).v
	if len(a) == 0 {
		return m.elem(self.(*Array), 0)
	}
	return m.list(list[:min(m.countArg(a[0], "negative array size"), len(list))]...)
}

func arrLast(m *Env, self Value, a []Value, _ *Proc) Value {
	list := self.(*Array).v
	if len(a) == 0 {
		return m.elem(self.(*Array), -1)
	}
	return m.list(list[len(list)-min(m.countArg(a[0], "negative array size"), len(list)):]...)
}

func arrIndex(m *Env, self Value, a []Value, blk *Proc) Value {
	if len(a) == 0 {
		if e, ok := m.enumOr(self, a, blk); ok {
			return e
		}
	}
	arr := self.(*Array)
	for i := 0; i < len(arr.v); i++ {
		if m.isSought(arr.v[i], a, blk) {
			return int64(i)
		}
	}
	return nil
}

func (m *Env) isSought(v Value, a []Value, blk *Proc) bool {
	m.step()
	if len(a) > 0 {
		return m.eq(v, a[0])
	}
	return truthy(m.yield1(blk, v))
}

func arrRindex(m *Env, self Value, a []Value, blk *Proc) Value {
	if len(a) == 0 {
		if e, ok := m.enumOr(self, a, blk); ok {
			return e
		}
	}
	arr := self.(*Array)
	for i := len(arr.v) - 1; i >= 0; i-- {
		if i < len(arr.v) && m.isSought(arr.v[i], a, blk) {
			return int64(i)
		}
	}
	return nil
}

func (m *Env) assocAt(self, key Value, at int) Value {
	for _, v := range self.(*Array).v {
		if pair, ok := v.(*Array); ok && len(pair.v) > at && m.eq(pair.v[at], key) {
			return pair
		}
	}
	return nil
}

func arrAssoc(m *Env, self Value, a []Value, _ *Proc) Value { return m.assocAt(self, a[0], 0) }

func arrRassoc(m *Env, self Value, a []Value, _ *Proc) Value { return m.assocAt(self, a[0], 1) }
