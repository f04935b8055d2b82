package ruby

import (
	"math"
	"math/big"
	"strconv"
	"strings"
)

// functionNames are the calls without a receiver.
var functionNames = words("format sprintf Integer Float String Array Hash raise rand require lambda proc block_given? catch use_nil use_default fail")

// mainMethods are the functions: what can be called without a receiver.
func mainMethods() table {
	return table{
		"format":      {kernelFormat, 1, -1, false},
		"sprintf":     {kernelFormat, 1, -1, false},
		"Integer":     {kernelInteger, 1, 2, true},
		"Float":       {kernelFloat, 1, 1, true},
		"String":      {func(m *Env, _ Value, a []Value, _ *Proc) Value { return m.toS(a[0]) }, 1, 1, false},
		"Array":       {kernelArray, 1, 1, false},
		"Hash":        {kernelHash, 1, 1, false},
		"raise":       {kernelRaise, 0, 3, false},
		"fail":        {kernelRaise, 0, 3, false},
		"rand":        {kernelRand, 0, 1, false},
		"require":     {func(*Env, Value, []Value, *Proc) Value { return false }, 1, 1, false},
		"lambda":      {kernelLambda, 0, 0, false},
		"proc":        {kernelProc, 0, 0, false},
		"use_nil":     {func(*Env, Value, []Value, *Proc) Value { panic(ErrUseNil) }, 0, 0, false},
		"use_default": {func(*Env, Value, []Value, *Proc) Value { panic(ErrUseDefault) }, 0, 0, false},
	}
}

func kernelFormat(m *Env, _ Value, a []Value, _ *Proc) Value { return m.format(m.text(a[0]), a[1:]) }

func kernelLambda(m *Env, _ Value, _ []Value, blk *Proc) Value {
	if blk == nil {
		m.raise("ArgumentError", "tried to create Proc object without a block")
	}
	return blk
}

func kernelProc(m *Env, _ Value, _ []Value, blk *Proc) Value {
	if blk == nil {
		m.raise("ArgumentError", "tried to create Proc object without a block")
	}
	return blk
}

func kernelRand(m *Env, _ Value, a []Value, _ *Proc) Value {
	if len(a) == 0 || a[0] == nil {
		return randomFloat()
	}
	return m.randomIn(a[0])
}

// silent tells whether exception: false was given.
func silent(kw *Hash) bool {
	v, ok := kw.keyword("exception")
	return ok && !truthy(v)
}

// orNil runs a conversion; with quiet, an exception becomes nil.
func (m *Env) orNil(quiet bool, f func() Value) (v Value) {
	if !quiet {
		return f()
	}
	v, exc := m.try(func(*Env) Value { return f() })
	if exc != nil {
		return nil
	}
	return v
}

func kernelInteger(m *Env, _ Value, a []Value, _ *Proc) Value {
	rest, kw := m.keywords(a, "exception")
	return m.orNil(silent(kw), func() Value {
		if len(rest) > 1 && rest[1] != nil {
			s, ok := rest[0].(*Str)
			if !ok {
				m.raise("ArgumentError", "base specified for non string value")
			}
			return m.parseInteger(s, m.int(rest[1]))
		}
		return m.toInteger(rest[0])
	})
}

// toInteger is Integer(v).
func (m *Env) toInteger(v Value) Value {
	switch v := v.(type) {
	case int64, *big.Int:
		return v
	case float64:
		return m.truncate(v)
	case *Str:
		return m.parseInteger(v, 0)
	case nil:
		m.raise("TypeError", "can't convert nil into Integer")
	case *Time:
		return v.t.Unix()
	case eventTime:
		return v.Sec
	}
	m.raise("TypeError", "can't convert %s into Integer", nouned(v))
	return nil
}

func (m *Env) parseInteger(s *Str, base int) Value {
	if base < 0 || base == 1 || base > 36 {
		m.raise("ArgumentError", "invalid radix %d", base)
	}
	if strings.IndexByte(s.s, 0) >= 0 {
		m.raise("ArgumentError", "string contains null byte")
	}
	text := strings.Trim(s.s, rubySpace)
	n, rest := m.scanInt(text, base)
	if rest != "" || text == "" || strings.HasSuffix(text, "_") || prefixOnly(text) {
		m.raise("ArgumentError", "invalid value for Integer(): %s", m.inspect(s))
	}
	return n
}

// prefixOnly tells "0x" and its like.
func prefixOnly(s string) bool {
	s = strings.TrimLeft(s, "+-")
	return len(s) == 2 && s[0] == '0' && strings.IndexByte("xXbBoOdD", s[1]) >= 0
}

