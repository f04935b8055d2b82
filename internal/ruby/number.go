package ruby

import (
	"math"
	"math/big"
	"math/bits"
	"strconv"
	"strings"
)

// maxBits bounds integers; Ruby gives up somewhat later.
const maxBits = 1 << 20

// norm is a big integer as a Value: int64 when it fits.
func (m *Env) norm(n *big.Int) Value {
	if n.IsInt64() {
		return n.Int64()
	}
	if n.BitLen() > maxBits {
		panic(&LimitError{"large a number"})
	}
	m.charge(n.BitLen() / 8)
	return n
}

func bigOf(v Value) *big.Int {
	switch v := v.(type) {
	case int64:
		return big.NewInt(v)
	case *big.Int:
		return v
	}
	return nil
}

// floatOf is a number as a float; ok is false when it is none.
func floatOf(v Value) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case int64:
		return float64(v), true
	case *big.Int:
		f, _ := new(big.Float).SetInt(v).Float64()
		return f, true
	}
	return 0, false
}

func isInt(v Value) bool {
	switch v.(type) {
	case int64, *big.Int:
		return true
	}
	return false
}

func isNumber(v Value) bool {
	if _, ok := v.(float64); ok {
		return true
	}
	return isInt(v)
}

// int is an argument that must be an integer; a float is cut.
func (m *Env) int(v Value) int {
	n := m.int64(v)
	if n != int64(int(n)) {
		m.raise("RangeError", "integer %d too big to convert to `int'", n)
	}
	return int(n)
}

func (m *Env) int64(v Value) int64 {
	switch v := v.(type) {
	case int64:
		return v
	case *big.Int:
		m.raise("RangeError", "bignum too big to convert into `long'")
	case float64:
		if math.IsNaN(v) || v >= 9.3e18 || v <= -9.3e18 {
			m.raise("RangeError", "float %s out of range of integer", shortFloat(v))
		}
		return int64(v)
	case nil:
		m.raise("TypeError", "no implicit conversion from nil to integer")
	case bool:
		m.raise("TypeError", "no implicit conversion of %s into Integer", nouned(v))
	}
	m.raise("TypeError", "no implicit conversion of %s into Integer", className(v))
	return 0
}

func shortFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Inf"
	case math.IsInf(f, -1):
		return "-Inf"
	}
	return formatFloat(f)
}

// integer is an argument that must be an integer of any size.
func (m *Env) integer(v Value) Value {
	if isInt(v) {
		return v
	}
	if f, ok := v.(float64); ok {
		return m.truncate(f)
	}
	return m.int64(v)
}

// formatFloat is Float#to_s: the shortest text that reads back the same, with an
// exponent below 1e-4 and from 1e16 on, or from 1e15 on for whole numbers.
func formatFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	s := strconv.FormatFloat(f, 'e', -1, 64)
	mantissa, exp, _ := strings.Cut(s, "e")
	e, _ := strconv.Atoi(exp)
	digits := len(mantissa)
	if strings.Contains(mantissa, ".") {
		digits--
	}
	if mantissa[0] == '-' {
		digits--
	}
	if e < -4 || e >= 16 || e == 15 && digits <= 16 {
		if !strings.Contains(mantissa, ".") {
			mantissa += ".0"
		}
		sign := "+"
		if e < 0 {
			sign, e = "-", -e
		}
		text := strconv.Itoa(e)
		if len(text) < 2 {
			text = "0" + text
		}
		return mantissa + "e" + sign + text
	}
	s = strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// truncate is a float cut to an integer.
func (m *Env) truncate(f float64) Value {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		m.raise("FloatDomainError", "%s", formatFloat(f))
	}
	if math.Abs(f) < 9e18 {
		return int64(f)
	}
	n, _ := new(big.Float).SetFloat64(f).Int(nil)
	return m.norm(n)
}

func addInt(a, b int64) (int64, bool) {
	c := a + b
	return c, (c > a) == (b > 0)
}

func mulInt(a, b int64) (int64, bool) {
	hi, lo := bits.Mul64(uint64(absInt(a)), uint64(absInt(b)))
	if hi != 0 || lo > math.MaxInt64 || a == math.MinInt64 || b == math.MinInt64 {
		return 0, false
	}
	if (a < 0) != (b < 0) {
		return -int64(lo), true
	}
	return int64(lo), true
}

func absInt(n int64) int64 {
	if n < 0 {
		return -n
	}
	return n
}

// arith does + - * / % on two numbers.
func (m *Env) arith(op byte, a, b Value) Value {
	x, ok1 := a.(int64)
	y, ok2 := b.(int64)
	if ok1 && ok2 {
		if v, ok := m.arithInt(op, x, y); ok {
			return v
		}
	}
	if isInt(a) && isInt(b) {
		return m.arithBig(op, bigOf(a), bigOf(b))
	}
	f, _ := floatOf(a)
	g, ok := floatOf(b)
	if !ok {
		m.raise("TypeError", "%s can't be coerced into %s", nounedCoerce(b), className(a))
	}
	switch op {
	case '+':
		return f + g
	case '-':
		return f - g
	case '*':
		return f * g
	case '/':
		return f / g
	}
	if g == 0 {
		m.raise("ZeroDivisionError", "divided by 0")
	}
	return floatMod(f, g)
}

func nounedCoerce(v Value) string {
	switch v := v.(type) {
	case nil, bool:
		return nouned(v)
	case Sym:
		return string(appendInspectSym(nil, string(v)))
	}
	return className(v)
}

func (m *Env) arithInt(op byte, a, b int64) (Value, bool) {
	switch op {
	case '+':
		c, ok := addInt(a, b)
		return c, ok
	case '-':
		if b == math.MinInt64 {
			return nil, false
		}
		c, ok := addInt(a, -b)
		return c, ok
	case '*':
		c, ok := mulInt(a, b)
		return c, ok
	}
	if b == 0 {
		m.raise("ZeroDivisionError", "divided by 0")
	}
	if a == math.MinInt64 && b == -1 {
		return nil, false
	}
	q, r := a/b, a%b
	if r != 0 && (r < 0) != (b < 0) {
		q--
		r += b
	}
	if op == '/' {
		return q, true
	}
	return r, true
}

func (m *Env) arithBig(op byte, a, b *big.Int) Value {
	out := new(big.Int)
	switch op {
	case '+':
		return m.norm(out.Add(a, b))
	case '-':
		return m.norm(out.Sub(a, b))
	case '*':
		if a.BitLen()+b.BitLen() > maxBits {
			panic(&LimitError{"large a number"})
		}
		return m.norm(out.Mul(a, b))
	}
	if b.Sign() == 0 {
		m.raise("ZeroDivisionError", "divided by 0")
	}
	q, r := floorDiv(a, b)
	if op == '/' {
		return m.norm(q)
	}
	return m.norm(r)
}

func floorDiv(a, b *big.Int) (q, r *big.Int) {
	q, r = new(big.Int).QuoRem(a, b, new(big.Int))
	if r.Sign() != 0 && (r.Sign() < 0) != (b.Sign() < 0) {
		q.Sub(q, big.NewInt(1))
		r.Add(r, b)
	}
	return q, r
}

func floatMod(f, g float64) float64 {
	if math.IsInf(g, 0) && !math.IsInf(f, 0) && !math.IsNaN(f) {
		if f == 0 || (f < 0) == (g < 0) {
			return f
		}
		return g
	}
	r := math.Mod(f, g)
	if r != 0 && (r < 0) != (g < 0) {
		r += g
	}
	return r
}
