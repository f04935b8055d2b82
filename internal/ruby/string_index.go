package ruby

import "strings"

// stringIndexMethods find and take parts.
func stringIndexMethods() table {
	return table{
		"[]":          {strAt, 1, 2, false},
		"slice":       {strAt, 1, 2, false},
		"[]=":         {strSetAt, 2, 3, false},
		"slice!":      {strSliceBang, 1, 2, false},
		"byteslice":   {strByteslice, 1, 2, false},
		"index":       {strIndex, 1, 2, false},
		"rindex":      {strRindex, 1, 2, false},
		"include?":    {strInclude, 1, 1, false},
		"start_with?": {strStartWith, 0, -1, false},
		"end_with?":   {strEndWith, 0, -1, false},
		"count":       {strCount, 0, -1, false},
		"partition":   {strPartition, 1, 1, false},
		"rpartition":  {strRpartition, 1, 1, false},
	}
}

// substr is n characters from a place, nil when that is outside.
func (m *Env) substr(s *Str, start, n int) Value {
	from, to, ok := m.spanBytes(s, start, n)
	if !ok {
		return nil
	}
	return m.like(s.s[from:to], s)
}

// spanBytes is the bytes of n characters from a place.
func (m *Env) spanBytes(s *Str, start, n int) (from, to int, ok bool) {
	length := -1
	if start < 0 {
		length = m.chars(s)
		start += length
	}
	if start < 0 || n < 0 {
		return 0, 0, false
	}
	if s.single() {
		if start > len(s.s) {
			return 0, 0, false
		}
		return start, start + min(n, len(s.s)-start), true
	}
	from, ok = m.byteOff(s, start)
	if !ok {
		return 0, 0, false
	}
	to = from
	for ; n > 0 && to < len(s.s); n-- {
		to += charLen(s.s[to:])
	}
	return from, to, true
}

// place finds what s[a] means as bytes of s.
func (m *Env) place(s *Str, a []Value) (from, to int, ok bool) {
	if re, isRe := a[0].(*Regexp); isRe {
		group := Value(int64(0))
		if len(a) > 1 {
			group = a[1]
		}
		m.match = m.find(re, s, 0)
		if m.match == nil {
			return 0, 0, false
		}
		return m.groupSpan(m.match, group)
	}
	if len(a) == 2 {
		return m.spanBytes(s, m.int(a[0]), m.int(a[1]))
	}
	switch v := a[0].(type) {
	case *Str:
		m.common(s, v)
		i := strings.Index(s.s, v.s)
		return i, i + len(v.s), i >= 0
	case *Range:
		start, n, ok := m.spanOf(v, m.chars(s))
		if !ok {
			return 0, 0, false
		}
		return m.spanBytes(s, start, n)
	}
	i := m.int(a[0])
	from, to, ok = m.spanBytes(s, i, 1)
	return from, to, ok && to > from
}

func strAt(m *Env, self Value, a []Value, _ *Proc) Value {
	s := self.(*Str)
	from, to, ok := m.place(s, a)
	if !ok {
		return nil
	}
	return m.like(s.s[from:to], s)
}

func strSetAt(m *Env, self Value, a []Value, _ *Proc) Value {
	s := self.(*Str)
	m.changeable(s)
	where := a[:len(a)-1]
	if k := kindOf(a[0]); k != kStr && k != kRegexp {
		m.text(a[len(a)-1])
	}
	from, to, ok := m.place(s, where)
	if !ok && isNumber(a[0]) && len(where) == 1 && m.int(a[0]) == m.chars(s) {
		from, to, ok = len(s.s), len(s.s), true
	}
	if !ok {
		m.outside(s, where)
	}
	v := m.text(a[len(a)-1])
	enc := m.common(s, v)
	m.charge(len(s.s) + len(v.s))
	s.s, s.enc = s.s[:from]+v.s+s.s[to:], enc
	return a[len(a)-1]
}

func (m *Env) outside(s *Str, where []Value) {
	switch v := where[0].(type) {
	case *Str:
		m.raise("IndexError", "string not matched")
	case *Regexp:
		m.raise("IndexError", "regexp not matched")
	case *Range:
		m.raise("RangeError", "%s out of range", m.inspect(v))
	}
	if len(where) == 2 && m.int(where[1]) < 0 {
		m.raise("IndexError", "negative length %d", m.int(where[1]))
	}
	m.raise("IndexError", "index %d out of string", m.int(where[0]))
}

func strSliceBang(m *Env, self Value, a []Value, _ *Proc) Value {
	s := self.(*Str)
	m.changeable(s)
	from, to, ok := m.place(s, a)
	if !ok {
		return nil
	}
	got := m.like(s.s[from:to], s)
	s.s = s.s[:from] + s.s[to:]
	return got
}

