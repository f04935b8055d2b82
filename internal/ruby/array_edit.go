package ruby

// arrayEditMethods change the array.
func arrayEditMethods() table {
	inPlace := func(f fn, nilWhenSame bool) fn { return arrInPlace(f, nilWhenSame) }
	return table{
		"[]=":       {arrSetAt, 2, 3, false},
		"<<":        {arrPush, 1, 1, false},
		"push":      {arrPush, 0, -1, false},
		"append":    {arrPush, 0, -1, false},
		"pop":       {arrPop, 0, 1, false},
		"shift":     {arrShift, 0, 1, false},
		"unshift":   {arrUnshift, 0, -1, false},
		"prepend":   {arrUnshift, 0, -1, false},
		"insert":    {arrInsert, 1, -1, false},
		"concat":    {arrConcat, 0, -1, false},
		"delete":    {arrDelete, 1, 1, false},
		"delete_at": {arrDeleteAt, 1, 1, false},
		"slice!":    {arrSliceBang, 1, 2, false},
		"delete_if": {arrDeleteIf, 0, 0, false},
		"reject!":   {arrRejectBang, 0, 0, false},
		"select!":   {arrSelectBang, 0, 0, false},
		"filter!":   {arrSelectBang, 0, 0, false},
		"keep_if":   {arrKeepIf, 0, 0, false},
		"clear":     {arrClear, 0, 0, false},
		"replace":   {arrReplace, 1, 1, false},
		"fill":      {arrFill, 0, 3, false},
		"map!":      {arrMapBang, 0, 0, false},
		"collect!":  {arrMapBang, 0, 0, false},
		"reverse!":  {inPlace(arrReverse, false), 0, 0, false},
		"rotate!":   {inPlace(arrRotate, false), 0, 1, false},
		"sort!":     {inPlace(enumSort, false), 0, 0, false},
		"sort_by!":  {inPlace(enumSortBy, false), 0, 0, false},
		"shuffle!":  {inPlace(arrShuffle, false), 0, 0, false},
		"compact!":  {inPlace(arrCompact, true), 0, 0, false},
		"uniq!":     {inPlace(enumUniq, true), 0, 0, false},
		"flatten!":  {arrFlattenBang, 0, 1, false},
	}
}

// arrInPlace makes the changing form of a method that returns a new array.
func arrInPlace(f fn, nilWhenSame bool) fn {
	return func(m *Env, self Value, a []Value, blk *Proc) Value {
		arr := self.(*Array)
		m.changeable(arr)
		out, ok := f(m, self, a, blk).(*Array)
		if !ok {
			m.unsupported("this method without a block", "")
		}
		same := len(out.v) == len(arr.v)
		arr.v = out.v
		if same && nilWhenSame {
			return nil
		}
		return self
	}
}

func arrFlattenBang(m *Env, self Value, a []Value, _ *Proc) Value {
	arr := self.(*Array)
	m.changeable(arr)
	depth := -1
	if len(a) > 0 && a[0] != nil {
		depth = m.int(a[0])
	}
	out, changed := m.flatten(nil, arr, depth, nil)
	if !changed {
		return nil
	}
	arr.v = out
	return self
}

func arrSetAt(m *Env, self Value, a []Value, _ *Proc) Value {
	arr := self.(*Array)
	m.changeable(arr)
	v := a[len(a)-1]
	if len(a) == 3 {
		m.splice(arr, m.int(a[0]), m.int(a[1]), v)
		return v
	}
	if r, ok := a[0].(*Range); ok {
		m.spliceRange(arr, r, v)
		return v
	}
	i := m.int(a[0])
	if i < 0 {
		if i += len(arr.v); i < 0 {
			m.raise("IndexError", "index %d too small for array; minimum: -%d", i-len(arr.v), len(arr.v))
		}
	}
	m.grow(arr, i+1)
	arr.v[i] = v
	return v
}

// grow makes an array at least n long.
func (m *Env) grow(arr *Array, n int) {
	if n <= len(arr.v) {
		return
	}
	m.room(16, n-len(arr.v))
	m.charge(16 * (n - len(arr.v)))
	for len(arr.v) < n {
		arr.v = append(arr.v, nil)
	}
}

func (m *Env) splice(arr *Array, start, n int, v Value) {
	if n < 0 {
		m.raise("IndexError", "negative length (%d)", n)
	}
	if start < 0 {
		if start += len(arr.v); start < 0 {
			m.raise("IndexError", "index %d too small for array; minimum: -%d", start-len(arr.v), len(arr.v))
		}
	}
	m.grow(arr, start)
	list := []Value{v}
	if other, ok := v.(*Array); ok {
		list = other.v
	}
	end := start + min(n, len(arr.v)-start)
	tail := append([]Value(nil), arr.v[end:]...)
	out := append([]Value(nil), arr.v[:start]...)
	m.charge(16 * len(list))
	arr.v = append(append(out, list...), tail...)
}

func (m *Env) spliceRange(arr *Array, r *Range, v Value) {
	start, end := 0, -1
	if r.lo != nil {
		start = m.int(r.lo)
	}
	if start < 0 {
		if start += len(arr.v); start < 0 {
			m.raise("RangeError", "%s out of range", m.inspect(r))
		}
	}
	excl := r.excl
	if r.hi != nil {
		end = m.int(r.hi)
	} else {
		excl = false
	}
	if end < 0 {
		end += len(arr.v)
	}
	if !excl {
		end++
	}
	m.splice(arr, start, max(end-start, 0), v)
}

func arrPush(m *Env, self Value, a []Value, _ *Proc) Value {
	arr := self.(*Array)
	m.changeable(arr)
	m.charge(16 * len(a))
	arr.v = append(arr.v, a...)
	return self
}

