package match

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

type kind uint8

const (
	literal   kind = iota
	anyInPart      // *: anything within a part
	anything       // **: anything
	anyParts       // **.: whole parts with their points, or nothing where the tag begins
	boundary       // a point before ** : what follows begins with a point, or nothing follows
	either         // {…}
)

type token struct {
	kind kind
	text string    // of a literal
	alts [][]token // of either
}

// tokenizer reads a pattern. open holds the braces around the position, and of each
// the alternatives that are complete; the last of current is the one being read.
type tokenizer struct {
	open    [][][]token
	current [][]token
	point   bool // a point was read, whose meaning depends on what follows
}

// tokenize knows the corners of Fluentd's reading: the point before ** is no
// literal; one at the very end is dropped; braces and commas without a brace before
// them are literals; braces that are left open are closed at the end; \ takes the
// meaning from the next character.
func tokenize(pattern string) []token {
	t := &tokenizer{current: [][]token{nil}}
	for i := 0; i < len(pattern); {
		i += t.next(pattern[i:])
	}
	for len(t.open) > 0 {
		t.closeBrace()
	}
	return t.current[0]
}

// next reads one token from the beginning of s and returns its length.
func (t *tokenizer) next(s string) int {
	if strings.HasPrefix(s, "**") {
		return t.doubleStar(s)
	}
	if t.point {
		t.literal(".")
		t.point = false
	}
	switch c := s[0]; {
	case c == '\\':
		_, n := utf8.DecodeRuneInString(s[1:])
		t.literal(s[1 : 1+n])
		return 1 + n
	case c == '.':
		t.point = true
	case c == '*':
		t.add(token{kind: anyInPart})
	case c == '{':
		t.open = append(t.open, nil)
		t.current = append(t.current, nil)
	case c == '}' && len(t.open) > 0:
		t.closeBrace()
	case c == ',' && len(t.open) > 0:
		t.nextAlternative()
		t.current = append(t.current, nil)
	default:
		_, n := utf8.DecodeRuneInString(s)
		t.literal(s[:n])
		return n
	}
	return 1
}

// doubleStar takes the point before it and after it along: a.** means a too, and
// **.c means c.
func (t *tokenizer) doubleStar(s string) int {
	if t.point {
		t.add(token{kind: boundary})
		t.point = false
	}
	if strings.HasPrefix(s, "**.") {
		t.add(token{kind: anyParts})
		return 3
	}
	t.add(token{kind: anything})
	return 2
}

func (t *tokenizer) add(tok token) {
	last := len(t.current) - 1
	if n := len(t.current[last]); tok.kind == anything && n > 0 && t.current[last][n-1].kind == anything {
		return // **** is **
	}
	t.current[last] = append(t.current[last], tok)
}

// literal joins text to a literal before it.
func (t *tokenizer) literal(text string) {
	list := t.current[len(t.current)-1]
	if n := len(list); n > 0 && list[n-1].kind == literal {
		list[n-1].text += text
		return
	}
	if text != "" {
		t.add(token{kind: literal, text: text})
	}
}

// nextAlternative ends the alternative that is being read.
func (t *tokenizer) nextAlternative() {
	last := len(t.open) - 1
	t.open[last] = append(t.open[last], t.current[len(t.current)-1])
	t.current = t.current[:len(t.current)-1]
}

// closeBrace makes one token of the innermost open brace.
func (t *tokenizer) closeBrace() {
	t.nextAlternative()
	last := len(t.open) - 1
	alts := t.open[last]
	t.open = t.open[:last]
	t.add(token{kind: either, alts: alts})
}

// translate writes tokens as the regular expression that Fluentd makes of them.
func translate(tokens []token) string {
	var b strings.Builder
	for _, t := range tokens {
		switch t.kind {
		case literal:
			b.WriteString(regexp.QuoteMeta(t.text))
		case anyInPart:
			b.WriteString(`[^.]*`)
		case anything:
			b.WriteString(`.*`)
		case anyParts:
			b.WriteString(`(?:.*\.|\A)`)
		case boundary:
			b.WriteString(`(?![^.])`)
		case either:
			alts := make([]string, len(t.alts))
			for i, alt := range t.alts {
				alts[i] = translate(alt)
			}
			b.WriteString(`(?:` + strings.Join(alts, "|") + `)`)
		}
	}
	return b.String()
}
