package onig

import "strings"

// class reads a bracket class, whose opening bracket is behind. Sets are computed
// here, ignoring case included, so that both engines get plain ranges.
func (p *parser) class(at int) (*set, error) {
	if p.depth++; p.depth > maxNesting {
		return nil, p.fail(at, "too many classes within each other", "")
	}
	defer func() { p.depth-- }()
	negative := p.peek() == '^'
	if negative {
		p.i++
	}
	out, err := p.classBody(at)
	if err != nil {
		return nil, err
	}
	if negative {
		out = out.negate()
	}
	return out, nil
}

// classBody reads operands of && up to the closing bracket.
func (p *parser) classBody(at int) (*set, error) {
	b := classBuilder{p: p, cur: &set{}}
	first := true
	for {
		if !p.more() {
			return nil, p.fail(at, "premature end of char-class", `write \[ for the character`)
		}
		c := p.peek()
		switch {
		case c == ']' && first && strings.ContainsRune(string(p.s[p.i+1:]), ']'):
			p.i++
			b.char(']') // the first one is a character when another can close
		case c == ']' && first:
			return nil, p.fail(at, "empty char-class", "")
		case c == ']':
			p.i++
			return b.finish(), nil
		case p.accept("&&"):
			b.and()
		default:
			if err := b.item(); err != nil {
				return nil, err
			}
		}
		first = false
	}
}

// classBuilder gathers one class.
type classBuilder struct {
	p    *parser
	cur  *set // since the last &&
	done *set // what the operands before it have in common; nil when there was none
	last rune // a character that may begin a range
	has  bool
}

func (b *classBuilder) finish() *set {
	b.flush()
	b.cur.normal()
	if b.done != nil {
		return b.done.intersect(b.cur)
	}
	return b.cur
}

func (b *classBuilder) and() {
	b.done = b.finish()
	b.cur, b.has = &set{}, false
}

// flush adds a character that begins no range.
func (b *classBuilder) flush() {
	if b.has {
		b.add(b.last, b.last)
	}
	b.has = false
}

func (b *classBuilder) add(lo, hi rune) {
	s := setOf(lo, hi)
	if b.p.mode.fold {
		s = s.folded()
	}
	b.cur.pairs = append(b.cur.pairs, s.pairs...)
}

func (b *classBuilder) union(s *set) {
	b.flush()
	b.cur.pairs = append(b.cur.pairs, s.pairs...)
}

func (b *classBuilder) char(c rune) {
	b.flush()
	b.last, b.has = c, true
}

// item reads a character, a range, an escape, or a class within.
func (b *classBuilder) item() error {
	p := b.p
	at := p.i
	c := p.peek()
	switch {
	case c == '[':
		return b.nested()
	case c == '-' && b.has && p.ahead(1) != ']' && !(p.ahead(1) == '&' && p.ahead(2) == '&'):
		return b.rangeTo(at)
	case c == '-' && !b.has && len(b.cur.pairs) > 0 && p.ahead(1) != ']' && p.ahead(1) != '-' && p.ahead(1) != '[' && !afterRange(p, at):
		return p.fail(at, "unmatched range specifier in char-class", `write \- for the character`)
	}
	s, chars, err := b.single()
	switch {
	case err != nil:
		return err
	case s != nil:
		b.union(s)
	default:
		for _, c := range chars {
			b.char(c)
		}
	}
	return nil
}

// afterRange reports whether the hyphen at a place follows a range, as the second
// one in [a-b-c], where it stands for itself.
func afterRange(p *parser, at int) bool {
	return at >= 3 && p.s[at-2] == '-' && p.s[at-3] != '['
}

func (b *classBuilder) nested() error {
	p := b.p
	at := p.i
	if p.ahead(1) == ':' {
		if end := strings.Index(string(p.s[p.i+2:]), ":]"); end >= 0 && end < 20 {
			return b.posixClass(at)
		}
	}
	p.i++
	s, err := p.class(at)
	if err == nil {
		b.union(s)
	}
	return err
}

// posixClass reads [:name:] or [:^name:].
func (b *classBuilder) posixClass(at int) error {
	p := b.p
	p.i += 2
	negative := p.peek() == '^'
	if negative {
		p.i++
	}
	start := p.i
	for p.peek() != ':' {
		p.i++
	}
	name := string(p.s[start:p.i])
	p.i += 2
	s := posix(name)
	if s == nil {
		return p.fail(at, "invalid POSIX bracket type", "")
	}
	if p.mode.chars == 'a' {
		s = s.intersect(asciiAll)
	}
	if p.mode.fold {
		s = s.folded()
	}
	if negative {
		s = s.negate()
	}
	b.union(s)
	return nil
}

// rangeTo reads the end of a range whose beginning is in last.
func (b *classBuilder) rangeTo(at int) error {
	p := b.p
	p.i++
	if p.peek() == '[' {
		b.flush()
		b.char('-')
		return nil
	}
	s, chars, err := b.single()
	switch {
	case err != nil:
		return err
	case s != nil:
		return p.fail(at, "char-class value at end of range", `write \- for the character`)
	case chars[0] < b.last:
		return p.fail(at-1, "empty range in char class", "")
	}
	b.has = false
	b.add(b.last, chars[0])
	for _, c := range chars[1:] {
		b.char(c)
	}
	return nil
}

// single reads one character, or the set of an escape.
func (b *classBuilder) single() (*set, []rune, error) {
	p := b.p
	at := p.i
	c := p.peek()
	p.i++
	if c != '\\' {
		return nil, []rune{c}, nil
	}
	if !p.more() {
		return nil, nil, p.fail(at, "premature end of char-class", "")
	}
	e := p.peek()
	if s := p.classEscape(e); s != nil {
		p.i++
		return s, nil, nil
	}
	switch {
	case e == 'b':
		p.i++
		return nil, []rune{'\b'}, nil
	case (e == 'p' || e == 'P') && p.ahead(1) == '{':
		s, err := p.propertyEscape(at)
		return s, nil, err
	case e == 'R' || e == 'X':
		p.i++
		return nil, []rune{e}, nil
	}
	chars, err := p.charEscape(at)
	return nil, chars, err
}
