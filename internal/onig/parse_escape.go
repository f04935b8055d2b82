package onig

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// escape reads what follows a backslash outside of a class.
func (p *parser) escape() (*node, error) {
	at := p.i - 1
	if !p.more() {
		return nil, p.fail(at, "too short escape sequence", `write \\ for a backslash`)
	}
	c := p.peek()
	if s := p.classEscape(c); s != nil {
		p.i++
		return &node{op: opSet, set: s}, nil
	}
	if o, ok := anchors[c]; ok {
		p.i++
		return &node{op: o, ascii: p.mode.chars == 'a'}, nil
	}
	switch c {
	case 'p', 'P':
		if p.ahead(1) == '{' {
			s, err := p.propertyEscape(at)
			return &node{op: opSet, set: s}, err
		}
	case 'R':
		p.i++
		return lineBreak(), nil
	case 'k':
		if p.ahead(1) == '<' || p.ahead(1) == '\'' {
			p.i++
			return p.namedRef(at)
		}
	case 'g':
		if p.ahead(1) == '<' || p.ahead(1) == '\'' {
			return nil, p.fail(at, `subexpression calls \g<…> are not supported`, "write the group out where it is called")
		}
	case 'X':
		return nil, p.fail(at, `\X is not supported`, `write (?>\P{M}\p{M}*) for a character with its accents`)
	case 'K':
		return nil, p.fail(at, `\K is not supported`, "put what stands before it into (?<=…), or what follows into a group")
	}
	if c >= '1' && c <= '9' {
		if n := p.backref(at); n != nil {
			return n, nil
		}
	}
	r, err := p.charEscape(at)
	return &node{op: opLiteral, text: r, fold: p.mode.fold}, err
}

var anchors = map[rune]op{
	'A': opTextBegin, 'z': opTextEnd, 'Z': opTextEndNL, 'b': opWord, 'B': opNotWord, 'G': opSearchFrom,
}

// classEscape is the set of \w and its like, nil for other letters.
func (p *parser) classEscape(c rune) *set {
	pick := func(ascii *set, name string) *set {
		if p.mode.chars == 'u' {
			return posix(name)
		}
		return ascii
	}
	switch c {
	case 'w':
		return pick(asciiWord, "word")
	case 'W':
		return pick(asciiWord, "word").negate()
	case 'd':
		return pick(asciiDigit, "digit")
	case 'D':
		return pick(asciiDigit, "digit").negate()
	case 's':
		return pick(asciiSpace, "space")
	case 'S':
		return pick(asciiSpace, "space").negate()
	case 'h':
		return hexDigit
	case 'H':
		return hexDigit.negate()
	}
	return nil
}

// propertyEscape reads p{Name}, p{^Name} or P{Name}.
func (p *parser) propertyEscape(at int) (*set, error) {
	negative := p.peek() == 'P'
	p.i += 2
	start := p.i
	for p.more() && p.peek() != '}' {
		p.i++
	}
	name := string(p.s[start:p.i])
	if !p.more() {
		return nil, p.fail(at, "invalid character property name {"+name+"}", "")
	}
	p.i++
	plain := strings.TrimPrefix(name, "^")
	s := property(plain)
	if s == nil {
		return nil, p.fail(at, "invalid character property name {"+name+"}", "known are POSIX classes such as Alpha, Unicode's categories such as Lu, and scripts such as Greek")
	}
	if p.mode.chars == 'a' && posix(plainName(plain)) != nil {
		s = s.intersect(asciiAll)
	}
	if p.mode.fold {
		s = s.folded()
	}
	if negative != strings.HasPrefix(name, "^") {
		s = s.negate()
	}
	return s, nil
}

// lineBreak is \R: a CR LF stays together.
func lineBreak() *node {
	return &node{op: opAtomic, subs: []*node{alternate([]*node{
		{op: opLiteral, text: []rune("\r\n")},
		{op: opSet, set: setOf('\n', '\r', 0x85, 0x85, 0x2028, 0x2029)},
	})}}
}

// namedRef reads <name>, <1> or <-1>.
func (p *parser) namedRef(at int) (*node, error) {
	end := closing(p.peek())
	p.i++
	start := p.i
	for p.more() && p.peek() != end {
		p.i++
	}
	name := string(p.s[start:p.i])
	p.i++
	if i := strings.LastIndexAny(name, "+-"); i > 0 {
		return nil, p.fail(at, "back references with a nesting level are not supported", "")
	}
	if n, err := strconv.Atoi(name); err == nil && n < 0 {
		name = strconv.Itoa(len(p.names) + n)
	}
	n := &node{op: opBackref, fold: p.mode.fold}
	p.refs = append(p.refs, pendingRef{n, name, at})
	return n, nil
}

