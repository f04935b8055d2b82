package ruby

import (
	"strings"
	"unicode/utf8"

	"github.com/sluicelog/sluice/internal/onig"
	"github.com/sluicelog/sluice/internal/ruby/syntax"
)

// regexp compiles a literal; without code in it, once and for all.
func (c *compiler) regexp(n *syntax.Regexp) code {
	flags := regexpFlags(n.Flags)
	if s, ok := soleText(n.Parts); ok {
		re, err := newRegexp(s, flags)
		if err != nil {
			c.fail(n, "", "%s", err)
		}
		return constant(re)
	}
	parts := make([]syntax.Node, len(n.Parts))
	copy(parts, n.Parts)
	text := c.interpRegexp(parts)
	if strings.Contains(n.Flags, "o") {
		c.fail(n, "leave the o out", "the regexp option o is not supported")
	}
	return func(m *Env) Value {
		src := text(m)
		if src == m.lastSrc && m.lastRe != nil && m.lastRe.flags == flags {
			return m.lastRe
		}
		re, err := newRegexp(src, flags)
		if err != nil {
			m.raise("RegexpError", "%s", err)
		}
		m.lastSrc, m.lastRe = src, re
		return re
	}
}

func soleText(parts []syntax.Node) (string, bool) {
	if len(parts) != 1 {
		return "", false
	}
	s, ok := parts[0].(*syntax.Str)
	if !ok {
		return "", false
	}
	return s.S, true
}

// interpRegexp is the source of /a#{b}/: a Regexp within keeps its flags.
func (c *compiler) interpRegexp(nodes []syntax.Node) func(m *Env) string {
	list := make([]code, len(nodes))
	for i, n := range nodes {
		list[i] = c.compile(n)
	}
	return func(m *Env) string {
		var b strings.Builder
		for _, one := range list {
			b.WriteString(m.toS(one(m)).s)
		}
		return b.String()
	}
}

func regexpFlags(s string) string {
	out := ""
	for _, f := range "mix" {
		if strings.ContainsRune(s, f) {
			out += string(f)
		}
	}
	return out
}

func newRegexp(src, flags string) (*Regexp, error) {
	re, err := onig.Compile(src, onig.Options{
		IgnoreCase: strings.Contains(flags, "i"), Extended: strings.Contains(flags, "x"), MultiLine: strings.Contains(flags, "m"),
	})
	if err != nil {
		return nil, err
	}
	return &Regexp{re: re, src: src, flags: flags}, nil
}

// text is Regexp#to_s: (?flags-others:source).
func (r *Regexp) text() string {
	off := ""
	for _, f := range "mix" {
		if !strings.ContainsRune(r.flags, f) {
			off += string(f)
		}
	}
	if off != "" {
		off = "-" + off
	}
	return "(?" + r.flags + off + ":" + regexpSource(r.src) + ")"
}

// regexpSource is the source with slashes escaped, as inspect prints it.
func regexpSource(src string) string {
	if !strings.Contains(src, "/") {
		return src
	}
	var b strings.Builder
	for i := 0; i < len(src); i++ {
		switch {
		case src[i] == '\\' && i+1 < len(src):
			b.WriteByte('\\')
			i++
			b.WriteByte(src[i])
			continue
		case src[i] == '/':
			b.WriteByte('\\')
		}
		b.WriteByte(src[i])
	}
	return b.String()
}

// matchable is what =~ and === match against: strings and symbols.
func (m *Env) matchable(v Value) (*Str, bool) {
	switch v := v.(type) {
	case *Str:
		return v, true
	case Sym:
		return m.str(string(v)), true
	}
	return nil, false
}

// find looks for a match from a byte offset on, nil when there is none.
func (m *Env) find(re *Regexp, s *Str, from int) *Match {
	m.work(len(s.s) - from)
	m.checkText(re, s)
	loc, err := re.re.FindStringSubmatchIndexFrom(s.s, from)
	m.checkTime(err)
	if loc == nil {
		return nil
	}
	return &Match{re: re, str: s.s, enc: s.enc, loc: loc}
}

