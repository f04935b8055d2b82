package ruby

import (
	"strings"
	"unicode/utf8"
)

// stringMethods are the plain ones of String; the others are in the files beside,
// by theme.
func stringMethods() table {
	return table{
		"length":     {strLength, 0, 0, false},
		"size":       {strLength, 0, 0, false},
		"bytesize":   {func(_ *Env, self Value, _ []Value, _ *Proc) Value { return int64(len(self.(*Str).s)) }, 0, 0, false},
		"empty?":     {func(_ *Env, self Value, _ []Value, _ *Proc) Value { return self.(*Str).s == "" }, 0, 0, false},
		"to_s":       {func(_ *Env, self Value, _ []Value, _ *Proc) Value { return self }, 0, 0, false},
		"to_str":     {func(_ *Env, self Value, _ []Value, _ *Proc) Value { return self }, 0, 0, false},
		"to_sym":     {strToSym, 0, 0, false},
		"intern":     {strToSym, 0, 0, false},
		"itself":     {func(_ *Env, self Value, _ []Value, _ *Proc) Value { return self }, 0, 0, false},
		"+":          {strPlus, 1, 1, false},
		"*":          {strTimes, 1, 1, false},
		"%":          {strFormat, 1, 1, false},
		"-@":         {strDedup, 0, 0, false},
		"+@":         {strUnfrozen, 0, 0, false},
		"==":         {func(m *Env, self Value, a []Value, _ *Proc) Value { return m.eq(self, a[0]) }, 1, 1, false},
		"chars":      {strChars, 0, 0, false},
		"each_char":  {strEachChar, 0, 0, false},
		"bytes":      {strBytes, 0, 0, false},
		"each_byte":  {strEachByte, 0, 0, false},
		"codepoints": {strCodepoints, 0, 0, false},
		"getbyte":    {strGetbyte, 1, 1, false},
		"ord":        {strOrd, 0, 0, false},
		"chr":        {strChr, 0, 0, false},
		"reverse":    {strReverse, 0, 0, false},
		"casecmp":    {strCasecmp, 1, 1, false},
		"casecmp?":   {strCasecmpP, 1, 1, false},
		"sum":        {strSum, 0, 1, false},
		"crypt":      {refused("crypt", "use Digest"), 1, 1, false},
		"upto":       {strUpto, 1, 2, false},
		"succ":       {strSucc, 0, 0, false},
		"next":       {strSucc, 0, 0, false},
		"shellescape": {func(m *Env, self Value, _ []Value, _ *Proc) Value {
			return m.like(shellEscape(self.(*Str).s), self.(*Str))
		}, 0, 0, false},
	}
}

func strLength(m *Env, self Value, _ []Value, _ *Proc) Value { return int64(m.chars(self.(*Str))) }

func strToSym(m *Env, self Value, _ []Value, _ *Proc) Value {
	s := self.(*Str)
	if !s.valid() {
		m.raise("EncodingError", "invalid symbol in encoding %s :%s", s.enc, m.inspect(s))
	}
	if s.enc == binaryEnc && !isASCII(s.s) {
		m.unsupported("to_sym of a string in ASCII-8BIT", "")
	}
	return Sym(s.s)
}

func strPlus(m *Env, self Value, a []Value, _ *Proc) Value {
	s, t := self.(*Str), m.text(a[0])
	return m.strEnc(s.s+t.s, m.common(s, t))
}

func strTimes(m *Env, self Value, a []Value, _ *Proc) Value {
	s, n := self.(*Str), m.int(a[0])
	if n < 0 {
		m.raise("ArgumentError", "negative argument")
	}
	m.room(max(len(s.s), 1), n)
	return m.like(strings.Repeat(s.s, n), s)
}

func strFormat(m *Env, self Value, a []Value, _ *Proc) Value {
	if arr, ok := a[0].(*Array); ok {
		return m.format(self.(*Str), arr.v)
	}
	return m.format(self.(*Str), a)
}

func strDedup(m *Env, self Value, _ []Value, _ *Proc) Value {
	if self.(*Str).frozen {
		return self
	}
	return objFreeze(m, m.copyOf(self), nil, nil)
}

func strUnfrozen(m *Env, self Value, _ []Value, _ *Proc) Value {
	if self.(*Str).frozen {
		return m.copyOf(self)
	}
	return self
}

func (m *Env) charList(s *Str) []Value {
	n := m.chars(s)
	m.room(56, n)
	out := make([]Value, 0, n)
	m.eachChar(s, func(c string) { out = append(out, m.like(c, s)) })
	return out
}

