package ruby

import (
	"math"
	"math/big"
)

// floorOf is a number rounded down to an integer.
func (m *Env) floorOf(v Value) Value {
	if f, ok := v.(float64); ok {
		return m.truncate(math.Floor(f))
	}
	return v
}

func (m *Env) roundUp(v Value) Value {
	if f, ok := v.(float64); ok {
		return m.truncate(math.Ceil(f))
	}
	return v
}

func (m *Env) digitsArg(a []Value) int {
	if len(a) == 0 {
		return 0
	}
	n := m.int(a[0])
	if n != int(int32(n)) {
		m.raise("RangeError", "integer %d too big to convert to `int'", n)
	}
	return n
}

// roundMode is how a half, or any rest, is rounded.
type roundMode byte

const (
	halfUp roundMode = iota
	halfEven
	halfDown
	down // towards -∞
	up
	toZero
)

func numFloor(m *Env, self Value, a []Value, _ *Proc) Value {
	return m.rounded(self, m.digitsArg(a), len(a) > 0, down)
}

func numCeil(m *Env, self Value, a []Value, _ *Proc) Value {
	return m.rounded(self, m.digitsArg(a), len(a) > 0, up)
}

func numTruncate(m *Env, self Value, a []Value, _ *Proc) Value {
	return m.rounded(self, m.digitsArg(a), len(a) > 0, toZero)
}

func numRound(m *Env, self Value, a []Value, _ *Proc) Value {
	rest, kw := m.keywords(a, "half")
	mode := halfUp
	if v, ok := kw.keyword("half"); ok && v != nil {
		switch m.name(v) {
		case "up":
		case "even":
			mode = halfEven
		case "down":
			mode = halfDown
		default:
			m.raise("ArgumentError", "invalid rounding mode: %s", m.name(v))
		}
	}
	return m.rounded(self, m.digitsArg(rest), len(rest) > 0, mode)
}

// rounded rounds to a number of digits behind the point; before it when that is
// negative.
func (m *Env) rounded(v Value, digits int, _ bool, mode roundMode) Value {
	f, ok := v.(float64)
	if !ok {
		return m.roundInt(v, digits, mode)
	}
	if digits > 0 {
		return roundFloat(f, digits, mode)
	}
	if digits == 0 {
		switch mode {
		case halfUp:
			return m.truncate(math.Round(f))
		case halfEven:
			return m.truncate(math.RoundToEven(f))
		case halfDown:
			r := math.Round(f)
			if math.Abs(f-math.Trunc(f)) == 0.5 {
				r = math.Trunc(f)
			}
			return m.truncate(r)
		case down:
			return m.truncate(math.Floor(f))
		case up:
			return m.truncate(math.Ceil(f))
		}
		return m.truncate(f)
	}
	n := m.truncate(f)
	switch mode {
	case down:
		n = m.truncate(math.Floor(f))
	case up:
		n = m.truncate(math.Ceil(f))
	}
	return m.roundInt(n, digits, mode)
}

func (m *Env) roundInt(v Value, digits int, mode roundMode) Value {
	if digits >= 0 {
		return v
	}
	n := bigOf(v)
	if -digits > n.BitLen()+20 {
		digits = -(n.BitLen() + 20) // far beyond the number: the same result
	}
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(-digits)), nil)
	q, r := floorDiv(n, unit)
	half := new(big.Int).Lsh(r, 1).Cmp(unit)
	lift := false
	switch mode {
	case up:
		lift = r.Sign() > 0
	case toZero:
		lift = n.Sign() < 0 && r.Sign() > 0
	case halfUp:
		lift = half > 0 || half == 0 && n.Sign() > 0
	case halfDown:
		lift = half > 0 || half == 0 && n.Sign() < 0
	case halfEven:
		lift = half > 0 || half == 0 && q.Bit(0) == 1
	}
	if lift {
		q.Add(q, big.NewInt(1))
	}
	return m.norm(q.Mul(q, unit))
}

// roundFloat rounds the float's exact value at a decimal digit.
func roundFloat(f float64, digits int, mode roundMode) Value {
	if math.IsNaN(f) || math.IsInf(f, 0) || f == 0 {
		return f
	}
	_, exp := math.Frexp(f)
	// More digits than the number has: it stays (Ruby's float_round_overflow).
	if digits >= 17-floorDivInt(exp, exp > 0) {
		return f
	}
	under := digits < -floorDivUnder(exp)
	switch mode {
	case toZero:
		if f > 0 {
			return roundFloat(f, digits, down)
		}
		return roundFloat(f, digits, up)
	case down:
		if under && f > 0 {
			return 0.0
		}
	case up:
		if under && f < 0 {
			return 0.0
		}
	default:
		if under {
			return 0.0
		}
		if digits > 14 {
			return roundExact(f, digits, mode)
		}
	}
	return roundScaled(f, digits, mode)
}

func floorDivInt(exp int, positive bool) int {
	if positive {
		return exp / 4
	}
	return exp/3 - 1
}

func floorDivUnder(exp int) int {
	if exp > 0 {
		return exp/3 + 1
	}
	return exp / 4
}

// roundScaled multiplies, rounds and divides, with Ruby's corrections for
// products that are not exact.
func roundScaled(f float64, digits int, mode roundMode) float64 {
	s := math.Pow(10, float64(digits))
	x := f * s
	if math.IsInf(x, 0) {
		return f
	}
	switch mode {
	case down:
		x = math.Floor(x)
		if y := (x + 1) / s; y <= f {
			return y
		}
	case up:
		x = math.Ceil(x)
		if y := (x - 1) / s; f <= y {
			return y
		}
	case halfUp:
		x = math.Round(x)
		if f > 0 && (x+0.5)/s <= f {
			x++
		} else if f < 0 && (x-0.5)/s >= f {
			x--
		}
	case halfDown:
		x = math.Round(x)
		if f > 0 && (x-0.5)/s >= f {
			x--
		} else if f < 0 && (x+0.5)/s <= f {
			x++
		}
	case halfEven:
		return math.Copysign(roundHalfEven(math.Abs(f), s), f)
	}
	return x / s
}

func roundHalfEven(f, s float64) float64 {
	x := f * s
	whole := math.Floor(x)
	rest := x - whole
	switch {
	case rest > 0.5:
		whole++
	case rest == 0.5 || (whole+0.5)/s <= f:
		whole += math.Mod(whole, 2)
	}
	return whole / s
}

// roundExact rounds by the decimal digits of the exact value.
func roundExact(f float64, digits int, mode roundMode) float64 {
	r := new(big.Rat).SetFloat64(f)
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil)
	r.Mul(r, new(big.Rat).SetInt(scale))
	q, rest := floorDiv(r.Num(), r.Denom())
	half := new(big.Int).Lsh(rest, 1).Cmp(r.Denom())
	lift := false
	switch mode {
	case up:
		lift = rest.Sign() > 0
	case toZero:
		lift = f < 0 && rest.Sign() > 0
	case halfUp:
		lift = half > 0 || half == 0 && f > 0
	case halfDown:
		lift = half > 0 || half == 0 && f < 0
	case halfEven:
		lift = half > 0 || half == 0 && q.Bit(0) == 1
	}
	if lift {
		q.Add(q, big.NewInt(1))
	}
	out, _ := new(big.Rat).SetFrac(q, scale).Float64()
	return out
}
