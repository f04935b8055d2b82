package ruby

import "strings"

func regexpMethods() table {
	return table{
		"=~":        {reMatchOp, 1, 1, false},
		"match":     {reMatch, 1, 2, false},
		"match?":    {reMatchP, 1, 2, false},
		"source":    {func(m *Env, self Value, _ []Value, _ *Proc) Value { return m.str(self.(*Regexp).src) }, 0, 0, false},
		"to_s":      {func(m *Env, self Value, _ []Value, _ *Proc) Value { return m.str(self.(*Regexp).text()) }, 0, 0, false},
		"names":     {reNames, 0, 0, false},
		"options":   {reOptions, 0, 0, false},
		"casefold?": {func(_ *Env, self Value, _ []Value, _ *Proc) Value { return strings.Contains(self.(*Regexp).flags, "i") }, 0, 0, false},
	}
}

func (m *Env) reTarget(v Value) (*Str, bool) {
	if v == nil {
		return nil, false
	}
	if s, ok := m.matchable(v); ok {
		return s, true
	}
	return m.text(v), true
}

func reMatchOp(m *Env, self Value, a []Value, _ *Proc) Value {
	s, ok := m.reTarget(a[0])
	if !ok {
		m.match = nil
		return nil
	}
	return m.matchPlace(self.(*Regexp), s)
}

func reMatch(m *Env, self Value, a []Value, blk *Proc) Value {
	s, ok := m.reTarget(a[0])
	if !ok {
		m.match = nil
		return nil
	}
	return m.matchFrom(self.(*Regexp), s, a, blk)
}

func reMatchP(m *Env, self Value, a []Value, _ *Proc) Value {
	s, ok := m.reTarget(a[0])
	if !ok {
		return false
	}
	off, ok := m.startOffset(s, a)
	return ok && m.find(self.(*Regexp), s, off) != nil
}

func reNames(m *Env, self Value, _ []Value, _ *Proc) Value {
	return m.nameList(self.(*Regexp))
}

func (m *Env) nameList(re *Regexp) Value {
	var out []Value
	seen := map[string]bool{"": true}
	for _, n := range re.re.SubexpNames() {
		if !seen[n] {
			seen[n] = true
			out = append(out, m.str(n))
		}
	}
	return m.array(out)
}

func reOptions(_ *Env, self Value, _ []Value, _ *Proc) Value {
	n := int64(0)
	for i, f := range "ixm" {
		if strings.ContainsRune(self.(*Regexp).flags, f) {
			n |= 1 << i
		}
	}
	return n
}

func matchMethods() table {
	return table{
		"[]":             {matchAt, 1, 2, false},
		"captures":       {matchCaptures, 0, 0, false},
		"named_captures": {matchNamedCaptures, 0, 0, false},
		"names":          {func(m *Env, self Value, _ []Value, _ *Proc) Value { return m.nameList(self.(*Match).re) }, 0, 0, false},
		"to_a":           {func(m *Env, self Value, _ []Value, _ *Proc) Value { return m.array(m.groups(self.(*Match), 0)) }, 0, 0, false},
		"values_at":      {matchValuesAt, 0, -1, false},
		"begin":          {func(m *Env, self Value, a []Value, _ *Proc) Value { return m.matchEdge(self.(*Match), a[0], 0) }, 1, 1, false},
		"end":            {func(m *Env, self Value, a []Value, _ *Proc) Value { return m.matchEdge(self.(*Match), a[0], 1) }, 1, 1, false},
		"offset": {func(m *Env, self Value, a []Value, _ *Proc) Value {
			return m.list(m.matchEdge(self.(*Match), a[0], 0), m.matchEdge(self.(*Match), a[0], 1))
		}, 1, 1, false},
		"pre_match": {func(m *Env, self Value, _ []Value, _ *Proc) Value {
			g := self.(*Match)
			return m.strEnc(g.str[:g.loc[0]], g.enc)
		}, 0, 0, false},
		"post_match": {func(m *Env, self Value, _ []Value, _ *Proc) Value {
			g := self.(*Match)
			return m.strEnc(g.str[g.loc[1]:], g.enc)
		}, 0, 0, false},
		"string": {matchString, 0, 0, false},
		"regexp": {func(_ *Env, self Value, _ []Value, _ *Proc) Value { return self.(*Match).re }, 0, 0, false},
		"size":   {func(_ *Env, self Value, _ []Value, _ *Proc) Value { return int64(len(self.(*Match).loc) / 2) }, 0, 0, false},
		"length": {func(_ *Env, self Value, _ []Value, _ *Proc) Value { return int64(len(self.(*Match).loc) / 2) }, 0, 0, false},
	}
}

func (m *Env) groups(g *Match, from int) []Value {
	var out []Value
	for i := from; i < len(g.loc)/2; i++ {
		out = append(out, m.group(g, i))
	}
	return out
}

