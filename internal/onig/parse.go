package onig

import (
	"fmt"
	"slices"
)

// maxNesting bounds groups within groups and classes within classes.
const maxNesting = 200

// mode are the flags in force at a place of the pattern.
type mode struct {
	fold, extended, dotAll bool
	chars                  byte // 'd' Ruby's own, 'a' ASCII, 'u' Unicode
}

type parser struct {
	src    string
	s      []rune
	i      int
	mode   mode
	depth  int
	named  bool // some group has a name: those without do not capture
	names  []string
	groups int // in all of the pattern, known from the start
	refs   []pendingRef
}

// pendingRef is a back reference that is checked when all groups are known.
type pendingRef struct {
	node *node
	name string
	at   int
}

func newParser(src string, o Options) *parser {
	p := &parser{src: src, s: []rune(src), names: []string{""}}
	p.mode = mode{fold: o.IgnoreCase, extended: o.Extended, dotAll: o.MultiLine, chars: 'd'}
	return p
}

func (p *parser) parse() (*node, error) {
	p.survey()
	n, err := p.alternatives()
	if err == nil && p.i < len(p.s) {
		err = p.fail(p.i, "unmatched close parenthesis", `write \) for the character`)
	}
	if err == nil {
		err = p.resolve()
	}
	return n, err
}

// survey finds out whether a group has a name, and how many groups there are,
// which decides what a parenthesis and \10 mean.
func (p *parser) survey() {
	plain, named, class := 0, 0, 0
	for i := 0; i < len(p.s); i++ {
		switch p.s[i] {
		case '\\':
			i++
		case '[':
			class++
		case ']':
			class = max(class-1, 0)
		case '(':
			rest := p.s[i+1:]
			switch {
			case class > 0:
			case len(rest) == 0 || rest[0] != '?':
				plain++
			case len(rest) > 2 && (rest[1] == '<' && rest[2] != '=' && rest[2] != '!' || rest[1] == '\''):
				named++
			}
		}
	}
	if p.named = named > 0; p.named {
		plain = 0
	}
	p.groups = plain + named
}

func (p *parser) fail(at int, msg, hint string) error {
	return &Error{Src: p.src, Col: at + 1, Msg: msg, Hint: hint}
}

func (p *parser) more() bool { return p.i < len(p.s) }

// peek is the next character, 0 at the end.
func (p *parser) peek() rune { return p.ahead(0) }

func (p *parser) ahead(n int) rune {
	if p.i+n < len(p.s) {
		return p.s[p.i+n]
	}
	return 0
}

func (p *parser) accept(text string) bool {
	want := []rune(text)
	if len(p.s)-p.i < len(want) || !slices.Equal(p.s[p.i:p.i+len(want)], want) {
		return false
	}
	p.i += len(want)
	return true
}

// alternatives reads up to the end or a closing parenthesis.
func (p *parser) alternatives() (*node, error) {
	if p.depth++; p.depth > maxNesting {
		return nil, p.fail(p.i, fmt.Sprintf("more than %d groups within each other", maxNesting), "")
	}
	defer func() { p.depth-- }()
	var list []*node
	for {
		n, err := p.sequence()
		if err != nil {
			return nil, err
		}
		list = append(list, n)
		if p.peek() != '|' {
			return alternate(list), nil
		}
		p.i++
	}
}

func (p *parser) sequence() (*node, error) {
	var list []*node
	for p.more() && p.peek() != '|' && p.peek() != ')' {
		if p.skipped() {
			continue
		}
		at := p.i
		n, err := p.atom()
		if err != nil {
			return nil, err
		}
		if n == nil {
			continue // a comment, or flags
		}
		if p.s[at] == '\\' && len(n.text) > 1 { // \u{…}: a repetition is of the last one
			last := len(n.text) - 1
			list = appendMerged(list, &node{op: opLiteral, fold: n.fold, text: n.text[:last]})
			n = &node{op: opLiteral, fold: n.fold, text: n.text[last:]}
		}
		if n, err = p.repeats(n, at); err != nil {
			return nil, err
		}
		list = appendMerged(list, n)
	}
	return concat(list), nil
}

