package ruby

import (
	"math"
	"math/big"
)

// Ruby's Math is the C library's, whose results are the nearest float in all but
// the rarest cases. Go's are off by one in the last place now and then, which
// shows in text. So these are reckoned with bigPrec bits and then rounded.
const bigPrec = 256

func bigF(x float64) *big.Float { return new(big.Float).SetPrec(bigPrec).SetFloat64(x) }

func newF() *big.Float { return new(big.Float).SetPrec(bigPrec) }

func rounded64(x *big.Float) float64 {
	f, _ := x.Float64()
	return f
}

// tiny tells a term that no longer counts beside a sum.
func tiny(term, sum *big.Float) bool {
	return term.Sign() == 0 || sum.Sign() != 0 && term.MantExp(nil) < sum.MantExp(nil)-bigPrec
}

// bigAtanh is the series z + z³/3 + …, alternating for atan; |z| is small.
func bigAtanh(z *big.Float, alternating bool) *big.Float {
	square := newF().Mul(z, z)
	if alternating {
		square.Neg(square)
	}
	sum, power := newF().Set(z), newF().Set(z)
	for n := int64(3); ; n += 2 {
		power.Mul(power, square)
		term := newF().Quo(power, newF().SetInt64(n))
		if tiny(term, sum) {
			return sum
		}
		sum.Add(sum, term)
	}
}

func bigLn2() *big.Float {
	third := newF().Quo(bigF(1), bigF(3))
	return newF().Mul(bigF(2), bigAtanh(third, false))
}

// bigLog is the natural logarithm of a positive number.
func bigLog(x *big.Float) *big.Float {
	m := newF()
	e := x.MantExp(m) // 0.5 <= m < 1
	if m.Cmp(bigF(math.Sqrt2/2)) < 0 {
		m.Mul(m, bigF(2))
		e--
	}
	z := newF().Quo(newF().Sub(m, bigF(1)), newF().Add(m, bigF(1)))
	out := newF().Mul(bigF(2), bigAtanh(z, false))
	return out.Add(out, newF().Mul(newF().SetInt64(int64(e)), bigLn2()))
}

// bigExp is e to the x.
func bigExp(x *big.Float) *big.Float {
	ln2 := bigLn2()
	k := math.Round(rounded64(newF().Quo(x, ln2)))
	r := newF().Sub(x, newF().Mul(bigF(k), ln2))
	const halvings = 12
	r.SetMantExp(r, -halvings)
	sum, term := bigF(1), bigF(1)
	for n := int64(1); ; n++ {
		term.Mul(term, r)
		term.Quo(term, newF().SetInt64(n))
		if tiny(term, sum) {
			break
		}
		sum.Add(sum, term)
	}
	for range halvings {
		sum.Mul(sum, sum)
	}
	return sum.SetMantExp(sum, int(k))
}

func finite(xs ...float64) bool {
	for _, x := range xs {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return false
		}
	}
	return true
}

// exactPow is x ** y.
func exactPow(x, y float64) float64 {
	rough := math.Pow(x, y)
	if !finite(x, y, rough) || rough == 0 || x == 1 || y == 0 || y == 1 {
		return rough
	}
	out := rounded64(bigExp(newF().Mul(bigF(y), bigLog(bigF(math.Abs(x))))))
	return math.Copysign(out, rough)
}

func exactExp(x float64) float64 {
	if rough := math.Exp(x); !finite(x, rough) || rough == 0 || x == 0 {
		return rough
	}
	return rounded64(bigExp(bigF(x)))
}

// exactLog is the logarithm to a base, 0 for the natural one.
func exactLog(x float64, base float64) float64 {
	if !finite(x) || x <= 0 {
		return math.Log(x)
	}
	out := bigLog(bigF(x))
	if base != 0 {
		out.Quo(out, bigLog(bigF(base)))
	}
	return rounded64(out)
}

func exactHypot(x, y float64) float64 {
	if !finite(x, y) || x == 0 && y == 0 {
		return math.Hypot(x, y)
	}
	sum := newF().Mul(bigF(x), bigF(x))
	sum.Add(sum, newF().Mul(bigF(y), bigF(y)))
	return rounded64(sum.Sqrt(sum))
}

