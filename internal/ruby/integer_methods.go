package ruby

import (
	"math/big"
	"strconv"
)

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