// backref reads \1 to \9, and longer numbers when there are so many groups.
func (p *parser) backref(at int) *node {
	start := p.i
	n, _ := p.number()
	if n > 9 && n > p.groups {
		p.i = start
		return nil // octal, or just the digits
	}
	ref := &node{op: opBackref, fold: p.mode.fold}
	p.refs = append(p.refs, pendingRef{ref, strconv.Itoa(n), at})
	return ref
}

var controls = map[rune]rune{'n': '\n', 't': '\t', 'r': '\r', 'f': '\f', 'v': '\v', 'a': '\a', 'e': 0x1b}

// charEscape reads an escape that stands for a character, or with \u{…} for several.
func (p *parser) charEscape(at int) ([]rune, error) {
	c := p.peek()
	p.i++
	switch {
	case controls[c] != 0:
		return []rune{controls[c]}, nil
	case c == 'x':
		return p.hexEscape(at)
	case c == 'u':
		return p.unicodeEscape(at)
	case c >= '0' && c <= '7':
		p.i--
		n, digits := 0, 0
		for ; digits < 3 && p.peek() >= '0' && p.peek() <= '7'; digits++ {
			n = n*8 + int(p.peek()-'0')
			p.i++
		}
		if n > 0x7f {
			return nil, p.fail(at, "invalid escape code", `write \u00e9 for a character beyond ASCII`)
		}
		return []rune{rune(n)}, nil
	case c == 'c', c == 'C' && p.peek() == '-':
		if c == 'C' {
			p.i++
		}
		if !p.more() {
			return nil, p.fail(at, "too short control sequence", "")
		}
		p.i++
		return []rune{p.s[p.i-1] & 0x1f}, nil
	case c == 'M' && p.peek() == '-':
		return nil, p.fail(at, `\M- is no character in UTF-8`, "")
	}
	return []rune{c}, nil
}

// hexEscape reads xHH. Several may be the bytes of one character.
func (p *parser) hexEscape(at int) ([]rune, error) {
	var bytes []byte
	for {
		digits := ""
		for len(digits) < 2 && strings.ContainsRune("0123456789abcdefABCDEF", p.peek()) && p.more() {
			digits += string(p.peek())
			p.i++
		}
		b, err := strconv.ParseUint(digits, 16, 8)
		if err != nil {
			return nil, p.fail(at, "invalid hex escape", "")
		}
		bytes = append(bytes, byte(b))
		if r, n := utf8.DecodeRune(bytes); r != utf8.RuneError || n > 1 {
			return []rune{r}, nil
		}
		if len(bytes) == utf8.UTFMax || !p.accept(`\x`) {
			return nil, p.fail(at, "invalid multibyte escape", `the bytes are no UTF-8; write \u00e9 for a character`)
		}
	}
}

// unicodeEscape reads uHHHH or u{H H H}.
func (p *parser) unicodeEscape(at int) ([]rune, error) {
	hex := func(most int) (rune, int) {
		start, n := p.i, rune(0)
		for p.i-start < most && p.more() && strings.ContainsRune("0123456789abcdefABCDEF", p.peek()) {
			d, _ := strconv.ParseUint(string(p.peek()), 16, 8)
			n = n<<4 | rune(d) //nolint:gosec // a digit
			p.i++
		}
		return n, p.i - start
	}
	if p.peek() != '{' {
		r, n := hex(4)
		if n < 4 || !utf8.ValidRune(r) {
			return nil, p.fail(at, "invalid Unicode escape", "")
		}
		return []rune{r}, nil
	}
	p.i++
	var out []rune
	for {
		for p.peek() == ' ' || p.peek() == '\t' {
			p.i++
		}
		if p.peek() == '}' && out != nil {
			p.i++
			return out, nil
		}
		r, n := hex(6)
		if n == 0 {
			return nil, p.fail(at, "invalid Unicode escape", "")
		}
		if !utf8.ValidRune(r) {
			return nil, p.fail(at, "invalid Unicode range", "")
		}
		out = append(out, r)
	}
}
