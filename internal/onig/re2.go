package onig

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// compileRE2 writes the pattern in RE2's syntax, if it can be said there.
func (r *Regexp) compileRE2() {
	w := re2Writer{}
	tree, tail := r.tree, ""
	if n, ok := withoutTrailing(tree); ok {
		tree, tail, r.trailing = n, `(?:\n)?\z`, true
	}
	w.node(tree, 0)
	r.behind = func() *regexp.Regexp { return nil }
	if w.failed {
		return
	}
	body := w.b.String()
	source := body
	if r.trailing {
		source = "(" + body + ")" + tail
	}
	re, err := regexp.Compile(source)
	if err != nil {
		return // too large for it
	}
	r.re, r.ascii, r.unended = re, w.ascii, w.unended
	if w.looksBack {
		r.behind = sync.OnceValue(func() *regexp.Regexp { return compileBehind(tree, tail) })
	}
}

// compileBehind makes the pattern of a search that begins behind the first
// character of a text: it sees that character and finds what follows. Group 1 is
// the match.
func compileBehind(tree *node, tail string) *regexp.Regexp {
	w := re2Writer{behind: true}
	w.node(tree, 0)
	re, err := regexp.Compile(`\A(?s:.)(?s:.*?)(` + w.b.String() + ")" + tail)
	if err != nil {
		return nil
	}
	return re
}

// withoutTrailing takes a \Z off the pattern's end.
func withoutTrailing(n *node) (*node, bool) {
	switch last := len(n.subs) - 1; {
	case n.op == opTextEndNL:
		return &node{op: opEmpty}, true
	case n.op == opConcat && n.subs[last].op == opTextEndNL:
		return concat(n.subs[:last]), true
	}
	return n, false
}

// re2Writer writes a tree in RE2's syntax and notes what RE2 sees otherwise.
type re2Writer struct {
	b         strings.Builder
	failed    bool // RE2 has no such thing
	ascii     bool // \b is the same for ASCII text only
	unended   bool // a ^ may match behind a newline that ends the text
	looksBack bool // something depends on what stands before
	behind    bool // the text's begin is not where the search begins
}

func (w *re2Writer) put(s string) { w.b.WriteString(s) }

// node writes one node; rest is how many characters certainly follow it in a match.
func (w *re2Writer) node(n *node, rest int) {
	switch n.op {
	case opEmpty:
		w.put("(?:)")
	case opLiteral:
		w.literal(n)
	case opSet:
		w.put(classText(n.set, re2Rune))
	case opConcat:
		w.concat(n, rest)
	case opAlternate:
		w.put("(?:")
		for i, s := range n.subs {
			if i > 0 {
				w.put("|")
			}
			w.node(s, rest)
		}
		w.put(")")
	case opCapture:
		w.put("(")
		w.node(n.subs[0], rest)
		w.put(")")
	case opRepeat:
		w.repeat(n, rest)
	default:
		w.anchor(n, rest)
	}
}

func (w *re2Writer) anchor(n *node, rest int) {
	switch n.op {
	case opLineBegin:
		// Behind the newline that ends a text begins no line in Ruby.
		w.unended = w.unended || rest == 0
		w.looksBack = true
		w.put("(?m:^)")
	case opLineEnd:
		w.put("(?m:$)")
	case opTextBegin:
		w.looksBack = true
		if w.behind {
			w.put(classText(&set{}, re2Rune)) // nothing matches
		} else {
			w.put(`\A`)
		}
	case opTextEnd:
		w.put(`\z`)
	case opWord, opNotWord:
		w.looksBack = true
		w.ascii = w.ascii || !n.ascii
		w.put(map[op]string{opWord: `\b`, opNotWord: `\B`}[n.op])
	default:
		w.failed = true
	}
}

func (w *re2Writer) concat(n *node, rest int) {
	least := make([]int, len(n.subs)+1)
	least[len(n.subs)] = rest
	for i := len(n.subs) - 1; i >= 0; i-- {
		least[i] = least[i+1] + n.subs[i].least()
	}
	for i, s := range n.subs {
		w.node(s, least[i+1])
	}
}

func (w *re2Writer) literal(n *node) {
	text := regexp.QuoteMeta(string(n.text))
	if n.fold {
		text = "(?i:" + text + ")"
	}
	w.put(text)
}

func (w *re2Writer) repeat(n *node, rest int) {
	body := n.subs[0]
	if n.greed == possessive || body.least() == 0 && body.captures() && n.max != 1 {
		w.failed = true // what a group holds after empty rounds differs
		return
	}
	w.put("(?:")
	w.node(body, rest)
	w.put(")" + repeatText(n))
	if n.greed == lazy {
		w.put("?")
	}
}

func repeatText(n *node) string {
	switch {
	case n.min == 0 && n.max == -1:
		return "*"
	case n.min == 1 && n.max == -1:
		return "+"
	case n.min == 0 && n.max == 1:
		return "?"
	case n.max == -1:
		return fmt.Sprintf("{%d,}", n.min)
	}
	return fmt.Sprintf("{%d,%d}", n.min, n.max)
}

// classText writes a set as a bracket class of plain ranges.
func classText(s *set, write func(rune) string) string {
	pairs, negative := s.pairs, ""
	if len(pairs) == 0 {
		pairs, negative = everything.pairs, "^" // no character is in it
	}
	var b strings.Builder
	b.WriteString("[" + negative)
	for i := 0; i < len(pairs); i += 2 {
		b.WriteString(write(pairs[i]))
		if pairs[i] != pairs[i+1] {
			b.WriteString("-" + write(pairs[i+1]))
		}
	}
	b.WriteString("]")
	return b.String()
}

func re2Rune(r rune) string { return fmt.Sprintf(`\x{%X}`, r) }
