package ruby

// stringSearchMethods are those that match regular expressions.
func stringSearchMethods() table {
	return table{
		"=~":     {strMatchOp, 1, 1, false},
		"match":  {strMatch, 1, 2, false},
		"match?": {strMatchP, 1, 2, false},
		"scan":   {strScan, 1, 1, false},
	}
}

// toRegexp is a pattern argument as a regular expression: a string is compiled.
func (m *Env) toRegexp(v Value) *Regexp {
	switch v := v.(type) {
	case *Regexp:
		return v
	case *Str:
		if v.s == m.lastSrc && m.lastRe != nil && m.lastRe.flags == "" {
			return m.lastRe
		}
		re, err := newRegexp(v.s, "")
		if err != nil {
			m.raise("RegexpError", "%s", err)
		}
		m.lastSrc, m.lastRe = v.s, re
		return re
	}
	m.raise("TypeError", "wrong argument type %s (expected Regexp)", className(v))
	return nil
}

func strMatchOp(m *Env, self Value, a []Value, _ *Proc) Value {
	s := self.(*Str)
	switch v := a[0].(type) {
	case *Regexp:
		return m.matchPlace(v, s)
	case *Str:
		m.raise("TypeError", "type mismatch: String given")
	case Sym:
		return strMatchOp(m, m.toS(v), []Value{self}, nil)
	}
	return nil
}

// matchPlace is re =~ s: where the match begins, in characters.
func (m *Env) matchPlace(re *Regexp, s *Str) Value {
	m.match = m.find(re, s, 0)
	if m.match == nil {
		return nil
	}
	return int64(m.charOff(s, m.match.loc[0]))
}

// startOffset is the byte offset that a character position argument means.
func (m *Env) startOffset(s *Str, a []Value) (int, bool) {
	if len(a) < 2 {
		return 0, true
	}
	n := m.int(a[1])
	if n < 0 {
		n += m.chars(s)
	}
	if n < 0 {
		return 0, false
	}
	return m.byteOff(s, n)
}

func (m *Env) matchFrom(re *Regexp, s *Str, a []Value, blk *Proc) Value {
	off, ok := m.startOffset(s, a)
	m.match = nil
	if ok {
		m.match = m.find(re, s, off)
	}
	if m.match == nil {
		return nil
	}
	if blk != nil {
		return m.yield1(blk, m.match)
	}
	return m.match
}

func strMatch(m *Env, self Value, a []Value, blk *Proc) Value {
	return m.matchFrom(m.toRegexp(a[0]), self.(*Str), a, blk)
}

func strMatchP(m *Env, self Value, a []Value, _ *Proc) Value {
	s := self.(*Str)
	off, ok := m.startOffset(s, a)
	return ok && m.find(m.toRegexp(a[0]), s, off) != nil
}

// eachMatch goes through the matches of a pattern that do not overlap.
func (m *Env) eachMatch(pattern Value, s *Str, do func(g *Match) bool) {
	re, ok := pattern.(*Regexp)
	if !ok {
		m.eachText(pattern, s, do)
		return
	}
	m.work(len(s.s))
	m.checkText(re, s)
	m.checkTime(re.re.FindAll(s.s, 0, func(loc []int) bool {
		m.charge(16 * len(loc))
		m.step()
		return do(&Match{re: re, str: s.s, enc: s.enc, loc: append([]int(nil), loc...)})
	}))
}

// eachText goes through the places of a plain text.
func (m *Env) eachText(pattern Value, s *Str, do func(g *Match) bool) {
	t := m.patternArg(pattern)
	m.common(s, t)
	re := literalRegexp(t.s)
	for at := 0; at <= len(s.s); {
		m.step()
		i := indexFrom(s.s, t.s, at)
		if i < 0 || !do(&Match{re: re, str: s.s, enc: s.enc, loc: []int{i, i + len(t.s)}}) {
			return
		}
		at = i + len(t.s)
		if t.s == "" { // go on behind the next character
			if i >= len(s.s) {
				return
			}
			at += m.width(s, i)
		}
	}
}

// width is the length of the character at a byte offset.
func (m *Env) width(s *Str, at int) int {
	if s.enc != utf8Enc {
		return 1
	}
	return charLen(s.s[at:])
}

// patternArg is a pattern that is a string.
func (m *Env) patternArg(v Value) *Str {
	if t, ok := v.(*Str); ok {
		return t
	}
	m.raise("TypeError", "wrong argument type %s (expected Regexp)", className(v))
	return nil
}

func strScan(m *Env, self Value, a []Value, blk *Proc) Value {
	s := self.(*Str)
	frozen := &Str{s: s.s, enc: s.enc}
	var out []Value
	var last *Match
	m.eachMatch(a[0], frozen, func(g *Match) bool {
		last = g
		m.match = g
		v := m.scanned(g)
		if blk != nil {
			m.yield1(blk, v)
			m.match = g
		} else {
			out = append(out, v)
		}
		return true
	})
	m.match = last
	if blk != nil {
		return self
	}
	return m.array(out)
}

// scanned is what scan gives for a match: its groups, or all of it.
func (m *Env) scanned(g *Match) Value {
	if len(g.loc) == 2 {
		return m.group(g, 0)
	}
	row := make([]Value, len(g.loc)/2-1)
	for i := range row {
		row[i] = m.group(g, i+1)
	}
	return m.array(row)
}
