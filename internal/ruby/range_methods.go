package ruby

import "math/big"

// newRange makes a range of two values that can be compared.
func (m *Env) newRange(lo, hi Value, excl bool) Value {
	if lo != nil && hi != nil {
		if _, ok := m.compare(lo, hi); !ok {
			m.raise("ArgumentError", "bad value for range")
		}
	}
	return &Range{lo, hi, excl}
}

func rangeMethods() table {
	return table{
		"begin":        {func(_ *Env, self Value, _ []Value, _ *Proc) Value { return self.(*Range).lo }, 0, 0, false},
		"end":          {func(_ *Env, self Value, _ []Value, _ *Proc) Value { return self.(*Range).hi }, 0, 0, false},
		"first":        {rangeFirst, 0, 1, false},
		"last":         {rangeLast, 0, 1, false},
		"exclude_end?": {func(_ *Env, self Value, _ []Value, _ *Proc) Value { return self.(*Range).excl }, 0, 0, false},
		"include?":     {rangeInclude, 1, 1, false},
		"member?":      {rangeInclude, 1, 1, false},
		"cover?":       {rangeCover, 1, 1, false},
		"each":         {rangeEach, 0, 0, false},
		"step":         {rangeStep, 0, 1, false},
		"%":            {rangeStep, 0, 1, false},
		"size":         {rangeSize, 0, 0, false},
		"count":        {enumCount, 0, 1, false},
		"min":          {rangeMin, 0, 1, false},
		"max":          {rangeMax, 0, 1, false},
		"minmax": {func(m *Env, self Value, a []Value, blk *Proc) Value {
			return m.list(rangeMin(m, self, nil, blk), rangeMax(m, self, nil, blk))
		}, 0, 0, false},
		"sum":  {rangeSum, 0, 1, false},
		"lazy": {refused("lazy", "leave it out"), 0, 0, false},
	}
}

// covers is lo <= v <= hi.
func (m *Env) covers(r *Range, v Value) bool {
	if r.lo != nil {
		if n, ok := m.compare(r.lo, v); !ok || n > 0 {
			return false
		}
	}
	if r.hi != nil {
		n, ok := m.compare(v, r.hi)
		return ok && (n < 0 || n == 0 && !r.excl)
	}
	return true
}

func rangeCover(m *Env, self Value, a []Value, _ *Proc) Value {
	r := self.(*Range)
	if x, ok := a[0].(*Range); ok {
		if x.lo == nil || x.hi == nil || r.lo == nil || r.hi == nil {
			m.unsupported("cover? of a range without ends", "")
		}
		n, ok := m.compare(x.hi, r.hi)
		if !ok || m.order(x.lo, x.hi) > 0 || m.order(r.lo, r.hi) > 0 {
			return false
		}
		if m.order(x.lo, x.hi) == 0 && x.excl {
			return false
		}
		return m.covers(r, x.lo) && (n < 0 || n == 0 && (!r.excl || x.excl))
	}
	return m.covers(r, a[0])
}

func rangeInclude(m *Env, self Value, a []Value, _ *Proc) Value {
	r := self.(*Range)
	if _, ok := r.lo.(*Str); ok {
		if _, ok := r.hi.(*Str); ok {
			return enumInclude(m, self, a, nil)
		}
		m.raise("TypeError", "can't exclude non Integer end value")
	}
	return m.covers(r, a[0])
}

// eachInRange goes through a range of integers or strings.
func (m *Env) eachInRange(r *Range, do func(v Value) bool) {
	switch lo := r.lo.(type) {
	case int64:
		m.eachInt(lo, r, do)
	case *big.Int:
		m.unsupported("a range of integers beyond 64 bits", "")
	case *Str:
		m.eachTextIn(lo, r, do)
	case *date:
		m.eachDate(lo, r, do)
	default:
		m.raise("TypeError", "can't iterate from %s", className(r.lo))
	}
}

func (m *Env) eachInt(lo int64, r *Range, do func(v Value) bool) {
	for i := lo; ; i++ {
		if r.hi != nil {
			n, ok := compareNumbers(i, r.hi)
			if !ok || n > 0 || n == 0 && r.excl {
				return
			}
		}
		m.step()
		if !do(i) {
			return
		}
	}
}

// eachTextIn walks as String#upto does: by succ, until the end or a longer text.
func (m *Env) eachTextIn(lo *Str, r *Range, do func(v Value) bool) {
	var hi *Str
	if r.hi != nil {
		hi = m.text(r.hi)
	}
	m.upto(lo, hi, r.excl, do)
}

func (m *Env) upto(lo, hi *Str, excl bool, do func(v Value) bool) {
	if hi != nil {
		if n, ok := digitsOnly(lo.s); ok {
			if end, ok := digitsOnly(hi.s); ok {
				m.uptoDigits(n, end, len(lo.s), excl, do)
				return
			}
		}
		n := compareText(lo, hi)
		if n > 0 || n == 0 && excl {
			return
		}
		if len([]rune(lo.s)) == 1 && len([]rune(hi.s)) == 1 && isASCII(lo.s) && isASCII(hi.s) {
			for c := lo.s[0]; ; c++ {
				if c > hi.s[0] || c == hi.s[0] && excl || !do(m.str(string(rune(c)))) || c == hi.s[0] {
					return
				}
			}
		}
	}
	after := ""
	if hi != nil {
		after = succ(hi.s)
	}
	for s := lo.s; ; s = succ(s) {
		m.step()
		if hi != nil {
			last := s == hi.s
			if excl && last || s == after || !do(m.like(s, lo)) || last || len(succ(s)) > len(hi.s) {
				return
			}
			continue
		}
		if !do(m.like(s, lo)) {
			return
		}
	}
}