func matchAt(m *Env, self Value, a []Value, _ *Proc) Value {
	g := self.(*Match)
	_, isRange := a[0].(*Range)
	if len(a) == 2 || isRange {
		return arrAt(m, m.array(m.groups(g, 0)), a, nil)
	}
	return m.group(g, m.groupNumber(g, a[0]))
}

func matchCaptures(m *Env, self Value, _ []Value, _ *Proc) Value {
	return m.array(m.groups(self.(*Match), 1))
}

func matchNamedCaptures(m *Env, self Value, _ []Value, _ *Proc) Value {
	g := self.(*Match)
	h := m.newHash()
	for _, n := range g.re.re.SubexpNames() {
		if n != "" {
			m.hashSet(h, m.str(n), m.matchNamed(g, n))
		}
	}
	return h
}

func matchValuesAt(m *Env, self Value, a []Value, _ *Proc) Value {
	g := self.(*Match)
	out := make([]Value, len(a))
	for i, v := range a {
		out[i] = m.group(g, m.groupNumber(g, v))
	}
	return m.array(out)
}

func (m *Env) matchEdge(g *Match, group Value, edge int) Value {
	i := m.groupNumber(g, group)
	if n, ok := group.(int64); ok {
		i = int(n)
	}
	if i < 0 || 2*i+1 >= len(g.loc) {
		m.raise("IndexError", "index %d out of matches", i)
	}
	if g.loc[2*i] < 0 {
		return nil
	}
	return int64(m.charOff(&Str{s: g.str, enc: g.enc}, g.loc[2*i+edge]))
}

func matchString(m *Env, self Value, _ []Value, _ *Proc) Value {
	s := m.strEnc(self.(*Match).str, self.(*Match).enc)
	s.frozen = true
	return s
}

func (m *Env) inspectMatch(g *Match) string {
	names := g.re.re.SubexpNames()
	text := "#<MatchData " + m.inspect(m.group(g, 0))
	for i := 1; i < len(g.loc)/2; i++ {
		name := formatInt(i)
		if i < len(names) && names[i] != "" {
			name = names[i]
		}
		text += " " + name + ":" + m.inspect(m.group(g, i))
	}
	return text + ">"
}

// quoteRegexp is Regexp.escape.
func quoteRegexp(s string) string {
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; c {
		case '[', ']', '{', '}', '(', ')', '|', '-', '*', '.', '\\', '?', '+', '^', '$', '#':
			b.WriteByte('\\')
			b.WriteByte(c)
		case ' ':
			b.WriteString(`\ `)
		case '\t':
			b.WriteString(`\t`)
		case '\f':
			b.WriteString(`\f`)
		case '\v':
			b.WriteString(`\v`)
		case '\n':
			b.WriteString(`\n`)
		case '\r':
			b.WriteString(`\r`)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// regexpClassMethods are Regexp.new and its like.
func regexpClassMethods() table {
	escape := func(m *Env, _ Value, a []Value, _ *Proc) Value {
		if s, ok := a[0].(Sym); ok {
			return m.str(quoteRegexp(string(s)))
		}
		return m.str(quoteRegexp(m.text(a[0]).s))
	}
	return table{
		"new":        {reNew, 1, 2, false},
		"compile":    {reNew, 1, 2, false},
		"escape":     {escape, 1, 1, false},
		"quote":      {escape, 1, 1, false},
		"union":      {reUnion, 0, -1, false},
		"last_match": {reLastMatch, 0, 1, false},
	}
}

func reNew(m *Env, _ Value, a []Value, _ *Proc) Value {
	if re, ok := a[0].(*Regexp); ok {
		return re
	}
	flags := ""
	if len(a) > 1 {
		switch v := a[1].(type) {
		case int64:
			for i, f := range "ixm" {
				if v&(1<<i) != 0 {
					flags += string(f)
				}
			}
			flags = regexpFlags(flags)
		default:
			if truthy(v) {
				flags = "i"
			}
		}
	}
	re, err := newRegexp(m.text(a[0]).s, flags)
	if err != nil {
		m.raise("RegexpError", "%s", err)
	}
	return re
}

func reUnion(m *Env, _ Value, a []Value, _ *Proc) Value {
	if len(a) == 1 {
		if arr, ok := a[0].(*Array); ok {
			a = arr.v
		}
	}
	if len(a) == 0 {
		return m.toRegexp(m.str("(?!)"))
	}
	parts := make([]string, len(a))
	for i, v := range a {
		switch v := v.(type) {
		case *Regexp:
			if len(a) == 1 {
				return v
			}
			parts[i] = v.text()
		default:
			parts[i] = quoteRegexp(m.text(v).s)
		}
	}
	return m.toRegexp(m.str(strings.Join(parts, "|")))
}

func reLastMatch(m *Env, _ Value, a []Value, _ *Proc) Value {
	if m.match == nil {
		return nil
	}
	if len(a) > 0 {
		return m.group(m.match, m.groupNumber(m.match, a[0]))
	}
	return m.match
}
