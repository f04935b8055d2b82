package ruby

import (
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

func formatInt(n int) string { return strconv.Itoa(n) }

// ordering compares two elements, with a block or without.
func (m *Env) ordering(blk *Proc) func(a, b Value) int {
	if blk == nil {
		return m.order
	}
	return func(a, b Value) int { return m.sign(m.yield2(blk, a, b), a, b) }
}

// mergeSort sorts as the C library does that Ruby uses on Linux, comparison by
// comparison, so that equal elements and errors come out the same.
func mergeSort[T any](m *Env, list, tmp []T, by func(a, b T) int) {
	if len(list) < 2 {
		return
	}
	half := len(list) / 2
	mergeSort(m, list[:half], tmp, by)
	mergeSort(m, list[half:], tmp, by)
	out := tmp[:0]
	i, j := 0, half
	for i < half && j < len(list) {
		m.step()
		if by(list[i], list[j]) <= 0 {
			out = append(out, list[i])
			i++
		} else {
			out = append(out, list[j])
			j++
		}
	}
	out = append(out, list[i:half]...) // what is left of the right half is in place
	copy(list, out)
}

// sorted sorts a copy.
func (m *Env) sorted(list []Value, by func(a, b Value) int) []Value {
	out := append([]Value(nil), list...)
	mergeSort(m, out, make([]Value, len(out)), by)
	return out
}

func enumSort(m *Env, self Value, _ []Value, blk *Proc) Value {
	return m.array(m.sorted(m.toArray(self), m.ordering(blk)))
}

// keyed is an element with the key that a block gave for it.
type keyed struct{ key, v Value }

func (m *Env) keyedList(self Value, blk *Proc) []keyed {
	var list []keyed
	m.eachOf(self, func(v Value) bool {
		m.charge(32)
		list = append(list, keyed{m.yield1(blk, v), v})
		return true
	})
	return list
}

func (m *Env) sortKeyed(list []keyed) {
	mergeSort(m, list, make([]keyed, len(list)), func(a, b keyed) int { return m.order(a.key, b.key) })
}

func enumSortBy(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	list := m.keyedList(self, blk)
	m.sortKeyed(list)
	return m.array(values(list))
}

func values(list []keyed) []Value {
	out := make([]Value, len(list))
	for i, k := range list {
		out[i] = k.v
	}
	return out
}

// extreme is the first or the n first elements in an order; sign -1 turns it round.
// A block is asked about the new element and the best so far, <=> the other way.
func (m *Env) extreme(self Value, a []Value, blk *Proc, sign int) Value {
	by := m.ordering(blk)
	if n := arg(a, 0); n != nil {
		count := m.countArg(n, "negative size ("+formatInt(m.int(n))+")")
		list := m.sorted(m.toArray(self), by)
		if sign < 0 {
			slices.Reverse(list)
		}
		return m.list(list[:min(count, len(list))]...)
	}
	var best Value
	first := true
	m.eachOf(self, func(v Value) bool {
		switch {
		case first:
			best, first = v, false
		case blk != nil && sign*by(v, best) < 0, blk == nil && sign*by(best, v) > 0:
			best = v
		}
		return true
	})
	return best
}

func enumMin(m *Env, self Value, a []Value, blk *Proc) Value {
	return m.extreme(self, a, blk, 1)
}

func enumMax(m *Env, self Value, a []Value, blk *Proc) Value {
	return m.extreme(self, a, blk, -1)
}

func enumMinMax(m *Env, self Value, a []Value, blk *Proc) Value {
	return m.list(enumMin(m, self, nil, blk), enumMax(m, self, nil, blk))
}

func (m *Env) extremeBy(self Value, a []Value, blk *Proc, sign int) Value {
	count := 0
	n := arg(a, 0)
	if n != nil {
		count = m.countArg(n, "negative size ("+formatInt(m.int(n))+")")
	}
	list := m.keyedList(self, blk)
	if n != nil {
		m.sortKeyed(list)
		if sign < 0 {
			slices.Reverse(list)
		}
		return m.array(values(list[:min(count, len(list))]))
	}
	if len(list) == 0 {
		return nil
	}
	best := list[0]
	for _, one := range list[1:] {
		if sign*m.order(one.key, best.key) < 0 {
			best = one
		}
	}
	return best.v
}

func enumMinBy(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	return m.extremeBy(self, a, blk, 1)
}

func enumMaxBy(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	return m.extremeBy(self, a, blk, -1)
}

func enumMinMaxBy(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	return m.list(m.extremeBy(self, nil, blk, 1), m.extremeBy(self, nil, blk, -1))
}

// enumSum adds as Ruby does: integers exactly, floats with the error carried
// along (Kahan-Babuska), anything else with +.
func enumSum(m *Env, self Value, a []Value, blk *Proc) Value {
	var total Value = int64(0)
	if len(a) > 0 {
		total = a[0]
	}
	s := summer{m: m, total: total}
	m.eachOf(self, func(v Value) bool {
		if blk != nil {
			v = m.yield1(blk, v)
		}
		s.add(v)
		return true
	})
	return s.result()
}

type summer struct {
	m     *Env
	total Value
	float bool // total is in f and c
	plain bool // something that is no number came: only + from here on
	f, c  float64
}

func (s *summer) add(v Value) {
	if s.plain || !isNumber(s.total) && !s.float {
		s.plain = true
		s.total = s.m.send(s.total, "+", v)
		return
	}
	_, vf := v.(float64)
	_, tf := s.total.(float64)
	switch {
	case !isNumber(v):
		s.total = s.result()
		s.float, s.plain = false, true
		s.total = s.m.send(s.total, "+", v)
	case s.float:
		x, _ := floatOf(v)
		s.addFloat(x)
	case vf || tf:
		s.f, _ = floatOf(s.total)
		s.c, s.float = 0, true
		x, _ := floatOf(v)
		s.addFloat(x)
	default:
		s.total = s.m.arith('+', s.total, v)
	}
}

func (s *summer) addFloat(x float64) {
	switch {
	case math.IsNaN(s.f):
	case math.IsNaN(x):
		s.f = x
	case math.IsInf(x, 0):
		if math.IsInf(s.f, 0) && math.Signbit(x) != math.Signbit(s.f) {
			s.f, s.c = math.NaN(), 0
			return
		}
		s.f, s.c = x, 0
	case math.IsInf(s.f, 0):
	default:
		t := s.f + x
		if math.Abs(s.f) >= math.Abs(x) {
			s.c += (s.f - t) + x
		} else {
			s.c += (x - t) + s.f
		}
		s.f = t
	}
}

func (s *summer) result() Value {
	if s.float {
		return s.f + s.c
	}
	return s.total
}

// enumeratorMethods are those of Enumerator, beyond Enumerable.
func enumeratorMethods() table {
	return table{
		"with_index":       {enumWithIndex, 0, 1, false},
		"each_with_index":  {enumWithIndex, 0, 0, false},
		"with_object":      {enumWithObject, 1, 1, false},
		"each_with_object": {enumWithObject, 1, 1, false},
		"each":             {enumEach, 0, 0, false},
		"size":             {enumSize, 0, 0, false},
		"next":             {refused("Enumerator#next", "use map, each_with_index or to_a"), 0, -1, false},
		"rewind":           {refused("Enumerator#rewind", ""), 0, -1, false},
	}
}

// refused is a method that is there only to say that it is not.
func refused(name, hint string) fn {
	return func(m *Env, _ Value, _ []Value, _ *Proc) Value {
		m.unsupported(name, hint)
		return nil
	}
}

func enumWithIndex(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	i := int64(0)
	if len(a) > 0 && a[0] != nil {
		i = m.int64(a[0])
	}
	return self.(*enumerator).run(m, native(func(m *Env, args []Value) Value {
		v := m.yield2(blk, m.packed(args), i)
		i++
		return v
	}))
}

func enumWithObject(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	memo := a[0]
	self.(*enumerator).run(m, native(func(m *Env, args []Value) Value {
		return m.yield2(blk, m.packed(args), memo)
	}))
	return memo
}

func enumEach(m *Env, self Value, _ []Value, blk *Proc) Value {
	if blk == nil {
		return self
	}
	return self.(*enumerator).run(m, blk)
}

func enumSize(m *Env, self Value, _ []Value, _ *Proc) Value {
	e := self.(*enumerator)
	switch e.name {
	case "each", "map", "each_with_index", "select", "reject", "with_index", "each_char", "times", "filter_map", "flat_map", "sort_by", "group_by", "min_by", "max_by":
		n := int64(0)
		m.eachOf(self, func(Value) bool { n++; return true })
		return n
	}
	m.unsupported("size of this enumerator", "use to_a.size")
	return nil
}

func (m *Env) inspectEnum(e *enumerator) string {
	if e.opaque || strings.HasPrefix(e.name, "step") || e.name == "%" {
		m.unsupported("inspect of this enumerator", "use to_a")
	}
	if n := len(e.args); n > 0 {
		if _, ok := e.args[n-1].(*Hash); ok {
			m.unsupported("inspect of this enumerator", "use to_a")
		}
	}
	text := "#<Enumerator: " + m.inspect(e.recv) + ":" + e.name
	for i, a := range e.args {
		if i == 0 {
			text += "("
		} else {
			text += ", "
		}
		text += m.inspect(a)
	}
	if len(e.args) > 0 {
		text += ")"
	}
	return text + ">"
}

func isZero(v Value) bool {
	switch v := v.(type) {
	case int64:
		return v == 0
	case float64:
		return v == 0
	case *big.Int:
		return v.Sign() == 0
	}
	return false
}
