package ruby

import (
	"strings"
	"unicode/utf8"
)

const rubySpace = " \t\n\v\f\r"

// stringEditMethods cut, pad and put together.
func stringEditMethods() table {
	t := table{
		"center":  {func(m *Env, self Value, a []Value, _ *Proc) Value { return m.justify(self.(*Str), a, 'c') }, 1, 2, false},
		"ljust":   {func(m *Env, self Value, a []Value, _ *Proc) Value { return m.justify(self.(*Str), a, 'l') }, 1, 2, false},
		"rjust":   {func(m *Env, self Value, a []Value, _ *Proc) Value { return m.justify(self.(*Str), a, 'r') }, 1, 2, false},
		"<<":      {strAppend, 1, 1, false},
		"concat":  {strConcat, 0, -1, false},
		"prepend": {strPrepend, 0, -1, false},
		"replace": {strReplace, 1, 1, false},
		"insert":  {strInsert, 2, 2, false},
		"clear": {func(m *Env, self Value, _ []Value, _ *Proc) Value {
			m.changeable(self)
			self.(*Str).s = ""
			return self
		}, 0, 0, false},
		"setbyte": {refused("setbyte", ""), 2, 2, false},
	}
	for name, one := range map[string]method{
		"strip": {strStrip, 0, 0, false}, "lstrip": {strLstrip, 0, 0, false}, "rstrip": {strRstrip, 0, 0, false},
		"chomp": {strChomp, 0, 1, false}, "chop": {strChop, 0, 0, false}, "squeeze": {strSqueeze, 0, -1, false},
		"delete": {strDelete, 1, -1, false}, "tr": {strTr, 2, 2, false}, "tr_s": {strTrS, 2, 2, false},
		"delete_prefix": {strDeletePrefix, 1, 1, false}, "delete_suffix": {strDeleteSuffix, 1, 1, false},
	} {
		t[name] = one
		t[name+"!"] = method{strBang(one.fn), one.min, one.max, false}
	}
	for name, one := range map[string]method{"reverse!": {strReverse, 0, 0, false}, "succ!": {strSucc, 0, 0, false}, "next!": {strSucc, 0, 0, false}} {
		t[name] = method{strSet(one.fn), one.min, one.max, false}
	}
	return t
}

func (m *Env) trim(s *Str, left, right bool) Value {
	m.walkable(s)
	text := s.s
	if right {
		text = strings.TrimRight(text, rubySpace+"\x00")
		if r, n := utf8.DecodeLastRuneInString(text); s.enc == utf8Enc && r == utf8.RuneError && n == 1 {
			m.raise("ArgumentError", "invalid byte sequence in UTF-8")
		}
	}
	if left {
		text = strings.TrimLeft(text, rubySpace+"\x00")
		if r, n := utf8.DecodeRuneInString(text); s.enc == utf8Enc && r == utf8.RuneError && n == 1 {
			m.raise("ArgumentError", "invalid byte sequence in UTF-8")
		}
	}
	return m.like(text, s)
}

func strStrip(m *Env, self Value, _ []Value, _ *Proc) Value {
	return m.trim(self.(*Str), true, true)
}

func strLstrip(m *Env, self Value, _ []Value, _ *Proc) Value {
	return m.trim(self.(*Str), true, false)
}

func strRstrip(m *Env, self Value, _ []Value, _ *Proc) Value {
	return m.trim(self.(*Str), false, true)
}

func strChomp(m *Env, self Value, a []Value, _ *Proc) Value {
	s := self.(*Str)
	if len(a) == 0 {
		return m.like(chomp(s.s), s)
	}
	if a[0] == nil {
		return m.like(s.s, s)
	}
	switch end := m.text(a[0]).s; end {
	case "\n":
		return m.like(chomp(s.s), s)
	case "":
		text := s.s
		for strings.HasSuffix(text, "\n") {
			text = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
		}
		return m.like(text, s)
	default:
		return m.like(strings.TrimSuffix(s.s, end), s)
	}
}

func chomp(s string) string {
	switch {
	case strings.HasSuffix(s, "\r\n"):
		return s[:len(s)-2]
	case strings.HasSuffix(s, "\n"), strings.HasSuffix(s, "\r"):
		return s[:len(s)-1]
	}
	return s
}