func kernelFloat(m *Env, _ Value, a []Value, _ *Proc) Value {
	rest, kw := m.keywords(a, "exception")
	return m.orNil(silent(kw), func() Value { return m.toFloat(rest[0]) })
}

// toFloat is Float(v).
func (m *Env) toFloat(v Value) float64 {
	if f, ok := floatOf(v); ok {
		return f
	}
	switch v := v.(type) {
	case *Str:
		return m.parseFloat(v)
	case nil:
		m.raise("TypeError", "can't convert nil into Float")
	case *Time:
		return v.float()
	}
	m.raise("TypeError", "can't convert %s into Float", nouned(v))
	return 0
}

func (m *Env) parseFloat(s *Str) float64 {
	if strings.IndexByte(s.s, 0) >= 0 {
		m.raise("ArgumentError", "string for Float contains null byte")
	}
	text := strings.Trim(s.s, rubySpace)
	f, n := leadingFloat(text, true)
	if n == 0 || n != len(text) {
		m.raise("ArgumentError", "invalid value for Float(): %s", m.inspect(s))
	}
	return f
}

// leadingFloat reads the float that a text begins with, and says how much of it
// that was. strict is Float(): 0x is taken, and a point needs digits on both sides.
func leadingFloat(s string, strict bool) (f float64, n int) {
	i := 0
	if i < len(s) && (s[i] == '-' || s[i] == '+') {
		i++
	}
	if strict && len(s) > i+2 && s[i] == '0' && (s[i+1] == 'x' || s[i+1] == 'X') {
		return hexLeading(s, i)
	}
	digits := func(i int) int {
		start := i
		for i < len(s) && ('0' <= s[i] && s[i] <= '9' || s[i] == '_' && i > start && s[i-1] != '_' && i+1 < len(s) && '0' <= s[i+1] && s[i+1] <= '9') {
			i++
		}
		return i
	}
	end := digits(i)
	if end == i {
		if strict || i >= len(s) || s[i] != '.' || digits(i+1) == i+1 {
			return 0, 0
		}
	}
	if end < len(s) && s[end] == '.' {
		if e := digits(end + 1); e > end+1 {
			end = e
		}
	}
	if end < len(s) && (s[end] == 'e' || s[end] == 'E') {
		e := end + 1
		if e < len(s) && (s[e] == '-' || s[e] == '+') {
			e++
		}
		if d := digits(e); d > e {
			end = d
		}
	}
	f, _ = strconv.ParseFloat(strings.ReplaceAll(s[:end], "_", ""), 64)
	return f, end
}

func hexLeading(s string, i int) (float64, int) {
	text := s
	if !strings.ContainsAny(s, "pP") {
		text += "p0"
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil && !math.IsInf(f, 0) || strings.Contains(s, "_") || i < 0 {
		return 0, 0
	}
	return f, len(s)
}

func strToF(_ *Env, self Value, _ []Value, _ *Proc) Value {
	f, _ := leadingFloat(strings.TrimLeft(self.(*Str).s, rubySpace), false)
	return f
}

func kernelArray(m *Env, _ Value, a []Value, _ *Proc) Value {
	switch v := a[0].(type) {
	case nil:
		return m.array(nil)
	case *Array:
		return v
	case *Hash, *Range, *enumerator, *Match:
		if g, ok := v.(*Match); ok {
			return m.array(m.groups(g, 0))
		}
		return m.list(m.toArray(v)...)
	}
	return m.list(a[0])
}

func kernelHash(m *Env, _ Value, a []Value, _ *Proc) Value {
	switch v := a[0].(type) {
	case nil:
		return m.newHash()
	case *Hash:
		return v
	case *Array:
		if len(v.v) == 0 {
			return m.newHash()
		}
	}
	m.raise("TypeError", "can't convert %s into Hash", nouned(a[0]))
	return nil
}

func kernelRaise(m *Env, _ Value, a []Value, _ *Proc) Value {
	if len(a) == 0 {
		if m.err != nil {
			panic(m.err)
		}
		m.raise("RuntimeError", "unhandled exception")
	}
	switch v := a[0].(type) {
	case *Str:
		if len(a) > 1 {
			m.raise("TypeError", "exception class/object expected")
		}
		panic(m.newException(classes["RuntimeError"], v))
	case *Class:
		if !descends(v.name, "Exception") {
			m.raise("TypeError", "exception class/object expected")
		}
		if len(a) > 1 {
			panic(m.newException(v, a[1]))
		}
		panic(m.newException(v, nil))
	case *Exception:
		if len(a) > 1 {
			panic(m.newException(v.class, a[1]))
		}
		panic(v)
	}
	m.raise("TypeError", "exception class/object expected")
	return nil
}