func (m *Env) checkTime(err error) {
	if err != nil {
		panic(&LimitError{"much time: " + err.Error()})
	}
}

// checkText raises or refuses when an expression cannot be matched against a text.
func (m *Env) checkText(re *Regexp, s *Str) {
	m.walkable(s)
	if s.enc == utf8Enc && !utf8.ValidString(s.s) {
		m.raise("ArgumentError", "invalid byte sequence in UTF-8")
	}
	if s.enc != utf8Enc && !isASCII(s.s) && !isASCII(re.src) {
		m.raise("Encoding::CompatibilityError", "incompatible encoding regexp match (UTF-8 regexp with %s string)", s.enc)
	}
	if s.enc != utf8Enc && !isASCII(s.s) {
		m.unsupported("a regular expression on a string in "+s.enc.String()+" that is not ASCII", "force_encoding(\"UTF-8\") first")
	}
}

// findAt looks for a match that begins at a byte offset.
func (m *Env) findAt(re *Regexp, s *Str, at int) *Match {
	bound := re.anchored.Load()
	if bound == nil {
		src := re.src
		if strings.Contains(re.flags, "x") {
			src += "\n" // a comment must not swallow the bracket
		}
		a, err := newRegexp(`\A(?:`+src+`)`, re.flags)
		if err != nil {
			m.unsupported("this regular expression in start_with?", "use match?")
		}
		re.anchored.Store(a)
		bound = a
	}
	if at != 0 {
		m.unsupported("matching at a place", "")
	}
	got := m.find(bound, s, 0)
	if got != nil {
		got.re = re
	}
	return got
}

// findBack looks for the last match that begins at or before a byte offset.
func (m *Env) findBack(re *Regexp, s *Str, from int) *Match {
	for at := from; at >= 0; at-- {
		if at < len(s.s) && s.enc == utf8Enc && !utf8.RuneStart(s.s[at]) {
			continue
		}
		// A match that begins at this very place, if there is one.
		if got := m.find(re, s, at); got != nil && got.loc[0] == at {
			return got
		}
	}
	return nil
}

// matchGroup is $1, $2, …, and $& for 0.
func (m *Env) matchGroup(i int) Value {
	if m.match == nil {
		return nil
	}
	return m.group(m.match, i)
}

func (m *Env) group(g *Match, i int) Value {
	if 2*i+1 >= len(g.loc) || i < 0 || g.loc[2*i] < 0 {
		return nil
	}
	return m.strEnc(g.str[g.loc[2*i]:g.loc[2*i+1]], g.enc)
}

// matchNamed is a named group; of several with one name, the last that matched.
func (m *Env) matchNamed(g *Match, name string) Value {
	i := g.named(name)
	if i < 0 {
		return nil
	}
	return m.group(g, i)
}

// named is the number of a named group, -1 when there is none.
func (g *Match) named(name string) int {
	found := -1
	for i, n := range g.re.re.SubexpNames() {
		if n == name && n != "" && (found < 0 || g.loc[2*i] >= 0) {
			found = i
		}
	}
	return found
}

// groupSpan is where a group lies, by number or name.
func (m *Env) groupSpan(g *Match, group Value) (from, to int, ok bool) {
	i := m.groupNumber(g, group)
	if i < 0 || 2*i+1 >= len(g.loc) || g.loc[2*i] < 0 {
		return 0, 0, false
	}
	return g.loc[2*i], g.loc[2*i+1], true
}

func (m *Env) groupNumber(g *Match, group Value) int {
	switch v := group.(type) {
	case *Str:
		return m.mustNamed(g, v.s)
	case Sym:
		return m.mustNamed(g, string(v))
	}
	i := m.int(group)
	if i < 0 {
		i += len(g.loc) / 2
	}
	return i
}

func (m *Env) mustNamed(g *Match, name string) int {
	i := g.named(name)
	if i < 0 {
		m.raise("IndexError", "undefined group name reference: %s", name)
	}
	return i
}
