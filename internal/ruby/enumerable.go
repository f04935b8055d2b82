package ruby

// enumerableMethods are those of Enumerable.
func enumerableMethods() table {
	return table{
		"to_a":             {func(m *Env, self Value, _ []Value, _ *Proc) Value { return m.list(m.toArray(self)...) }, 0, 0, false},
		"entries":          {func(m *Env, self Value, _ []Value, _ *Proc) Value { return m.list(m.toArray(self)...) }, 0, 0, false},
		"map":              {enumMap, 0, 0, false},
		"collect":          {enumMap, 0, 0, false},
		"flat_map":         {enumFlatMap, 0, 0, false},
		"collect_concat":   {enumFlatMap, 0, 0, false},
		"filter_map":       {enumFilterMap, 0, 0, false},
		"select":           {enumSelect, 0, 0, false},
		"filter":           {enumSelect, 0, 0, false},
		"find_all":         {enumSelect, 0, 0, false},
		"reject":           {enumReject, 0, 0, false},
		"each_with_index":  {enumEachWithIndex, 0, 0, false},
		"each_with_object": {enumEachWithObject, 1, 1, false},
		"each_entry":       {enumEachEntry, 0, 0, false},
		"reverse_each":     {enumReverseEach, 0, 0, false},
		"reduce":           {enumReduce, 0, 2, false},
		"inject":           {enumReduce, 0, 2, false},
		"sum":              {enumSum, 0, 1, false},
		"count":            {enumCount, 0, 1, false},
		"find":             {enumFind, 0, 1, false},
		"detect":           {enumFind, 0, 1, false},
		"find_index":       {enumFindIndex, 0, 1, false},
		"any?":             {enumAny, 0, 1, false},
		"all?":             {enumAll, 0, 1, false},
		"none?":            {enumNone, 0, 1, false},
		"one?":             {enumOne, 0, 1, false},
		"include?":         {enumInclude, 1, 1, false},
		"member?":          {enumInclude, 1, 1, false},
		"first":            {enumFirst, 0, 1, false},
		"take":             {enumTake, 1, 1, false},
		"take_while":       {enumTakeWhile, 0, 0, false},
		"drop":             {enumDrop, 1, 1, false},
		"drop_while":       {enumDropWhile, 0, 0, false},
		"to_h":             {enumToH, 0, 0, false},
		"group_by":         {enumGroupBy, 0, 0, false},
		"partition":        {enumPartition, 0, 0, false},
		"chunk_while":      {enumChunkWhile, 0, 0, false},
		"slice_when":       {enumSliceWhen, 0, 0, false},
		"each_slice":       {enumEachSlice, 1, 1, false},
		"each_cons":        {enumEachCons, 1, 1, false},
		"zip":              {enumZip, 0, -1, false},
		"tally":            {enumTally, 0, 0, false},
		"uniq":             {enumUniq, 0, 0, false},
		"min":              {enumMin, 0, 1, false},
		"max":              {enumMax, 0, 1, false},
		"minmax":           {enumMinMax, 0, 0, false},
		"min_by":           {enumMinBy, 0, 1, false},
		"max_by":           {enumMaxBy, 0, 1, false},
		"minmax_by":        {enumMinMaxBy, 0, 0, false},
		"sort":             {enumSort, 0, 0, false},
		"sort_by":          {enumSortBy, 0, 0, false},
		"grep":             {enumGrep, 1, 1, false},
		"grep_v":           {enumGrepV, 1, 1, false},
	}
}

func enumMap(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	var out []Value
	m.eachMulti(self, func(args []Value) bool {
		out = append(out, m.yield(blk, args...))
		m.charge(16)
		return true
	})
	return m.array(out)
}

func enumFlatMap(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	var out []Value
	m.eachMulti(self, func(args []Value) bool {
		got := m.yield(blk, args...)
		if arr, ok := got.(*Array); ok {
			m.charge(16 * len(arr.v))
			out = append(out, arr.v...)
		} else {
			out = append(out, got)
		}
		return true
	})
	return m.array(out)
}

func enumFilterMap(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	var out []Value
	m.eachMulti(self, func(args []Value) bool {
		if got := m.yield(blk, args...); truthy(got) {
			out = append(out, got)
		}
		return true
	})
	return m.array(out)
}

func (m *Env) chosen(self Value, blk *Proc, want bool) Value {
	var out []Value
	m.eachOf(self, func(v Value) bool {
		if truthy(m.yield1(blk, v)) == want {
			out = append(out, v)
		}
		return true
	})
	return m.array(out)
}

