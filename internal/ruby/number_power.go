package ruby

import (
	"math"
	"math/big"
)

// fixnum tells integers of 62 bits, which Ruby treats apart.
func fixnum(n *big.Int) bool { return n.BitLen() <= 62 }

// divFloat is a / b of integers as a float, to the last bit as Ruby reckons it.
func divFloat(a, b *big.Int) float64 {
	if g := new(big.Int).GCD(nil, nil, new(big.Int).Abs(a), new(big.Int).Abs(b)); g.Sign() > 0 {
		a, b = new(big.Int).Quo(a, g), new(big.Int).Quo(b, g)
	}
	f, _ := floatOf(normal(a))
	g, _ := floatOf(normal(b))
	if b.Sign() == 0 || fixnum(a) && fixnum(b) || fixnum(b) && !math.IsInf(f, 0) {
		return f / g
	}
	// The divisor is cut to 64 bits, the dividend to 128 or a little more.
	ey := b.BitLen() - 64
	b = shiftRight(b, ey)
	ex := a.BitLen() - 128
	switch {
	case ex > 64:
		ex -= 64
	case ex > 0:
		ex = 0
	}
	q := new(big.Int).Quo(shiftRight(a, ex), b)
	f, _ = new(big.Float).SetInt(q).Float64()
	return math.Ldexp(f, ex-ey)
}

// shiftRight shifts by a number of bits, to the left when it is negative.
func shiftRight(n *big.Int, by int) *big.Int {
	if by < 0 {
		return new(big.Int).Lsh(n, uint(-by))
	}
	return new(big.Int).Rsh(n, uint(by))
}

func normal(n *big.Int) Value {
	if n.IsInt64() {
		return n.Int64()
	}
	return n
}

// power is a ** b.
func (m *Env) power(a, b Value) Value {
	if isInt(a) && isInt(b) {
		return m.powerInt(bigOf(a), b)
	}
	f, _ := floatOf(a)
	g, ok := floatOf(b)
	if !ok {
		m.raise("TypeError", "%s can't be coerced into %s", nounedCoerce(b), className(a))
	}
	if f < 0 && g != math.Floor(g) && !math.IsInf(g, 0) {
		m.unsupported("a complex number (a root of a negative one)", "")
	}
	return exactPow(f, g)
}

func (m *Env) powerInt(a *big.Int, b Value) Value {
	n, ok := b.(int64)
	switch {
	case !ok && a.CmpAbs(big.NewInt(1)) <= 0:
		n = int64(bigOf(b).Bit(0)) + 2 // only whether it is even matters
	case !ok:
		panic(&LimitError{"large a number"})
	case n < 0:
		m.unsupported("a rational number (an integer to a negative power)", "make one of them a float: 2.0 ** -1")
	}
	if a.CmpAbs(big.NewInt(1)) > 0 && int64(a.BitLen()-1)*n > maxBits {
		panic(&LimitError{"large a number"})
	}
	if a.CmpAbs(big.NewInt(1)) <= 0 {
		n = min(n, 2+n%2)
	}
	return m.norm(new(big.Int).Exp(a, big.NewInt(n), nil))
}

// compareNumbers is <=> of two numbers; ok is false when one is NaN.
func compareNumbers(a, b Value) (int, bool) {
	x, ok1 := a.(int64)
	y, ok2 := b.(int64)
	switch {
	case ok1 && ok2:
		switch {
		case x < y:
			return -1, true
		case x > y:
			return 1, true
		}
		return 0, true
	case isInt(a) && isInt(b):
		return bigOf(a).Cmp(bigOf(b)), true
	}
	f, ok1 := a.(float64)
	g, ok2 := b.(float64)
	switch {
	case ok1 && math.IsNaN(f) || ok2 && math.IsNaN(g):
		return 0, false
	case ok1 && ok2:
		switch {
		case f < g:
			return -1, true
		case f > g:
			return 1, true
		}
		return 0, true
	case ok1:
		return -compareIntFloat(bigOf(b), f), true
	}
	return compareIntFloat(bigOf(a), g), true
}

// compareIntFloat compares exactly, as Ruby does.
func compareIntFloat(n *big.Int, f float64) int {
	if math.IsInf(f, 1) {
		return -1
	}
	if math.IsInf(f, -1) {
		return 1
	}
	return new(big.Float).SetPrec(uint(max(n.BitLen(), 64))).SetInt(n).Cmp(big.NewFloat(f))
}
