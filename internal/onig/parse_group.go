package onig

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// group reads what follows an opening parenthesis.
func (p *parser) group() (*node, error) {
	at := p.i - 1
	if p.peek() != '?' {
		if p.named {
			return p.inside(at)
		}
		return p.capture(at, "")
	}
	p.i++
	for _, form := range []struct {
		text string
		op   op
	}{{":", opEmpty}, {"=", opAhead}, {"!", opNotAhead}, {">", opAtomic}, {"<=", opBehind}, {"<!", opNotBehind}} {
		if p.accept(form.text) {
			n, err := p.inside(at)
			if form.op != opEmpty && err == nil {
				n = &node{op: form.op, subs: []*node{n}}
			}
			return n, err
		}
	}
	switch c := p.peek(); c {
	case '#':
		for p.more() && p.peek() != ')' {
			if p.peek() == '\\' {
				p.i++
			}
			p.i++
		}
		if !p.more() {
			return nil, p.fail(at, "end pattern in group", "close the comment with )")
		}
		p.i++
		return nil, nil
	case '<', '\'':
		p.i++
		name, err := p.name(closing(c))
		if err != nil {
			return nil, err
		}
		return p.capture(at, name)
	case '(':
		p.i++
		return p.condition(at)
	case '~':
		return nil, p.fail(at, "the absent operator (?~…) is not supported", "write (?:(?!…).)* for text in which … does not occur")
	}
	return p.flags(at)
}

func closing(open rune) rune {
	if open == '<' {
		return '>'
	}
	return open
}

// inside reads up to the closing parenthesis; flags that are set within end there.
func (p *parser) inside(at int) (*node, error) {
	outer := p.mode
	n, err := p.alternatives()
	p.mode = outer
	if err == nil && p.peek() != ')' {
		err = p.fail(at, "end pattern with unmatched parenthesis", `write \( for the character`)
	}
	p.i++
	return n, err
}

func (p *parser) capture(at int, name string) (*node, error) {
	p.names = append(p.names, name)
	n := &node{op: opCapture, group: len(p.names) - 1}
	inner, err := p.inside(at)
	n.subs = []*node{inner}
	return n, err
}

// name reads a group's name up to its closing sign.
func (p *parser) name(end rune) (string, error) {
	at := p.i
	for p.more() && p.peek() != end && p.peek() != ')' {
		p.i++
	}
	name := string(p.s[at:p.i])
	if p.peek() != end || name == "" || unicode.IsDigit([]rune(name)[0]) || strings.ContainsAny(name[:1], "-+") {
		return "", p.fail(at, "invalid group name <"+name+">", "a name begins with a letter")
	}
	p.i++
	return name, nil
}

// condition is (?(1)yes|no) or (?(<name>)yes|no).
func (p *parser) condition(at int) (*node, error) {
	start := p.i
	for p.more() && p.peek() != ')' {
		p.i++
	}
	name := strings.Trim(string(p.s[start:p.i]), "<>'")
	p.i++
	n := &node{op: opCondition}
	p.refs = append(p.refs, pendingRef{n, name, start})
	inner, err := p.inside(at)
	if err != nil {
		return nil, err
	}
	n.subs = []*node{inner, {op: opEmpty}}
	if inner.op == opAlternate {
		if len(inner.subs) > 2 {
			return nil, p.fail(at, "invalid conditional pattern", "a condition has one or two branches")
		}
		n.subs = inner.subs
	}
	return n, nil
}

// flags is (?imx-imx) or (?imx-imx:…). Without a colon they count up to the end
// of the group, alternatives included: a(?i)b|c is a(?i:b|c).
func (p *parser) flags(at int) (*node, error) {
	m, on := p.mode, true
	for ; p.more(); p.i++ {
		switch c := p.peek(); {
		case c == '-' && on:
			on = false
		case c == 'i':
			m.fold = on
		case c == 'x':
			m.extended = on
		case c == 'm':
			m.dotAll = on
		case (c == 'a' || c == 'd' || c == 'u') && on:
			m.chars = byte(c)
		case c == ':', c == ')':
			p.i++
			outer := p.mode
			p.mode = m
			if c == ':' {
				n, err := p.inside(at)
				p.mode = outer
				return n, err
			}
			return p.alternatives()
		default:
			return nil, p.fail(p.i, "undefined group option", "groups are (?:…) (?<name>…) (?=…) (?!…) (?<=…) (?<!…) (?>…) and (?imx-imx:…); m lets a dot match newlines")
		}
	}
	return nil, p.fail(at, "end pattern in group", "")
}

// resolve finds the groups of back references and conditions.
func (p *parser) resolve() error {
	for _, ref := range p.refs {
		groups, err := p.groupsOf(ref)
		if err != nil {
			return err
		}
		if ref.node.op == opCondition {
			ref.node.group = groups[0]
		} else {
			ref.node.refs = groups
		}
	}
	return nil
}

// groupsOf are the groups of a name, the last one first, as they are tried; or the
// one of a number.
func (p *parser) groupsOf(ref pendingRef) ([]int, error) {
	if n, err := strconv.Atoi(ref.name); err == nil {
		switch {
		case p.named:
			return nil, p.fail(ref.at, "numbered backref/call is not allowed. (use name)", `write \k<name>`)
		case n < 1 || n >= len(p.names):
			return nil, p.fail(ref.at, "invalid backref number/name", "")
		}
		return []int{n}, nil
	}
	var groups []int
	for i, name := range p.names {
		if name != "" && name == ref.name {
			groups = append(groups, i)
		}
	}
	if groups == nil {
		return nil, p.fail(ref.at, "undefined name <"+ref.name+"> reference", "")
	}
	slices.Reverse(groups)
	return groups, nil
}