func enumSelect(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	return m.chosen(self, blk, true)
}

func enumReject(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	return m.chosen(self, blk, false)
}

func enumEachWithIndex(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	i := int64(0)
	m.eachOf(self, func(v Value) bool {
		m.yield2(blk, v, i)
		i++
		return true
	})
	return self
}

func enumEachWithObject(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	memo := a[0]
	m.eachOf(self, func(v Value) bool {
		m.yield2(blk, v, memo)
		return true
	})
	return memo
}

func enumEachEntry(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	m.eachOf(self, func(v Value) bool {
		m.yield1(blk, v)
		return true
	})
	return self
}

func enumReverseEach(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	list := append([]Value(nil), m.toArray(self)...)
	for i := len(list) - 1; i >= 0; i-- {
		m.yield1(blk, list[i])
	}
	return self
}

func enumReduce(m *Env, self Value, a []Value, blk *Proc) Value {
	var memo Value
	started := false
	step := func(memo, v Value) Value {
		if blk == nil {
			m.raise("LocalJumpError", "no block given")
		}
		return m.yield2(blk, memo, v)
	}
	switch {
	case len(a) == 2:
		memo, started = a[0], true
		step = m.operator(a[1])
	case len(a) == 1 && blk == nil:
		step = m.operator(a[0])
	case len(a) == 1:
		memo, started = a[0], true
	}
	m.eachOf(self, func(v Value) bool {
		if !started {
			memo, started = v, true
			return true
		}
		memo = step(memo, v)
		return true
	})
	return memo
}

// operator is the method that reduce(:+) names.
func (m *Env) operator(v Value) func(memo, v Value) Value {
	name := m.name(v)
	return func(memo, v Value) Value { return m.send(memo, name, v) }
}

func enumCount(m *Env, self Value, a []Value, blk *Proc) Value {
	n := int64(0)
	m.eachMulti(self, func(args []Value) bool {
		switch {
		case len(a) > 0:
			if m.eq(m.packed(args), a[0]) {
				n++
			}
		case blk == nil || truthy(m.yield(blk, args...)):
			n++
		}
		return true
	})
	return n
}

func enumFind(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	var found Value
	hit := false
	m.eachOf(self, func(v Value) bool {
		if truthy(m.yield1(blk, v)) {
			found, hit = v, true
		}
		return !hit
	})
	if !hit && len(a) > 0 && a[0] != nil {
		return m.send(a[0], "call")
	}
	return found
}

func enumFindIndex(m *Env, self Value, a []Value, blk *Proc) Value {
	if len(a) == 0 {
		if e, ok := m.enumOr(self, a, blk); ok {
			return e
		}
	}
	i, hit := int64(0), false
	m.eachMulti(self, func(args []Value) bool {
		if len(a) > 0 {
			hit = m.eq(m.packed(args), a[0])
		} else {
			hit = truthy(m.yield(blk, args...))
		}
		if !hit {
			i++
		}
		return !hit
	})
	if !hit {
		return nil
	}
	return i
}

// tester is what any?, all? and so on ask of each element.
func (m *Env) tester(a []Value, blk *Proc) func(args []Value) bool {
	switch {
	case len(a) > 0:
		return func(args []Value) bool { return m.caseEq(a[0], m.packed(args)) }
	case blk != nil:
		return func(args []Value) bool { return truthy(m.yield(blk, args...)) }
	}
	return func(args []Value) bool { return truthy(m.packed(args)) }
}

func enumAny(m *Env, self Value, a []Value, blk *Proc) Value {
	test, found := m.tester(a, blk), false
	m.eachMulti(self, func(args []Value) bool { found = test(args); return !found })
	return found
}

func enumAll(m *Env, self Value, a []Value, blk *Proc) Value {
	test, all := m.tester(a, blk), true
	m.eachMulti(self, func(args []Value) bool { all = test(args); return all })
	return all
}

func enumNone(m *Env, self Value, a []Value, blk *Proc) Value {
	return !enumAny(m, self, a, blk).(bool)
}

func enumOne(m *Env, self Value, a []Value, blk *Proc) Value {
	test, n := m.tester(a, blk), 0
	m.eachMulti(self, func(args []Value) bool {
		if test(args) {
			n++
		}
		return n < 2
	})
	return n == 1
}

func enumInclude(m *Env, self Value, a []Value, _ *Proc) Value {
	found := false
	m.eachOf(self, func(v Value) bool { found = m.eq(v, a[0]); return !found })
	return found
}
