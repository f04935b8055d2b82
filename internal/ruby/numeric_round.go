package ruby

import (
	"math"
	"math/big"
	"strconv"
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

// integerMethods are those of Integer.
func integerMethods() table {
	return table{
		"to_s":      {intToS, 0, 1, false},
		"inspect":   {intToS, 0, 1, false},
		"digits":    {intDigits, 0, 1, false},
		"times":     {intTimes, 0, 0, false},
		"upto":      {intUpto, 1, 1, false},
		"downto":    {intDownto, 1, 1, false},
		"even?":     {func(_ *Env, self Value, _ []Value, _ *Proc) Value { return bigOf(self).Bit(0) == 0 }, 0, 0, false},
		"odd?":      {func(_ *Env, self Value, _ []Value, _ *Proc) Value { return bigOf(self).Bit(0) == 1 }, 0, 0, false},
		"pred":      {func(m *Env, self Value, _ []Value, _ *Proc) Value { return m.arith('-', self, int64(1)) }, 0, 0, false},
		"succ":      {intSucc, 0, 0, false},
		"next":      {intSucc, 0, 0, false},
		"chr":       {intChr, 0, 1, false},
		"ord":       {func(_ *Env, self Value, _ []Value, _ *Proc) Value { return self }, 0, 0, false},
		"pow":       {intPow, 1, 2, false},
		"gcd":       {intGcd, 1, 1, false},
		"lcm":       {intLcm, 1, 1, false},
		"size":      {intSize, 0, 0, false},
		"numerator": {func(_ *Env, self Value, _ []Value, _ *Proc) Value { return self }, 0, 0, false},
		"denominator": {func(*Env, Value, []Value, *Proc) Value {
			return int64(1)
		}, 0, 0, false},
	}
}

func intToS(m *Env, self Value, a []Value, _ *Proc) Value {
	base := 10
	if len(a) > 0 {
		if base = m.int(a[0]); base < 2 || base > 36 {
			m.raise("ArgumentError", "invalid radix %d", base)
		}
	}
	if n, ok := self.(int64); ok {
		return m.ascii(strconv.FormatInt(n, base))
	}
	return m.ascii(bigOf(self).Text(base))
}

func intDigits(m *Env, self Value, a []Value, _ *Proc) Value {
	base := Value(int64(10))
	if bigOf(self).Sign() < 0 {
		m.raise("Math::DomainError", "out of domain")
	}
	if len(a) > 0 {
		base = m.integer(a[0])
	}
	n, b := new(big.Int).Set(bigOf(self)), bigOf(base)
	switch {
	case b.Sign() < 0:
		m.raise("ArgumentError", "negative radix")
	case b.Cmp(big.NewInt(2)) < 0:
		m.raise("ArgumentError", "invalid radix %s", b)
	}
	var out []Value
	for {
		digit := new(big.Int)
		n.QuoRem(n, b, digit)
		m.step()
		out = append(out, m.norm(digit))
		if n.Sign() == 0 {
			return m.array(out)
		}
	}
}

func intTimes(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	n, ok := self.(int64)
	if !ok {
		panic(&LimitError{"many steps"})
	}
	for i := int64(0); i < n; i++ {
		m.yield1(blk, i)
	}
	return self
}

func intUpto(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	if !isNumber(a[0]) {
		m.incomparable(self, a[0])
	}
	for v := self; ; v = m.arith('+', v, int64(1)) {
		if n, ok := compareNumbers(v, a[0]); !ok || n > 0 {
			return self
		}
		m.yield1(blk, v)
	}
}

func intDownto(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	if !isNumber(a[0]) {
		m.incomparable(self, a[0])
	}
	for v := self; ; v = m.arith('-', v, int64(1)) {
		if n, ok := compareNumbers(v, a[0]); !ok || n < 0 {
			return self
		}
		m.yield1(blk, v)
	}
}

func intSucc(m *Env, self Value, _ []Value, _ *Proc) Value { return m.arith('+', self, int64(1)) }

func intChr(m *Env, self Value, a []Value, _ *Proc) Value {
	n, ok := self.(int64)
	if !ok || n < 0 || n > 0x10ffff {
		m.raise("RangeError", "%s out of char range", m.inspect(self))
	}
	enc := binaryEnc
	if n < 128 {
		enc = asciiEnc
	}
	if len(a) > 0 {
		enc = m.encodingArg(a[0])
	}
	switch {
	case enc == utf8Enc:
		if n >= 0xd800 && n < 0xe000 {
			m.raise("RangeError", "invalid codepoint 0x%X in UTF-8", n)
		}
		return m.str(string(rune(n)))
	case n > 255 && len(a) == 0:
		// Ruby takes the default encoding, ASCII-8BIT in a worker, and gives up.
		m.raise("RangeError", "%d out of char range", n)
	case n > 255 || n > 127 && enc == asciiEnc:
		m.raise("RangeError", "%d out of char range", n)
	}
	return m.strEnc(string([]byte{byte(n)}), enc)
}

func intPow(m *Env, self Value, a []Value, _ *Proc) Value {
	if len(a) == 1 {
		return m.power(self, a[0])
	}
	if !isInt(a[0]) {
		m.raise("TypeError", "Integer#pow() 2nd argument not allowed unless a 1st argument is integer")
	}
	e := bigOf(a[0])
	if e.Sign() < 0 {
		m.raise("RangeError", "Integer#pow() 1st argument cannot be negative when 2nd argument specified")
	}
	if !isInt(a[1]) {
		m.raise("TypeError", "Integer#pow() 2nd argument not allowed unless all arguments are integers")
	}
	mod := bigOf(a[1])
	switch {
	case mod.Sign() == 0:
		m.raise("ZeroDivisionError", "divided by 0")
	}
	_, r := floorDiv(new(big.Int).Exp(bigOf(self), e, new(big.Int).Abs(mod)), mod)
	return m.norm(r)
}

func (m *Env) intOnly(v Value) *big.Int {
	if !isInt(v) {
		m.raise("TypeError", "not an integer")
	}
	return bigOf(v)
}

func intGcd(m *Env, self Value, a []Value, _ *Proc) Value {
	x, y := bigOf(self), m.intOnly(a[0])
	return m.norm(new(big.Int).GCD(nil, nil, new(big.Int).Abs(x), new(big.Int).Abs(y)))
}

func intLcm(m *Env, self Value, a []Value, _ *Proc) Value {
	x, y := bigOf(self), m.intOnly(a[0])
	if x.Sign() == 0 || y.Sign() == 0 {
		return int64(0)
	}
	g := new(big.Int).GCD(nil, nil, new(big.Int).Abs(x), new(big.Int).Abs(y))
	out := new(big.Int).Mul(new(big.Int).Quo(x, g), y)
	return m.norm(out.Abs(out))
}

func intSize(_ *Env, self Value, _ []Value, _ *Proc) Value {
	if n, ok := self.(*big.Int); ok {
		return int64((n.BitLen() + 63) / 64 * 8)
	}
	return int64(8)
}
