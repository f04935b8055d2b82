package ruby

import (
	"math"
	"math/big"
)

// mathMethods are those of Math.
func mathMethods() table {
	t := table{
		"sqrt":  {mathSqrt, 1, 1, false},
		"log":   {mathLog, 1, 2, false},
		"hypot": {mathTwo(math.Hypot), 2, 2, false},
		"atan2": {mathTwo(math.Atan2), 2, 2, false},
	}
	for name, f := range map[string]func(float64) float64{
		"sin": math.Sin, "cos": math.Cos, "tan": math.Tan, "asin": math.Asin, "acos": math.Acos, "atan": math.Atan, "sinh": math.Sinh,
		"cosh": math.Cosh, "tanh": math.Tanh, "asinh": math.Asinh, "exp": math.Exp, "cbrt": math.Cbrt, "erf": math.Erf, "erfc": math.Erfc,
		"log2": math.Log2, "log10": math.Log10,
	} {
		t[name] = method{func(m *Env, _ Value, a []Value, _ *Proc) Value {
			x := m.mathArg(a[0])
			if x < 0 && (name == "log2" || name == "log10") || (x < -1 || x > 1) && (name == "asin" || name == "acos") {
				m.raise("Math::DomainError", `Numerical argument is out of domain - "%s"`, name)
			}
			if n := bigOf(a[0]); n != nil && n.BitLen() > 1023 && (name == "log2" || name == "log10") {
				m.unsupported("the logarithm of so large a number", "")
			}
			return f(x)
		}, 1, 1, false}
	}
	return t
}

// mathArg is an argument of Math; unlike Float(), text is none.
func (m *Env) mathArg(v Value) float64 {
	if f, ok := floatOf(v); ok {
		return f
	}
	if _, ok := v.(*Str); ok {
		m.raise("TypeError", "can't convert String into Float")
	}
	return m.toFloat(v)
}

func mathTwo(f func(x, y float64) float64) fn {
	return func(m *Env, _ Value, a []Value, _ *Proc) Value { return f(m.mathArg(a[0]), m.mathArg(a[1])) }
}

func mathSqrt(m *Env, _ Value, a []Value, _ *Proc) Value {
	x := m.mathArg(a[0])
	if x < 0 {
		m.raise("Math::DomainError", `Numerical argument is out of domain - "sqrt"`)
	}
	if x == 0 {
		return 0.0
	}
	return math.Sqrt(x)
}

func mathLog(m *Env, _ Value, a []Value, _ *Proc) Value {
	x := m.mathArg(a[0])
	if x < 0 {
		m.raise("Math::DomainError", `Numerical argument is out of domain - "log"`)
	}
	if n := bigOf(a[0]); n != nil && n.BitLen() > 1023 {
		m.unsupported("the logarithm of so large a number", "")
	}
	if len(a) == 1 {
		return math.Log(x)
	}
	base := m.mathArg(a[1])
	if base < 0 {
		m.raise("Math::DomainError", `Numerical argument is out of domain - "log"`)
	}
	return math.Log(x) / math.Log(base)
}

func integerSqrt(m *Env, _ Value, a []Value, _ *Proc) Value {
	n := bigOf(m.integer(a[0]))
	if n.Sign() < 0 {
		m.raise("Math::DomainError", `Numerical argument is out of domain - "isqrt"`)
	}
	return m.norm(new(big.Int).Sqrt(n))
}
