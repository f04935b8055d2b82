package ruby

import "strings"

// stringSplitMethods take strings apart.
func stringSplitMethods() table {
	return table{
		"split":     {strSplit, 0, 2, false},
		"lines":     {strLines, 0, 1, true},
		"each_line": {strEachLine, 0, 1, true},
		"grapheme_clusters": {
			refused("grapheme_clusters", "use chars"), 0, 0, false,
		},
	}
}

func strSplit(m *Env, self Value, a []Value, blk *Proc) Value {
	s := self.(*Str)
	limit := 0
	if len(a) > 1 {
		limit = m.int(a[1])
	}
	var parts []string
	switch {
	case limit == 1:
		if s.s != "" {
			parts = []string{s.s}
		}
	case len(a) == 0 || a[0] == nil:
		parts = m.splitWords(s, limit)
	default:
		parts = m.splitBy(s, a[0], limit)
	}
	if limit == 0 {
		for len(parts) > 0 && parts[len(parts)-1] == "" {
			parts = parts[:len(parts)-1]
		}
	}
	out := make([]Value, len(parts))
	for i, p := range parts {
		out[i] = m.like(p, s)
	}
	if blk != nil {
		for _, v := range out {
			m.yield1(blk, v)
		}
		return self
	}
	return m.array(out)
}

func (m *Env) splitBy(s *Str, by Value, limit int) []string {
	if re, ok := by.(*Regexp); ok {
		return m.splitRegexp(s, re, limit)
	}
	sep := m.patternArg(by)
	m.common(s, sep)
	if (s.enc == utf8Enc && !s.valid() || !sep.valid()) && sep.s != " " {
		m.raise("ArgumentError", "invalid byte sequence in UTF-8")
	}
	switch sep.s {
	case " ":
		return m.splitWords(s, limit)
	case "":
		return m.splitChars(s, limit)
	}
	if s.s == "" {
		return nil
	}
	if limit > 0 {
		m.room(56, min(limit, len(s.s)))
		return strings.SplitN(s.s, sep.s, limit)
	}
	m.room(56, strings.Count(s.s, sep.s))
	return strings.Split(s.s, sep.s)
}

func (m *Env) splitChars(s *Str, limit int) []string {
	var parts []string
	rest := s.s
	for rest != "" && (limit <= 0 || len(parts) < limit-1) {
		n := m.width(&Str{s: rest, enc: s.enc}, 0)
		parts = append(parts, rest[:n])
		rest = rest[n:]
		m.charge(40)
	}
	if rest != "" || limit != 0 && s.s != "" {
		parts = append(parts, rest)
	}
	return parts
}

// splitWords splits at white space, as split without a pattern does.
func (m *Env) splitWords(s *Str, limit int) []string {
	m.walkable(s)
	if s.enc == utf8Enc && !s.valid() {
		m.raise("ArgumentError", "invalid byte sequence in UTF-8")
	}
	space := rubySpace
	var parts []string
	rest := strings.TrimLeft(s.s, space)
	for rest != "" {
		i := strings.IndexAny(rest, space)
		if i < 0 || limit > 0 && len(parts) == limit-1 {
			parts = append(parts, rest)
			return parts
		}
		parts = append(parts, rest[:i])
		m.charge(40)
		rest = strings.TrimLeft(rest[i:], space)
	}
	if limit != 0 && s.s != "" {
		parts = append(parts, "")
	}
	return parts
}

func (m *Env) splitRegexp(s *Str, re *Regexp, limit int) []string {
	if s.s == "" {
		return nil
	}
	var parts []string
	begin, cuts := 0, 1
	m.eachMatch(re, s, func(g *Match) bool {
		from, to := g.loc[0], g.loc[1]
		if from == to && from == begin {
			return true // nothing would be cut off
		}
		parts = append(parts, s.s[begin:from])
		begin = to
		parts = m.addGroups(parts, g)
		cuts++
		return limit <= 0 || limit > cuts
	})
	if limit != 0 || begin < len(s.s) {
		parts = append(parts, s.s[begin:])
	}
	return parts
}

// addGroups puts the groups of a separator among the parts, as Ruby does.
func (m *Env) addGroups(parts []string, g *Match) []string {
	for i := 2; i+1 < len(g.loc); i += 2 {
		if g.loc[i] >= 0 {
			parts = append(parts, g.str[g.loc[i]:g.loc[i+1]])
		}
	}
	return parts
}

func (m *Env) lineList(s *Str, a []Value) []Value {
	rest, kw := m.keywords(a, "chomp")
	cut := false
	if v, ok := kw.keyword("chomp"); ok {
		cut = truthy(v)
	}
	sep := "\n"
	if len(rest) > 0 {
		if rest[0] == nil {
			return []Value{m.like(s.s, s)}
		}
		sep = m.text(rest[0]).s
	}
	if sep == "" {
		m.unsupported("lines by paragraphs", "split(/\\n{2,}/)")
	}
	var out []Value
	for text := s.s; text != ""; {
		i := strings.Index(text, sep)
		end := len(text)
		if i >= 0 {
			end = i + len(sep)
		}
		line := text[:end]
		text = text[end:]
		if cut {
			if sep == "\n" {
				if cutLine, ok := strings.CutSuffix(line, "\n"); ok {
					line = strings.TrimSuffix(cutLine, "\r")
				}
			} else {
				line = strings.TrimSuffix(line, sep)
			}
		}
		out = append(out, m.like(line, s))
	}
	return out
}

func strLines(m *Env, self Value, a []Value, blk *Proc) Value {
	if blk != nil {
		return strEachLine(m, self, a, blk)
	}
	return m.array(m.lineList(self.(*Str), a))
}

func strEachLine(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	list := m.lineList(self.(*Str), a)
	for _, v := range list {
		m.yield1(blk, v)
	}
	return self
}
