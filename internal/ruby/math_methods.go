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
		"hypot": {mathTwo(exactHypot), 2, 2, false},
		"atan2": {mathTwo(exactAtan2), 2, 2, false},
	}
	for name, f := range map[string]func(float64) float64{
		"sin": exactSin, "cos": exactCos, "tan": exactTan, "asin": exactAsin, "acos": exactAcos, "atan": exactAtan, "exp": exactExp,
		"log2":  func(x float64) float64 { return logTo(x, 2, math.Log2) },
		"log10": func(x float64) float64 { return logTo(x, 10, math.Log10) },
	} {
		t[name] = method{mathOne(name, f), 1, 1, false}
	}
	for _, name := range words("sinh cosh tanh asinh acosh atanh cbrt erf erfc gamma lgamma frexp ldexp") {
		t[name] = method{refused("Math."+name, ""), 0, -1, false}
	}
	return t
}

func logTo(x, base float64, plain func(float64) float64) float64 {
	if x <= 0 || !finite(x) || x == 1 {
		return plain(x)
	}
	return exactLog(x, base)
}

func mathOne(name string, f func(float64) float64) fn {
	return func(m *Env, _ Value, a []Value, _ *Proc) Value {
		x := m.mathArg(a[0])
		logs := name == "log2" || name == "log10"
		if x < 0 && logs || (x < -1 || x > 1) && (name == "asin" || name == "acos") {
			m.raise("Math::DomainError", "Numerical argument is out of domain - %s", name)
		}
		if n := bigOf(a[0]); n != nil && n.BitLen() > 1023 && logs {
			m.unsupported("the logarithm of so large a number", "")
		}
		return f(x)
	}
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
		m.raise("Math::DomainError", "Numerical argument is out of domain - sqrt")
	}
	if x == 0 {
		return 0.0
	}
	return math.Sqrt(x)
}

func mathLog(m *Env, _ Value, a []Value, _ *Proc) Value {
	x := m.logArg(a[0])
	if len(a) == 1 {
		return logTo(x, 0, math.Log)
	}
	return logTo(x, 0, math.Log) / logTo(m.logArg(a[1]), 0, math.Log)
}

func (m *Env) logArg(v Value) float64 {
	x := m.mathArg(v)
	if x < 0 {
		m.raise("Math::DomainError", "Numerical argument is out of domain - log")
	}
	if n := bigOf(v); n != nil && n.BitLen() > 1023 {
		m.unsupported("the logarithm of so large a number", "")
	}
	return x
}

func integerSqrt(m *Env, _ Value, a []Value, _ *Proc) Value {
	n := bigOf(m.integer(a[0]))
	if n.Sign() < 0 {
		m.raise("Math::DomainError", `Numerical argument is out of domain - "isqrt"`)
	}
	return m.norm(new(big.Int).Sqrt(n))
}
