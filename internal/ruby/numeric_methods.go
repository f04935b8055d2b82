package ruby

import (
	"math"
	"math/big"
)

var infinity = math.Inf(1)

// numericMethods are what integers and floats share.
func numericMethods() table {
	op := func(c byte) method {
		return method{func(m *Env, self Value, a []Value, _ *Proc) Value { return m.arith(c, self, a[0]) }, 1, 1, false}
	}
	compared := func(test func(n int) bool) method {
		return method{func(m *Env, self Value, a []Value, _ *Proc) Value {
			if !isNumber(a[0]) {
				m.incomparable(self, a[0])
			}
			n, ok := compareNumbers(self, a[0])
			return ok && test(n)
		}, 1, 1, false}
	}
	return table{
		"+": op('+'), "-": op('-'), "*": op('*'), "/": op('/'), "%": op('%'), "modulo": op('%'),
		"<":         compared(func(n int) bool { return n < 0 }),
		"<=":        compared(func(n int) bool { return n <= 0 }),
		">":         compared(func(n int) bool { return n > 0 }),
		">=":        compared(func(n int) bool { return n >= 0 }),
		"**":        {func(m *Env, self Value, a []Value, _ *Proc) Value { return m.power(self, a[0]) }, 1, 1, false},
		"-@":        {numNegate, 0, 0, false},
		"+@":        {func(_ *Env, self Value, _ []Value, _ *Proc) Value { return self }, 0, 0, false},
		"abs":       {numAbs, 0, 0, false},
		"magnitude": {numAbs, 0, 0, false},
		"div":       {numDiv, 1, 1, false},
		"fdiv":      {numFdiv, 1, 1, false},
		"quo":       {numQuo, 1, 1, false},
		"divmod":    {numDivmod, 1, 1, false},
		"remainder": {numRemainder, 1, 1, false},
		"zero?":     {func(_ *Env, self Value, _ []Value, _ *Proc) Value { return isZero(self) }, 0, 0, false},
		"nonzero?":  {numNonzero, 0, 0, false},
		"positive?": {func(_ *Env, self Value, _ []Value, _ *Proc) Value {
			n, ok := compareNumbers(self, int64(0))
			return ok && n > 0
		}, 0, 0, false},
		"negative?": {func(_ *Env, self Value, _ []Value, _ *Proc) Value {
			n, ok := compareNumbers(self, int64(0))
			return ok && n < 0
		}, 0, 0, false},
		"integer?":    {func(_ *Env, self Value, _ []Value, _ *Proc) Value { return isInt(self) }, 0, 0, false},
		"finite?":     {numFinite, 0, 0, false},
		"infinite?":   {numInfinite, 0, 0, false},
		"real?":       {func(*Env, Value, []Value, *Proc) Value { return true }, 0, 0, false},
		"to_i":        {numToI, 0, 0, false},
		"to_int":      {numToI, 0, 0, false},
		"to_f":        {numToF, 0, 0, false},
		"to_c":        {refused("to_c", ""), 0, 0, false},
		"to_r":        {refused("to_r", "use to_f"), 0, 0, false},
		"rationalize": {refused("rationalize", "use to_f"), 0, 1, false},
		"truncate":    {numTruncate, 0, 1, false},
		"floor":       {numFloor, 0, 1, false},
		"ceil":        {numCeil, 0, 1, false},
		"round":       {numRound, 0, 1, true},
		"step":        {numStep, 0, 2, true},
		"coerce":      {numCoerce, 1, 1, false},
		"eql?":        {func(m *Env, self Value, a []Value, _ *Proc) Value { return m.eql(self, a[0]) }, 1, 1, false},
	}
}

func numNegate(m *Env, self Value, _ []Value, _ *Proc) Value {
	if f, ok := self.(float64); ok {
		return -f
	}
	return m.arith('-', int64(0), self)
}

func numAbs(m *Env, self Value, _ []Value, _ *Proc) Value {
	if f, ok := self.(float64); ok {
		return math.Abs(f)
	}
	if bigOf(self).Sign() < 0 {
		return m.arith('-', int64(0), self)
	}
	return self
}

func (m *Env) numberArg(v, self Value) Value {
	if !isNumber(v) {
		m.raise("TypeError", "%s can't be coerced into %s", nounedCoerce(v), className(self))
	}
	return v
}

func numDiv(m *Env, self Value, a []Value, _ *Proc) Value {
	m.numberArg(a[0], self)
	if isZero(a[0]) {
		m.raise("ZeroDivisionError", "divided by 0")
	}
	return m.floorOf(m.arith('/', self, a[0]))
}

func numFdiv(m *Env, self Value, a []Value, _ *Proc) Value {
	m.numberArg(a[0], self)
	if isInt(self) && isInt(a[0]) {
		return divFloat(bigOf(self), bigOf(a[0]))
	}
	f, _ := floatOf(self)
	g, _ := floatOf(a[0])
	return f / g
}

func numQuo(m *Env, self Value, a []Value, _ *Proc) Value {
	m.numberArg(a[0], self)
	if isInt(self) && isInt(a[0]) {
		m.unsupported("quo of integers (a rational number)", "use fdiv")
	}
	return numFdiv(m, self, a, nil)
}

func numDivmod(m *Env, self Value, a []Value, _ *Proc) Value {
	m.numberArg(a[0], self)
	if isZero(a[0]) {
		m.raise("ZeroDivisionError", "divided by 0")
	}
	if isInt(self) && isInt(a[0]) {
		return m.list(m.arith('/', self, a[0]), m.arith('%', self, a[0]))
	}
	f, _ := floatOf(self)
	g, _ := floatOf(a[0])
	mod := floatMod(f, g)
	div := f
	if !math.IsInf(g, 0) || math.IsInf(f, 0) {
		div = math.Round((f - mod) / g)
	} else {
		div = (f - mod) / g
	}
	return m.list(m.truncate(div), mod)
}