func strChop(m *Env, self Value, _ []Value, _ *Proc) Value {
	s := self.(*Str)
	if strings.HasSuffix(s.s, "\r\n") {
		return m.like(s.s[:len(s.s)-2], s)
	}
	n := m.chars(s)
	if n == 0 {
		return m.like("", s)
	}
	off, _ := m.byteOff(s, n-1)
	return m.like(s.s[:off], s)
}

func strDeletePrefix(m *Env, self Value, a []Value, _ *Proc) Value {
	s, p := self.(*Str), m.text(a[0])
	m.common(s, p)
	return m.like(strings.TrimPrefix(s.s, p.s), s)
}

func strDeleteSuffix(m *Env, self Value, a []Value, _ *Proc) Value {
	s, p := self.(*Str), m.text(a[0])
	m.common(s, p)
	return m.like(strings.TrimSuffix(s.s, p.s), s)
}

func (m *Env) justify(s *Str, a []Value, how byte) Value {
	width := m.int(a[0])
	pad := &Str{s: " ", enc: s.enc}
	enc := s.enc
	if len(a) > 1 {
		pad = m.text(a[1])
		enc = m.common(s, pad)
		if pad.s == "" {
			m.raise("ArgumentError", "zero width padding")
		}
	}
	n := width - m.chars(s)
	if n <= 0 {
		return m.like(s.s, s)
	}
	m.room(len(pad.s), n)
	left, right := 0, 0
	switch how {
	case 'l':
		right = n
	case 'r':
		left = n
	default:
		left, right = n/2, n-n/2
	}
	return m.strEnc(m.padding(pad, left)+s.s+m.padding(pad, right), enc)
}

// padding is a text repeated up to n characters.
func (m *Env) padding(pad *Str, n int) string {
	if pad.single() {
		text := strings.Repeat(pad.s, n/len(pad.s)+1)
		return text[:n]
	}
	var b strings.Builder
	for n > 0 {
		m.eachChar(pad, func(c string) {
			if n > 0 {
				b.WriteString(c)
				n--
			}
		})
	}
	return b.String()
}

func strAppend(m *Env, self Value, a []Value, _ *Proc) Value {
	s := self.(*Str)
	m.changeable(s)
	if n, ok := a[0].(int64); ok {
		m.appendCodepoint(s, n)
		return self
	}
	t := m.text(a[0])
	enc := m.common(s, t)
	m.charge(len(s.s) + len(t.s))
	s.s, s.enc = s.s+t.s, enc
	return self
}

func (m *Env) appendCodepoint(s *Str, n int64) {
	if n < 0 || s.enc == utf8Enc && (n > 0x10ffff || n >= 0xd800 && n < 0xe000) || s.enc != utf8Enc && n > 255 {
		m.raise("RangeError", "%d out of char range", n)
	}
	if s.enc == asciiEnc && n > 127 {
		s.enc = binaryEnc
	}
	if s.enc == utf8Enc {
		s.s += string(rune(n))
	} else {
		s.s += string([]byte{byte(n)})
	}
}

func strConcat(m *Env, self Value, a []Value, _ *Proc) Value {
	all := append([]Value(nil), a...)
	for i, v := range all {
		if v == self {
			all[i] = m.copyOf(self)
		}
	}
	for i := range all {
		strAppend(m, self, all[i:i+1], nil)
	}
	return self
}

func strPrepend(m *Env, self Value, a []Value, _ *Proc) Value {
	s := self.(*Str)
	m.changeable(s)
	head := &Str{enc: s.enc}
	for _, v := range a {
		t := m.text(v)
		head = m.strEnc(head.s+t.s, m.common(head, t))
	}
	enc := m.common(head, s)
	if isASCII(head.s) {
		enc = s.enc
	}
	s.s, s.enc = head.s+s.s, enc
	return self
}

func strReplace(m *Env, self Value, a []Value, _ *Proc) Value {
	s, t := self.(*Str), m.text(a[0])
	m.changeable(s)
	s.s, s.enc = t.s, t.enc
	return self
}

func strInsert(m *Env, self Value, a []Value, _ *Proc) Value {
	s, i, t := self.(*Str), m.int(a[0]), m.text(a[1])
	m.changeable(s)
	n := m.chars(s)
	at := i
	if at < 0 {
		at += n + 1
	}
	if at < 0 || at > n {
		if i < 0 {
			i++
		}
		m.raise("IndexError", "index %d out of string", i)
	}
	off, _ := m.byteOff(s, at)
	enc := m.common(s, t)
	m.charge(len(s.s) + len(t.s))
	s.s, s.enc = s.s[:off]+t.s+s.s[off:], enc
	return self
}