func arrPop(m *Env, self Value, a []Value, _ *Proc) Value {
	arr := self.(*Array)
	m.changeable(arr)
	if len(a) > 0 {
		n := min(m.countArg(a[0], "negative array size"), len(arr.v))
		out := m.list(arr.v[len(arr.v)-n:]...)
		arr.v = arr.v[:len(arr.v)-n]
		return out
	}
	if len(arr.v) == 0 {
		return nil
	}
	v := arr.v[len(arr.v)-1]
	arr.v = arr.v[:len(arr.v)-1]
	return v
}

func arrShift(m *Env, self Value, a []Value, _ *Proc) Value {
	arr := self.(*Array)
	m.changeable(arr)
	if len(a) > 0 {
		n := min(m.countArg(a[0], "negative array size"), len(arr.v))
		out := m.list(arr.v[:n]...)
		arr.v = append([]Value(nil), arr.v[n:]...)
		return out
	}
	if len(arr.v) == 0 {
		return nil
	}
	v := arr.v[0]
	arr.v = append([]Value(nil), arr.v[1:]...)
	m.charge(16 * len(arr.v))
	return v
}

func arrUnshift(m *Env, self Value, a []Value, _ *Proc) Value {
	arr := self.(*Array)
	m.changeable(arr)
	m.charge(16 * (len(a) + len(arr.v)))
	arr.v = append(append([]Value(nil), a...), arr.v...)
	return self
}

func arrInsert(m *Env, self Value, a []Value, _ *Proc) Value {
	arr := self.(*Array)
	m.changeable(arr)
	i := m.int(a[0])
	if len(a) == 1 {
		return self
	}
	if i < 0 {
		if i += len(arr.v) + 1; i < 0 {
			m.raise("IndexError", "index %d too small for array; minimum: -%d", i-len(arr.v)-1, len(arr.v)+1)
		}
	}
	m.splice(arr, i, 0, m.list(a[1:]...))
	return self
}

func arrConcat(m *Env, self Value, a []Value, _ *Proc) Value {
	arr := self.(*Array)
	m.changeable(arr)
	var more []Value
	for _, v := range a {
		more = append(more, m.listArg(v).v...)
	}
	m.charge(16 * len(more))
	arr.v = append(arr.v, more...)
	return self
}

func arrDelete(m *Env, self Value, a []Value, blk *Proc) Value {
	arr := self.(*Array)
	var gone Value
	found := false
	var kept []Value
	for _, v := range arr.v {
		if m.eq(v, a[0]) {
			gone, found = v, true
		} else {
			kept = append(kept, v)
		}
	}
	if !found {
		if blk != nil {
			return m.yield1(blk, a[0])
		}
		return nil
	}
	m.changeable(arr)
	arr.v = kept
	return gone
}

func arrDeleteAt(m *Env, self Value, a []Value, _ *Proc) Value {
	arr, i := self.(*Array), m.int(a[0])
	m.changeable(arr)
	if i < 0 {
		i += len(arr.v)
	}
	if i < 0 || i >= len(arr.v) {
		return nil
	}
	v := arr.v[i]
	arr.v = append(append([]Value(nil), arr.v[:i]...), arr.v[i+1:]...)
	return v
}

func arrSliceBang(m *Env, self Value, a []Value, _ *Proc) Value {
	arr := self.(*Array)
	m.changeable(arr)
	_, isRange := a[0].(*Range)
	if len(a) == 1 && !isRange {
		return arrDeleteAt(m, self, a, nil)
	}
	got := arrAt(m, self, a, nil)
	part, ok := got.(*Array)
	if !ok {
		return nil
	}
	start := 0
	if r, ok := a[0].(*Range); ok {
		start, _, _ = m.spanOf(r, len(arr.v))
	} else if start = m.int(a[0]); start < 0 {
		start += len(arr.v)
	}
	m.splice(arr, start, len(part.v), m.array(nil))
	return got
}

// keep keeps the elements for which the block gives want.
func (m *Env) keep(arr *Array, blk *Proc, want bool) (changed bool) {
	m.changeable(arr)
	var kept []Value
	for i := 0; i < len(arr.v); i++ {
		if truthy(m.yield1(blk, arr.v[i])) == want {
			kept = append(kept, arr.v[i])
		}
	}
	changed = len(kept) != len(arr.v)
	arr.v = kept
	return changed
}

func arrDeleteIf(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	m.keep(self.(*Array), blk, false)
	return self
}

func arrKeepIf(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	m.keep(self.(*Array), blk, true)
	return self
}

func arrRejectBang(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	if !m.keep(self.(*Array), blk, false) {
		return nil
	}
	return self
}

func arrSelectBang(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	if !m.keep(self.(*Array), blk, true) {
		return nil
	}
	return self
}

func arrClear(m *Env, self Value, _ []Value, _ *Proc) Value {
	m.changeable(self)
	self.(*Array).v = nil
	return self
}

func arrReplace(m *Env, self Value, a []Value, _ *Proc) Value {
	m.changeable(self)
	self.(*Array).v = append([]Value(nil), m.listArg(a[0]).v...)
	return self
}

func arrFill(m *Env, self Value, a []Value, blk *Proc) Value {
	arr := self.(*Array)
	m.changeable(arr)
	if len(a) != 1 || blk != nil {
		m.unsupported("fill with a block or a range", "use map")
	}
	for i := range arr.v {
		arr.v[i] = a[0]
	}
	return self
}

func arrMapBang(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	arr := self.(*Array)
	m.changeable(arr)
	for i := 0; i < len(arr.v); i++ {
		arr.v[i] = m.yield1(blk, arr.v[i])
	}
	return self
}