// appendMerged keeps runs of characters together.
func appendMerged(list []*node, n *node) []*node {
	if k := len(list) - 1; k >= 0 && n.op == opLiteral && list[k].op == opLiteral && n.fold == list[k].fold {
		list[k] = &node{op: opLiteral, fold: n.fold, text: slices.Concat(list[k].text, n.text)}
		return list
	}
	return append(list, n)
}

// skipped steps over what does not count with x.
func (p *parser) skipped() bool {
	if !p.mode.extended {
		return false
	}
	switch p.peek() {
	case ' ', '\t', '\n', '\v', '\f', '\r':
		p.i++
		return true
	case '#':
		for p.more() && p.peek() != '\n' {
			p.i++
		}
		return true
	}
	return false
}

func (p *parser) atom() (*node, error) {
	c := p.peek()
	p.i++
	switch c {
	case '(':
		return p.group()
	case '[':
		s, err := p.class(p.i - 1)
		return &node{op: opSet, set: s}, err
	case '.':
		if p.mode.dotAll {
			return &node{op: opSet, set: everything}, nil
		}
		return &node{op: opSet, set: newline.negate()}, nil
	case '^':
		return &node{op: opLineBegin}, nil
	case '$':
		return &node{op: opLineEnd}, nil
	case '\\':
		return p.escape()
	case '*', '+', '?':
		return nil, p.fail(p.i-1, "target of repeat operator is not specified", `write \`+string(c)+" for the character")
	case '{':
		at := p.i - 1
		p.i = at
		if _, _, ok, err := p.interval(); ok || err != nil {
			return nil, p.fail(at, "target of repeat operator is not specified", `write \{ for the character`)
		}
		p.i = at + 1
	}
	return p.literal(c), nil
}

func (p *parser) literal(c rune) *node {
	return &node{op: opLiteral, text: []rune{c}, fold: p.mode.fold}
}

// repeats reads the repetitions behind an atom, of which Ruby allows several.
func (p *parser) repeats(n *node, at int) (*node, error) {
	for {
		for p.skipped() {
		}
		lo, hi, greed, ok, err := p.quantifier()
		if err != nil || !ok {
			return n, err
		}
		if hi >= 0 && lo > hi {
			return nil, p.fail(at, "upper is smaller than lower in repeat range", "")
		}
		n = &node{op: opRepeat, subs: []*node{n}, min: lo, max: hi, greed: greed}
	}
}

func (p *parser) quantifier() (lo, hi int, g greed, ok bool, err error) {
	hi = -1
	switch p.peek() {
	case '*':
	case '+':
		lo = 1
	case '?':
		hi = 1
	case '{':
		at := p.i
		lo, hi, ok, err = p.interval()
		if err != nil || !ok {
			p.i = at
			return lo, hi, greedy, false, err
		}
		// {n}? is an optional repetition in Ruby, and {n,m}+ repeats once more.
		if p.peek() == '?' && lo != hi {
			p.i++
			g = lazy
		}
		return lo, hi, g, true, nil
	default:
		return 0, 0, greedy, false, nil
	}
	p.i++
	switch p.peek() {
	case '?':
		p.i++
		g = lazy
	case '+':
		p.i++
		g = possessive
	}
	return lo, hi, g, true, nil
}

// maxRepeat is Onigmo's own limit.
const maxRepeat = 100000

// interval reads {n}, {n,}, {,m} or {n,m}; anything else is text.
func (p *parser) interval() (lo, hi int, ok bool, err error) {
	at := p.i
	p.i++
	lo, hasLo := p.number()
	hi = lo
	hasHi := hasLo
	if p.peek() == ',' {
		p.i++
		if hi, hasHi = p.number(); !hasHi {
			hi = -1
		}
	}
	if p.peek() != '}' || !hasLo && !hasHi {
		return 0, 0, false, nil
	}
	p.i++
	if lo > maxRepeat || hi > maxRepeat {
		return 0, 0, false, p.fail(at, "too big number for repeat range", fmt.Sprintf("the largest is %d", maxRepeat))
	}
	return lo, hi, true, nil
}

func (p *parser) number() (n int, ok bool) {
	for ; p.peek() >= '0' && p.peek() <= '9'; p.i++ {
		n, ok = min(n*10+int(p.peek()-'0'), maxRepeat+1), true
	}
	return n, ok
}