// bigAtan halves the angle until the series is short.
func bigAtan(x *big.Float) *big.Float {
	z := newF().Set(x)
	const halvings = 6
	for range halvings {
		root := newF().Mul(z, z)
		root.Add(root, bigF(1))
		root.Sqrt(root)
		z.Quo(z, root.Add(root, bigF(1)))
	}
	out := bigAtanh(z, true)
	return out.SetMantExp(out, halvings)
}

func bigPi() *big.Float { return newF().Mul(bigF(4), bigAtan(bigF(1))) }

func exactAtan(x float64) float64 {
	if !finite(x) || x == 0 {
		return math.Atan(x)
	}
	return rounded64(bigAtan(bigF(x)))
}

func exactAtan2(y, x float64) float64 {
	if !finite(x, y) || x == 0 || y == 0 {
		return math.Atan2(y, x)
	}
	out := bigAtan(newF().Quo(bigF(y), bigF(x)))
	if x < 0 {
		if y > 0 {
			out.Add(out, bigPi())
		} else {
			out.Sub(out, bigPi())
		}
	}
	return rounded64(out)
}

// exactAsin is asin, as atan of x / sqrt(1-x²).
func exactAsin(x float64) float64 {
	if math.Abs(x) == 1 || x == 0 {
		return math.Asin(x)
	}
	return rounded64(bigAsin(x))
}

func bigAsin(x float64) *big.Float {
	rest := newF().Mul(bigF(x), bigF(x))
	rest.Sub(bigF(1), rest)
	return bigAtan(newF().Quo(bigF(x), rest.Sqrt(rest)))
}

func exactAcos(x float64) float64 {
	if math.Abs(x) == 1 {
		return math.Acos(x)
	}
	half := newF().Quo(bigPi(), bigF(2))
	return rounded64(half.Sub(half, bigAsin(x)))
}

// bigSinCos gives both, by reducing the angle to at most a quarter turn.
func bigSinCos(x float64) (sin, cos *big.Float) {
	pi := bigPi()
	half := newF().Quo(pi, bigF(2))
	k := newF().Quo(bigF(x), half)
	n, _ := k.Add(k, bigF(math.Copysign(0.5, x))).Int(nil)
	r := newF().Sub(bigF(x), newF().Mul(newF().SetInt(n), half))
	sin, cos = bigSeries(r, false), bigSeries(r, true)
	switch new(big.Int).And(n, big.NewInt(3)).Int64() {
	case 1:
		return cos, sin.Neg(sin)
	case 2:
		return sin.Neg(sin), cos.Neg(cos)
	case 3:
		return cos.Neg(cos), sin
	}
	return sin, cos
}

// bigSeries is the power series of sin, or of cos.
func bigSeries(r *big.Float, even bool) *big.Float {
	square := newF().Mul(r, r)
	term, n := newF().Set(r), int64(1)
	if even {
		term, n = bigF(1), 0
	}
	sum := newF().Set(term)
	for {
		term.Mul(term, square)
		term.Quo(term, newF().SetInt64((n+1)*(n+2)))
		term.Neg(term)
		n += 2
		if tiny(term, sum) {
			return sum
		}
		sum.Add(sum, term)
	}
}

// trig is sin, cos or tan.
func trig(x float64, pick func(sin, cos *big.Float) *big.Float, plain func(float64) float64) float64 {
	if !finite(x) || x == 0 || math.Abs(x) > 1e15 {
		return plain(x)
	}
	return rounded64(pick(bigSinCos(x)))
}

func exactSin(x float64) float64 {
	return trig(x, func(sin, _ *big.Float) *big.Float { return sin }, math.Sin)
}

func exactCos(x float64) float64 {
	return trig(x, func(_, cos *big.Float) *big.Float { return cos }, math.Cos)
}

func exactTan(x float64) float64 {
	return trig(x, func(sin, cos *big.Float) *big.Float { return sin.Quo(sin, cos) }, math.Tan)
}
