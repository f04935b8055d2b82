package ruby

import "unicode/utf8"

// charSet is a set of characters as tr, delete, count and squeeze take it:
// "a-z", "^0-9", with backslashes.
type charSet struct {
	negated bool
	list    []rune
}

// runesOf cuts a text into characters; a byte that belongs to none is kept apart
// from all characters.
func (m *Env) runesOf(s *Str) []rune {
	var out []rune
	m.eachChar(s, func(c string) { out = append(out, runeOf(c, s.enc)) })
	return out
}

const strayByte = 0x110000 // + the byte: what stands for a byte that is no character

func runeOf(c string, enc encoding) rune {
	if enc != utf8Enc {
		if c[0] < utf8.RuneSelf {
			return rune(c[0])
		}
		return strayByte + rune(c[0])
	}
	r, n := utf8.DecodeRuneInString(c)
	if r == utf8.RuneError && n <= 1 {
		return strayByte + rune(c[0])
	}
	return r
}

func appendRune(dst []byte, r rune) []byte {
	if r >= strayByte {
		return append(dst, byte(r-strayByte))
	}
	return utf8.AppendRune(dst, r)
}

func (m *Env) charSet(s *Str, negatable bool) charSet {
	src := m.runesOf(s)
	var set charSet
	if negatable && len(src) > 1 && src[0] == '^' {
		set.negated = true
		src = src[1:]
	}
	for i := 0; i < len(src); i++ {
		c := src[i]
		if c == '\\' && i+1 < len(src) {
			i++
			c = src[i]
		}
		if i+2 < len(src) && src[i+1] == '-' {
			end := src[i+2]
			i += 2
			if end == '\\' && i+1 < len(src) {
				i++
				end = src[i]
			}
			if c > end {
				m.raise("ArgumentError", `invalid range "%s" in string transliteration`, string(c)+"-"+string(end))
			}
			m.room(8, int(end-c))
			for r := c; r <= end; r++ {
				set.list = append(set.list, r)
			}
			continue
		}
		set.list = append(set.list, c)
	}
	return set
}

func (s charSet) has(r rune) bool {
	for _, one := range s.list {
		if one == r {
			return !s.negated
		}
	}
	return s.negated
}

// inAll is a test for characters that are in all of the sets.
func (m *Env) inAll(self *Str, a []Value) func(r rune) bool {
	if len(a) == 0 {
		m.raise("ArgumentError", "wrong number of arguments (given 0, expected 1+)")
	}
	var sets []charSet
	for _, v := range a {
		t := m.text(v)
		m.common(self, t)
		sets = append(sets, m.charSet(t, true))
	}
	return func(r rune) bool {
		for _, s := range sets {
			if !s.has(r) {
				return false
			}
		}
		return true
	}
}

func strDelete(m *Env, self Value, a []Value, _ *Proc) Value {
	s := self.(*Str)
	if s.s == "" && len(a) > 0 {
		return m.like("", s)
	}
	gone := m.inAll(s, a)
	var out []byte
	m.eachChar(s, func(c string) {
		if !gone(runeOf(c, s.enc)) {
			out = append(out, c...)
		}
	})
	return m.like(string(out), s)
}

func strCount(m *Env, self Value, a []Value, _ *Proc) Value {
	s := self.(*Str)
	counted := m.inAll(s, a)
	n := int64(0)
	m.eachChar(s, func(c string) {
		if counted(runeOf(c, s.enc)) {
			n++
		}
	})
	return n
}

func strSqueeze(m *Env, self Value, a []Value, _ *Proc) Value {
	s := self.(*Str)
	squeezed := func(rune) bool { return true }
	if len(a) > 0 {
		squeezed = m.inAll(s, a)
	}
	m.needValid(s)
	var out []byte
	last := rune(-1)
	m.eachChar(s, func(c string) {
		r := runeOf(c, s.enc)
		if r != last || !squeezed(r) {
			out = append(out, c...)
		}
		last = r
	})
	return m.like(string(out), s)
}

func strTr(m *Env, self Value, a []Value, _ *Proc) Value {
	return m.transliterate(self.(*Str), a, false)
}

func strTrS(m *Env, self Value, a []Value, _ *Proc) Value {
	return m.transliterate(self.(*Str), a, true)
}

func (m *Env) transliterate(s *Str, a []Value, squeeze bool) Value {
	fromStr, toStr := m.text(a[0]), m.text(a[1])
	m.common(s, fromStr)
	if toStr.s == "" {
		if fromStr.s == "" {
			return m.like(s.s, s)
		}
		return strDelete(m, s, a[:1], nil)
	}
	enc := m.common(s, toStr)
	from, to := m.charSet(fromStr, true), m.charSet(toStr, false)
	place := make(map[rune]int, len(from.list))
	for i, r := range from.list {
		place[r] = i // of a character that is there twice, the last place counts
	}
	var out []byte
	last := rune(-1)
	m.eachChar(s, func(c string) {
		r := runeOf(c, s.enc)
		at, in := place[r]
		if in == from.negated {
			out = append(out, c...)
			last = -1
			return
		}
		if from.negated {
			at = len(to.list) - 1
		}
		r = to.list[min(at, len(to.list)-1)]
		if squeeze && r == last {
			return
		}
		last = r
		out = appendRune(out, r)
	})
	return m.strEnc(string(out), enc)
}
