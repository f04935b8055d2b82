package ruby

import (
	"math"
	"math/big"
)

// integerBitMethods are Integer's bitwise operators.
func integerBitMethods() table {
	op := func(do func(z, x, y *big.Int) *big.Int) method {
		return method{func(m *Env, self Value, a []Value, _ *Proc) Value {
			if !isInt(a[0]) {
				if _, ok := a[0].(float64); ok {
					m.raise("TypeError", "can't convert Float into Integer for bitwise arithmetic")
				}
				m.raise("TypeError", "%s can't be coerced into Integer", nounedCoerce(a[0]))
			}
			return m.norm(do(new(big.Int), bigOf(self), bigOf(a[0])))
		}, 1, 1, false}
	}
	return table{
		"&":          op((*big.Int).And),
		"|":          op((*big.Int).Or),
		"^":          op((*big.Int).Xor),
		"~":          {func(m *Env, self Value, _ []Value, _ *Proc) Value { return m.norm(new(big.Int).Not(bigOf(self))) }, 0, 0, false},
		"<<":         {func(m *Env, self Value, a []Value, _ *Proc) Value { return m.shift(self, m.int(a[0])) }, 1, 1, false},
		">>":         {func(m *Env, self Value, a []Value, _ *Proc) Value { return m.shift(self, -m.int(a[0])) }, 1, 1, false},
		"[]":         {intBit, 1, 1, false},
		"bit_length": {intBitLength, 0, 0, false},
		"allbits?": {func(m *Env, self Value, a []Value, _ *Proc) Value {
			mask := bigOf(m.integer(a[0]))
			return new(big.Int).And(bigOf(self), mask).Cmp(mask) == 0
		}, 1, 1, false},
		"anybits?": {func(m *Env, self Value, a []Value, _ *Proc) Value {
			return new(big.Int).And(bigOf(self), bigOf(m.integer(a[0]))).Sign() != 0
		}, 1, 1, false},
		"nobits?": {func(m *Env, self Value, a []Value, _ *Proc) Value {
			return new(big.Int).And(bigOf(self), bigOf(m.integer(a[0]))).Sign() == 0
		}, 1, 1, false},
	}
}

func (m *Env) shift(v Value, by int) Value {
	n := bigOf(v)
	if by <= 0 {
		if -by > n.BitLen() {
			if n.Sign() < 0 {
				return int64(-1)
			}
			return int64(0)
		}
		return m.norm(new(big.Int).Rsh(n, uint(-by)))
	}
	if n.Sign() == 0 {
		return int64(0)
	}
	if by > maxBits {
		panic(&LimitError{"large a number"})
	}
	return m.norm(new(big.Int).Lsh(n, uint(by)))
}

func intBit(m *Env, self Value, a []Value, _ *Proc) Value {
	if _, ok := a[0].(*Range); ok {
		m.unsupported("Integer#[] with a range", "use >> and &")
	}
	i := m.int64(a[0])
	if i < 0 {
		return int64(0)
	}
	n := bigOf(self)
	if i > int64(n.BitLen()) {
		if n.Sign() < 0 {
			return int64(1)
		}
		return int64(0)
	}
	return int64(n.Bit(int(i)))
}

func intBitLength(_ *Env, self Value, _ []Value, _ *Proc) Value {
	n := bigOf(self)
	if n.Sign() < 0 {
		n = new(big.Int).Not(n)
	}
	return int64(n.BitLen())
}

// floatMethods are those of Float.
func floatMethods() table {
	return table{
		"nan?":       {func(_ *Env, self Value, _ []Value, _ *Proc) Value { return math.IsNaN(self.(float64)) }, 0, 0, false},
		"to_s":       {func(m *Env, self Value, _ []Value, _ *Proc) Value { return m.ascii(formatFloat(self.(float64))) }, 0, 0, false},
		"inspect":    {func(m *Env, self Value, _ []Value, _ *Proc) Value { return m.ascii(formatFloat(self.(float64))) }, 0, 0, false},
		"next_float": {func(_ *Env, self Value, _ []Value, _ *Proc) Value { return math.Nextafter(self.(float64), infinity) }, 0, 0, false},
		"prev_float": {func(_ *Env, self Value, _ []Value, _ *Proc) Value { return math.Nextafter(self.(float64), -infinity) }, 0, 0, false},
	}
}
