package ruby

import "strings"

// stringSubMethods replace.
func stringSubMethods() table {
	return table{
		"sub":   {func(m *Env, self Value, a []Value, blk *Proc) Value { return m.substitute(self, "sub", a, blk, false) }, 1, 2, false},
		"gsub":  {func(m *Env, self Value, a []Value, blk *Proc) Value { return m.substitute(self, "gsub", a, blk, true) }, 1, 2, false},
		"sub!":  {func(m *Env, self Value, a []Value, blk *Proc) Value { return m.substituteBang(self, a, blk, false) }, 1, 2, false},
		"gsub!": {func(m *Env, self Value, a []Value, blk *Proc) Value { return m.substituteBang(self, a, blk, true) }, 1, 2, false},
	}
}

func indexFrom(s, sub string, at int) int {
	if at > len(s) {
		return -1
	}
	i := strings.Index(s[at:], sub)
	if i < 0 {
		return -1
	}
	return i + at
}

// literalRegexp stands for a pattern that is plain text, as Match needs one.
func literalRegexp(text string) *Regexp {
	re, err := newRegexp(quoteRegexp(text), "")
	if err != nil {
		return &Regexp{src: text}
	}
	return re
}

func (m *Env) substituteBang(self Value, a []Value, blk *Proc, all bool) Value {
	s := self.(*Str)
	m.changeable(s)
	if blk == nil && len(a) == 1 {
		m.unsupported("this method without a replacement", "")
	}
	out, changed := m.replaced(s, a, blk, all)
	if !changed {
		return nil
	}
	s.s, s.enc = out.s, out.enc
	return self
}

func (m *Env) substitute(self Value, name string, a []Value, blk *Proc, all bool) Value {
	if blk == nil && len(a) == 1 {
		if !all {
			m.wrongArgs(1, 2, 2, false)
		}
		return &enumerator{recv: self, name: name, args: append([]Value(nil), a...)}
	}
	out, _ := m.replaced(self.(*Str), a, blk, all)
	return out
}

// replaced is sub or gsub: by text with \1 in it, by a hash, or by a block.
func (m *Env) replaced(s *Str, a []Value, blk *Proc, all bool) (*Str, bool) {
	src := &Str{s: s.s, enc: s.enc}
	j := joiner{m: m, start: len(m.buf)}
	j.text("", s.enc)
	var with *Str
	var table *Hash
	if len(a) == 2 {
		switch v := a[1].(type) {
		case *Hash:
			v.force()
			table = v
		default:
			with = m.text(a[1])
		}
	}
	if _, ok := a[0].(*Regexp); !ok {
		m.patternArg(a[0])
	}
	var parts []*Str
	at, last := 0, (*Match)(nil)
	m.eachMatch(a[0], src, func(g *Match) bool {
		m.match, last = g, g
		var by *Str
		switch {
		case table != nil:
			by = m.toS(m.hashGet(table, m.group(g, 0)))
		case with != nil:
			by = m.expand(with, g)
		default:
			by = m.toS(m.yield1(blk, m.group(g, 0)))
		}
		parts = append(parts, m.like(src.s[at:g.loc[0]], src), by)
		at = g.loc[1]
		m.match = g
		return all
	})
	m.match = last
	if last == nil {
		m.buf = m.buf[:j.start]
		return m.like(s.s, s), false
	}
	for _, p := range parts {
		j.text(p.s, p.enc)
	}
	j.text(src.s[at:], src.enc)
	return j.done(), true
}

// expand is a replacement with its references: \0 \1 \k<n> \& \` \' \\.
func (m *Env) expand(with *Str, g *Match) *Str {
	if strings.IndexByte(with.s, '\\') < 0 {
		return with
	}
	var b strings.Builder
	text := with.s
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 >= len(text) {
			b.WriteByte(text[i])
			continue
		}
		i++
		switch c := text[i]; {
		case '0' <= c && c <= '9':
			m.writeGroup(&b, g, int(c-'0'))
		case c == '&':
			m.writeGroup(&b, g, 0)
		case c == '`':
			b.WriteString(g.str[:g.loc[0]])
		case c == '\'':
			b.WriteString(g.str[g.loc[1]:])
		case c == '\\':
			b.WriteByte('\\')
		case c == 'k' && i+1 < len(text) && text[i+1] == '<' && strings.IndexByte(text[i:], '>') > 0:
			end := i + strings.IndexByte(text[i:], '>')
			name := text[i+2 : end]
			if n, ok := digitsOnly(name); ok {
				m.writeGroup(&b, g, int(n))
			} else {
				m.writeGroup(&b, g, m.mustNamed(g, name))
			}
			i = end
		default:
			b.WriteByte('\\')
			b.WriteByte(c)
		}
	}
	enc := with.enc
	if !isASCII(g.str) && isASCII(with.s) {
		enc = g.enc
	}
	return m.strEnc(b.String(), enc)
}

func (m *Env) writeGroup(b *strings.Builder, g *Match, i int) {
	if 2*i+1 < len(g.loc) && g.loc[2*i] >= 0 {
		b.WriteString(g.str[g.loc[2*i]:g.loc[2*i+1]])
	}
}