func numRemainder(m *Env, self Value, a []Value, _ *Proc) Value {
	m.numberArg(a[0], self)
	if isInt(self) && isInt(a[0]) {
		if isZero(a[0]) {
			m.raise("ZeroDivisionError", "divided by 0")
		}
		return m.norm(new(big.Int).Rem(bigOf(self), bigOf(a[0])))
	}
	f, _ := floatOf(self)
	g, _ := floatOf(a[0])
	if g == 0 {
		m.raise("ZeroDivisionError", "divided by 0")
	}
	z := floatMod(f, g)
	switch {
	case z == 0 || f == 0 || (f < 0) == (g < 0):
		return z
	case math.IsInf(g, 0):
		return f
	}
	return z - g
}

func numNonzero(_ *Env, self Value, _ []Value, _ *Proc) Value {
	if isZero(self) {
		return nil
	}
	return self
}

func numFinite(_ *Env, self Value, _ []Value, _ *Proc) Value {
	f, ok := self.(float64)
	return !ok || !math.IsInf(f, 0) && !math.IsNaN(f)
}

func numInfinite(_ *Env, self Value, _ []Value, _ *Proc) Value {
	f, ok := self.(float64)
	switch {
	case ok && math.IsInf(f, 1):
		return int64(1)
	case ok && math.IsInf(f, -1):
		return int64(-1)
	}
	return nil
}

func numToI(m *Env, self Value, _ []Value, _ *Proc) Value {
	if f, ok := self.(float64); ok {
		return m.truncate(f)
	}
	return self
}

func numToF(_ *Env, self Value, _ []Value, _ *Proc) Value {
	f, _ := floatOf(self)
	return f
}

func numCoerce(m *Env, self Value, a []Value, _ *Proc) Value {
	if isInt(self) && isInt(a[0]) {
		return m.list(a[0], self)
	}
	f, ok := floatOf(a[0])
	if !ok {
		m.unsupported("coerce of "+className(a[0]), "use Float()")
	}
	g, _ := floatOf(self)
	return m.list(f, g)
}

// stepNumbers goes from lo to hi. With a float among them the number of steps is
// reckoned first, as Ruby does, so that errors do not add up.
func (m *Env) stepNumbers(lo, hi, by Value, excl bool, do func(v Value)) {
	_, f1 := lo.(float64)
	_, f2 := hi.(float64)
	_, f3 := by.(float64)
	if f1 || f2 || f3 {
		m.stepFloats(lo, hi, by, excl, do)
		return
	}
	sign, _ := compareNumbers(by, int64(0))
	for v := lo; ; v = m.arith('+', v, by) {
		n, _ := compareNumbers(v, hi)
		if n*sign > 0 || n == 0 && excl {
			return
		}
		m.step()
		do(v)
	}
}

func (m *Env) stepFloats(lo, hi, by Value, excl bool, do func(v Value)) {
	beg, _ := floatOf(lo)
	end, _ := floatOf(hi)
	unit, _ := floatOf(by)
	n := floatSteps(beg, end, unit, excl)
	if math.IsInf(unit, 0) {
		if n > 0 {
			do(beg)
		}
		return
	}
	for i := 0.0; i < n; i++ {
		m.step()
		v := i*unit + beg
		if unit >= 0 && end < v || unit < 0 && end > v {
			v = end
		}
		do(v)
	}
}

func floatSteps(beg, end, unit float64, excl bool) float64 {
	n := (end - beg) / unit
	slack := (math.Abs(beg) + math.Abs(end) + math.Abs(end-beg)) / math.Abs(unit) * 2.220446049250313e-16
	switch {
	case unit == 0:
		return infinity
	case math.IsInf(unit, 0):
		if unit > 0 && beg <= end || unit < 0 && beg >= end {
			return 1
		}
		return 0
	}
	slack = min(slack, 0.5)
	if excl {
		if n <= 0 {
			return 0
		}
		var d float64
		if n < 1 {
			n = 0
		} else {
			n = math.Floor(n - slack)
		}
		d = (n+1)*unit + beg
		if beg < end && d < end || beg > end && d > end {
			n++
		}
		return n + 1
	}
	if n < 0 {
		return 0
	}
	return math.Floor(n+slack) + 1
}

func numStep(m *Env, self Value, a []Value, blk *Proc) Value {
	pos, kw := m.keywords(a, "by", "to")
	hi, by := arg(pos, 0), Value(int64(1))
	if len(pos) > 1 {
		by = pos[1]
	}
	if v, ok := kw.keyword("to"); ok {
		hi = v
	}
	if v, ok := kw.keyword("by"); ok {
		by = v
	}
	if blk == nil && kw != nil {
		m.unsupported("step with keywords and no block", "give it a block")
	}
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	if !isNumber(by) {
		m.unsupported("step by "+className(by), "")
	}
	if isZero(by) {
		m.raise("ArgumentError", "step can't be 0")
	}
	if hi == nil {
		for v := self; ; v = m.arith('+', v, by) {
			m.yield1(blk, v)
		}
	}
	if !isNumber(hi) {
		m.incomparable(self, hi)
	}
	m.stepNumbers(self, hi, by, false, func(v Value) { m.yield1(blk, v) })
	return self
}
