package ruby

// arraySetMethods treat arrays as sets.
func arraySetMethods() table {
	return table{
		"-":            {arrMinus, 1, 1, false},
		"difference":   {arrDifference, 0, -1, false},
		"&":            {arrAnd, 1, 1, false},
		"intersection": {arrIntersection, 0, -1, false},
		"|":            {arrOr, 1, 1, false},
		"union":        {arrUnion, 0, -1, false},
		"intersect?": {func(m *Env, self Value, a []Value, _ *Proc) Value {
			return len(arrAnd(m, self, a, nil).(*Array).v) > 0
		}, 1, 1, false},
	}
}

func (m *Env) setOf(list []Value) *Hash {
	h := m.newHash()
	for _, v := range list {
		m.hashSet(h, v, true)
	}
	return h
}

func arrMinus(m *Env, self Value, a []Value, _ *Proc) Value {
	gone := m.setOf(m.listArg(a[0]).v)
	var out []Value
	for _, v := range self.(*Array).v {
		if _, ok := gone.get(v); !ok {
			out = append(out, v)
		}
	}
	return m.array(out)
}

func arrDifference(m *Env, self Value, a []Value, _ *Proc) Value {
	out := Value(m.list(self.(*Array).v...))
	for _, v := range a {
		out = arrMinus(m, out, []Value{v}, nil)
	}
	return out
}

func arrAnd(m *Env, self Value, a []Value, _ *Proc) Value {
	both := m.setOf(m.listArg(a[0]).v)
	var out []Value
	for _, v := range self.(*Array).v {
		if _, ok := both.del(v); ok {
			out = append(out, v)
		}
	}
	return m.array(out)
}

func arrIntersection(m *Env, self Value, a []Value, _ *Proc) Value {
	if len(a) == 0 {
		return m.list(self.(*Array).v...)
	}
	out := Value(m.array(m.uniq(self.(*Array).v, nil)))
	for _, v := range a {
		out = arrAnd(m, out, []Value{v}, nil)
	}
	return out
}

func arrOr(m *Env, self Value, a []Value, _ *Proc) Value {
	return m.array(m.uniq(append(append([]Value(nil), self.(*Array).v...), m.listArg(a[0]).v...), nil))
}

func arrUnion(m *Env, self Value, a []Value, _ *Proc) Value {
	all := append([]Value(nil), self.(*Array).v...)
	for _, v := range a {
		all = append(all, m.listArg(v).v...)
	}
	return m.array(m.uniq(all, nil))
}

// arrayOrderMethods are those that Array has faster or otherwise than Enumerable.
func arrayOrderMethods() table {
	return table{
		"each_slice": {enumEachSlice, 1, 1, false},
		"transpose":  {arrTranspose, 0, 0, false},
	}
}

// arrayMixMethods combine elements.
func arrayMixMethods() table {
	return table{
		"product":     {arrProduct, 0, -1, false},
		"combination": {arrCombination, 1, 1, false},
		"permutation": {arrPermutation, 0, 1, false},
	}
}

func arrTranspose(m *Env, self Value, _ []Value, _ *Proc) Value {
	rows := self.(*Array).v
	var out [][]Value
	for i, v := range rows {
		row := m.listArg(v).v
		if i == 0 {
			out = make([][]Value, len(row))
		}
		if len(row) != len(out) {
			m.raise("IndexError", "element size differs (%d should be %d)", len(row), len(out))
		}
		for j, e := range row {
			out[j] = append(out[j], e)
		}
	}
	return m.arrays(out)
}

func (m *Env) arrays(lists [][]Value) *Array {
	out := make([]Value, len(lists))
	for i, l := range lists {
		out[i] = m.array(l)
	}
	return m.array(out)
}

func arrProduct(m *Env, self Value, a []Value, blk *Proc) Value {
	if blk != nil {
		m.unsupported("product with a block", "use product(…).each")
	}
	out := [][]Value{{}}
	lists := [][]Value{self.(*Array).v}
	for _, v := range a {
		lists = append(lists, m.listArg(v).v)
	}
	for _, list := range lists {
		m.room(64*max(len(list), 1), len(out))
		var next [][]Value
		for _, head := range out {
			for _, v := range list {
				m.charge(16 * (len(head) + 1))
				next = append(next, append(append([]Value(nil), head...), v))
			}
		}
		out = next
	}
	return m.arrays(out)
}

// each row of a combinatorial method goes to the block, or makes an enumerator.
func (m *Env) rows(self Value, rows [][]Value, blk *Proc) Value {
	if blk == nil {
		return &enumerator{recv: m.arrays(rows), name: "each", opaque: true}
	}
	for _, row := range rows {
		m.yield1(blk, m.array(row))
	}
	return self
}

func arrCombination(m *Env, self Value, a []Value, blk *Proc) Value {
	list, n := self.(*Array).v, m.int(a[0])
	var out [][]Value
	var pick func(from int, row []Value)
	pick = func(from int, row []Value) {
		m.step()
		if len(row) == n {
			m.charge(16*n + 32)
			out = append(out, append([]Value(nil), row...))
			return
		}
		for i := from; i < len(list); i++ {
			pick(i+1, append(row, list[i]))
		}
	}
	if n >= 0 && n <= len(list) {
		pick(0, nil)
	}
	return m.rows(self, out, blk)
}

func arrPermutation(m *Env, self Value, a []Value, blk *Proc) Value {
	list := self.(*Array).v
	n := len(list)
	if len(a) > 0 && a[0] != nil {
		n = m.int(a[0])
	}
	var out [][]Value
	used := make([]bool, len(list))
	var pick func(row []Value)
	pick = func(row []Value) {
		m.step()
		if len(row) == n {
			m.charge(16*n + 32)
			out = append(out, append([]Value(nil), row...))
			return
		}
		for i, v := range list {
			if !used[i] {
				used[i] = true
				pick(append(row, v))
				used[i] = false
			}
		}
	}
	if n >= 0 && n <= len(list) {
		pick(nil)
	}
	return m.rows(self, out, blk)
}