func strByteslice(m *Env, self Value, a []Value, _ *Proc) Value {
	s := self.(*Str)
	bytes := &Str{s: s.s, enc: binaryEnc}
	if _, ok := a[0].(*Range); !ok {
		a = append([]Value{m.int64(a[0])}, a[1:]...)
	}
	from, to, ok := m.place(bytes, a)
	if !ok {
		return nil
	}
	return m.like(s.s[from:to], s)
}

func strIndex(m *Env, self Value, a []Value, _ *Proc) Value {
	s := self.(*Str)
	start := 0
	if len(a) > 1 {
		if start = m.int(a[1]); start < 0 {
			start += m.chars(s)
		}
		if start < 0 {
			m.forget(a[0])
			return nil
		}
	}
	off, ok := m.byteOff(s, start)
	if !ok {
		m.forget(a[0])
		return nil
	}
	if re, ok := a[0].(*Regexp); ok {
		m.match = m.find(re, s, off)
		if m.match == nil {
			return nil
		}
		return int64(m.charOff(s, m.match.loc[0]))
	}
	t := m.text(a[0])
	m.common(s, t)
	i := strings.Index(s.s[off:], t.s)
	if i < 0 {
		return nil
	}
	return int64(m.charOff(s, off+i))
}

// forget clears $~ when a search with a regular expression did not take place.
func (m *Env) forget(v Value) {
	if _, ok := v.(*Regexp); ok {
		m.match = nil
	}
}

func strRindex(m *Env, self Value, a []Value, _ *Proc) Value {
	s := self.(*Str)
	n := m.chars(s)
	start := n
	if len(a) > 1 {
		if start = m.int(a[1]); start < 0 {
			start += n
		}
		if start < 0 {
			m.forget(a[0])
			return nil
		}
		start = min(start, n)
	}
	off, _ := m.byteOff(s, start)
	if re, ok := a[0].(*Regexp); ok {
		m.match = m.findBack(re, s, off)
		if m.match == nil {
			return nil
		}
		return int64(m.charOff(s, m.match.loc[0]))
	}
	t := m.text(a[0])
	m.common(s, t)
	i := strings.LastIndex(s.s[:min(off+len(t.s), len(s.s))], t.s)
	if i < 0 {
		return nil
	}
	return int64(m.charOff(s, i))
}

func strInclude(m *Env, self Value, a []Value, _ *Proc) Value {
	s, t := self.(*Str), m.text(a[0])
	m.common(s, t)
	return strings.Contains(s.s, t.s)
}

func strStartWith(m *Env, self Value, a []Value, _ *Proc) Value {
	s := self.(*Str)
	for _, v := range a {
		if re, ok := v.(*Regexp); ok {
			if m.match = m.findAt(re, s, 0); m.match != nil {
				return true
			}
			continue
		}
		t := m.text(v)
		m.common(s, t)
		if strings.HasPrefix(s.s, t.s) {
			return true
		}
	}
	return false
}

func strEndWith(m *Env, self Value, a []Value, _ *Proc) Value {
	s := self.(*Str)
	for _, v := range a {
		t := m.text(v)
		m.common(s, t)
		if strings.HasSuffix(s.s, t.s) {
			return true
		}
	}
	return false
}

func (m *Env) threeParts(s *Str, from, to int) Value {
	return m.list(m.like(s.s[:from], s), m.like(s.s[from:to], s), m.like(s.s[to:], s))
}

func strPartition(m *Env, self Value, a []Value, _ *Proc) Value {
	s := self.(*Str)
	if re, ok := a[0].(*Regexp); ok {
		if m.match = m.find(re, s, 0); m.match == nil {
			return m.threeParts(s, len(s.s), len(s.s))
		}
		return m.threeParts(s, m.match.loc[0], m.match.loc[1])
	}
	t := m.patternText(a[0])
	m.common(s, t)
	i := strings.Index(s.s, t.s)
	if i < 0 {
		return m.threeParts(s, len(s.s), len(s.s))
	}
	return m.threeParts(s, i, i+len(t.s))
}

func strRpartition(m *Env, self Value, a []Value, _ *Proc) Value {
	s := self.(*Str)
	if re, ok := a[0].(*Regexp); ok {
		if m.match = m.findBack(re, s, len(s.s)); m.match == nil {
			return m.threeParts(s, 0, 0)
		}
		return m.threeParts(s, m.match.loc[0], m.match.loc[1])
	}
	t := m.patternText(a[0])
	m.common(s, t)
	i := strings.LastIndex(s.s, t.s)
	if i < 0 {
		return m.threeParts(s, 0, 0)
	}
	return m.threeParts(s, i, i+len(t.s))
}

// patternText is a pattern that is a string.
func (m *Env) patternText(v Value) *Str {
	if s, ok := v.(*Str); ok {
		return s
	}
	m.raise("TypeError", "type mismatch: %s given", className(v))
	return nil
}