func strChars(m *Env, self Value, _ []Value, blk *Proc) Value {
	if blk != nil {
		return strEachChar(m, self, nil, blk)
	}
	return m.array(m.charList(self.(*Str)))
}

func strEachChar(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	s := self.(*Str)
	m.eachChar(&Str{s: s.s, enc: s.enc}, func(c string) { m.yield1(blk, m.like(c, s)) })
	return self
}

func strBytes(m *Env, self Value, _ []Value, blk *Proc) Value {
	if blk != nil {
		return strEachByte(m, self, nil, blk)
	}
	s := self.(*Str).s
	m.room(16, len(s))
	out := make([]Value, len(s))
	for i := range len(s) {
		out[i] = int64(s[i])
	}
	return m.array(out)
}

func strEachByte(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	for _, v := range strBytes(m, self, nil, nil).(*Array).v {
		m.yield1(blk, v)
	}
	return self
}

func (m *Env) codepoint(c string, s *Str) int64 {
	if s.enc != utf8Enc {
		if s.enc == asciiEnc && c[0] > 127 {
			m.raise("ArgumentError", "invalid byte sequence in %s", s.enc)
		}
		return int64(c[0])
	}
	r, n := utf8.DecodeRuneInString(c)
	if r == utf8.RuneError && n <= 1 {
		m.raise("ArgumentError", "invalid byte sequence in UTF-8")
	}
	return int64(r)
}

func strCodepoints(m *Env, self Value, _ []Value, blk *Proc) Value {
	s := self.(*Str)
	var out []Value
	m.eachChar(s, func(c string) { out = append(out, m.codepoint(c, s)) })
	if blk != nil {
		for _, v := range out {
			m.yield1(blk, v)
		}
		return self
	}
	return m.array(out)
}

func strGetbyte(m *Env, self Value, a []Value, _ *Proc) Value {
	s, i := self.(*Str).s, m.int(a[0])
	if i < 0 {
		i += len(s)
	}
	if i < 0 || i >= len(s) {
		return nil
	}
	return int64(s[i])
}

func strOrd(m *Env, self Value, _ []Value, _ *Proc) Value {
	s := self.(*Str)
	if s.s == "" {
		m.raise("ArgumentError", "empty string")
	}
	m.walkable(s)
	return m.codepoint(s.s, s)
}

func strChr(m *Env, self Value, _ []Value, _ *Proc) Value { return m.substr(self.(*Str), 0, 1) }

func strReverse(m *Env, self Value, _ []Value, _ *Proc) Value {
	s := self.(*Str)
	out := make([]byte, len(s.s))
	at := len(out)
	m.eachChar(s, func(c string) {
		at -= len(c)
		copy(out[at:], c)
	})
	return m.like(string(out), s)
}

func strCasecmp(m *Env, self Value, a []Value, _ *Proc) Value {
	s := self.(*Str)
	other, ok := a[0].(*Str)
	if !ok {
		return nil
	}
	if _, ok := compatible(s, other); !ok {
		return nil
	}
	return int64(strings.Compare(asciiLower(s.s), asciiLower(other.s)))
}

func asciiLower(s string) string {
	out := []byte(s)
	for i, c := range out {
		if 'A' <= c && c <= 'Z' {
			out[i] = c + 32
		}
	}
	return string(out)
}

func strCasecmpP(m *Env, self Value, a []Value, _ *Proc) Value {
	s := self.(*Str)
	other, ok := a[0].(*Str)
	if !ok {
		return nil
	}
	if _, ok := compatible(s, other); !ok {
		return nil
	}
	if !s.valid() || !other.valid() {
		m.raise("ArgumentError", "input string invalid")
	}
	return foldText(s) == foldText(other)
}

func strSum(m *Env, self Value, a []Value, _ *Proc) Value {
	if len(a) > 0 {
		m.unsupported("sum with a number of bits", "")
	}
	n := int64(0)
	for i := range len(self.(*Str).s) {
		n += int64(self.(*Str).s[i])
	}
	return n & 0xffff
}

func strUpto(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	m.upto(self.(*Str), m.text(a[0]), len(a) > 1 && truthy(a[1]), func(v Value) bool {
		m.yield1(blk, v)
		return true
	})
	return self
}

func strSucc(m *Env, self Value, _ []Value, _ *Proc) Value {
	s := self.(*Str)
	if !isASCII(s.s) {
		m.unsupported("succ of a string that is not ASCII", "")
	}
	return m.like(succ(s.s), s)
}