func rangeEach(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	m.eachInRange(self.(*Range), func(v Value) bool {
		m.yield1(blk, v)
		return true
	})
	return self
}

func rangeFirst(m *Env, self Value, a []Value, _ *Proc) Value {
	r := self.(*Range)
	if r.lo == nil {
		m.raise("RangeError", "cannot get the first element of beginless range")
	}
	if len(a) == 0 {
		return r.lo
	}
	return enumFirst(m, self, a, nil)
}

func rangeLast(m *Env, self Value, a []Value, _ *Proc) Value {
	r := self.(*Range)
	if r.hi == nil {
		m.raise("RangeError", "cannot get the last element of endless range")
	}
	if len(a) == 0 {
		return r.hi
	}
	all := m.toArray(self)
	if _, ints := r.lo.(int64); ints && len(all) == 0 {
		return m.array(nil) // Ruby does not even look at the number then
	}
	return arrLast(m, m.array(all), a, nil)
}

func rangeStep(m *Env, self Value, a []Value, blk *Proc) Value {
	r := self.(*Range)
	if len(a) > 0 && isNumber(r.lo) && !isNumber(a[0]) {
		m.int64(a[0])
	}
	if len(a) > 0 && isZero(a[0]) {
		m.raise("ArgumentError", "step can't be 0")
	}
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	var by Value = int64(1)
	if len(a) > 0 {
		by = a[0]
	}
	if !isNumber(by) {
		by = m.int64(by)
	}
	if n, ok := compareNumbers(by, int64(0)); ok && n <= 0 {
		if n == 0 {
			m.raise("ArgumentError", "step can't be 0")
		}
		m.raise("ArgumentError", "step can't be negative")
	}
	if !isNumber(r.lo) {
		m.eachNth(r, m.int(by), blk)
		return self
	}
	if r.hi == nil {
		for i := 0; ; i++ {
			m.yield1(blk, m.arith('+', r.lo, m.arith('*', int64(i), by)))
		}
	}
	m.stepNumbers(r.lo, r.hi, by, r.excl, func(v Value) { m.yield1(blk, v) })
	return self
}

func (m *Env) eachNth(r *Range, n int, blk *Proc) {
	i := 0
	m.eachInRange(r, func(v Value) bool {
		if i%n == 0 {
			m.yield1(blk, v)
		}
		i++
		return true
	})
}

func rangeSize(m *Env, self Value, _ []Value, _ *Proc) Value {
	r := self.(*Range)
	switch {
	case !isNumber(r.lo):
		if r.lo == nil && isNumber(r.hi) {
			return infinity
		}
		return nil
	case r.hi == nil:
		return infinity
	case !isNumber(r.hi):
		return nil
	}
	lo, hi := m.roundUp(r.lo), r.hi
	if f, ok := r.hi.(float64); ok {
		if f == infinity {
			return infinity
		}
	}
	if _, ok := r.lo.(float64); ok {
		m.unsupported("size of a range that begins with a float", "")
	}
	end := m.floorOf(hi)
	n := m.arith('+', m.arith('-', end, lo), int64(1))
	if c, _ := compareNumbers(end, hi); r.excl && c == 0 {
		n = m.arith('-', n, int64(1))
	}
	if c, _ := compareNumbers(n, int64(0)); c < 0 {
		return int64(0)
	}
	return n
}

func rangeMin(m *Env, self Value, a []Value, blk *Proc) Value {
	r := self.(*Range)
	if r.lo == nil {
		m.raise("RangeError", "cannot get the minimum of beginless range")
	}
	switch {
	case blk != nil:
		return enumMin(m, self, a, blk)
	case len(a) > 0:
		return rangeFirst(m, self, a, nil)
	}
	if r.hi != nil {
		if n := m.order(r.lo, r.hi); n > 0 || n == 0 && r.excl {
			return nil
		}
	}
	return r.lo
}

func rangeMax(m *Env, self Value, a []Value, blk *Proc) Value {
	r := self.(*Range)
	if r.hi == nil {
		m.raise("RangeError", "cannot get the maximum of endless range")
	}
	if blk != nil || len(a) > 0 || r.excl && !isNumber(r.hi) || r.lo == nil {
		return enumMax(m, self, a, blk)
	}
	if n := m.order(r.lo, r.hi); n > 0 || n == 0 && r.excl {
		return nil
	}
	if r.excl {
		if !isInt(r.hi) {
			m.raise("TypeError", "cannot exclude non Integer end value")
		}
		if !isInt(r.lo) {
			m.raise("TypeError", "cannot exclude end value with non Integer begin value")
		}
		return m.arith('-', r.hi, int64(1))
	}
	if _, ok := r.hi.(*Str); ok {
		return enumMax(m, self, a, blk)
	}
	return r.hi
}

func rangeSum(m *Env, self Value, a []Value, blk *Proc) Value {
	r := self.(*Range)
	if blk == nil && isInt(r.lo) && isInt(r.hi) {
		hi := r.hi
		if r.excl {
			hi = m.arith('-', hi, int64(1))
		}
		var total Value = int64(0)
		if len(a) > 0 {
			total = a[0]
		}
		if n, _ := compareNumbers(hi, r.lo); n < 0 {
			return total
		}
		count := m.arith('+', m.arith('-', hi, r.lo), int64(1))
		return m.send(total, "+", m.arith('/', m.arith('*', count, m.arith('+', hi, r.lo)), int64(2)))
	}
	return enumSum(m, self, a, blk)
}
