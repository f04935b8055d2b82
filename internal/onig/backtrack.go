package onig

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
)

// backtracker is a pattern in the syntax of regexp2 (.NET's), which works on
// characters: a text is decoded for it and offsets are counted back into bytes.
type backtracker struct {
	re     *regexp2.Regexp
	groups int
}

func newBacktracker(r *Regexp) (*backtracker, error) {
	w := netWriter{}
	w.node(r.tree)
	re, err := regexp2.Compile(w.b.String(), regexp2.None)
	if err != nil {
		return nil, &Error{Src: r.src, Col: 1, Msg: "is not supported: " + err.Error()}
	}
	re.MatchTimeout = r.timeout
	return &backtracker{re, r.NumSubexp()}, nil
}

// decoded is a text in characters.
type decoded struct {
	runes   []rune
	offsets []int // byte offset of each character and of the end; nil for ASCII
}

func decode(s string) decoded {
	d := decoded{runes: make([]rune, 0, len(s))}
	for _, r := range s { // a byte that is no UTF-8 is U+FFFD
		d.runes = append(d.runes, r)
	}
	if len(d.runes) == len(s) {
		return d
	}
	d.offsets = make([]int, 0, len(d.runes)+1)
	for i := range s {
		d.offsets = append(d.offsets, i)
	}
	d.offsets = append(d.offsets, len(s))
	return d
}

func (d *decoded) byteOffset(i int) int {
	if d.offsets == nil {
		return i
	}
	return d.offsets[i]
}

// find searches from a character on.
func (b *backtracker) find(d *decoded, from int) ([]int, error) {
	m, err := b.re.FindRunesMatchStartingAt(d.runes, from)
	if err != nil {
		return nil, fmt.Errorf("%w: more than %v", ErrTimeout, b.re.MatchTimeout)
	}
	if m == nil {
		return nil, nil
	}
	loc := make([]int, 2*(b.groups+1))
	for i := range b.groups + 1 {
		loc[2*i], loc[2*i+1] = -1, -1
		if g := m.GroupByNumber(i); g != nil && len(g.Captures) > 0 {
			loc[2*i], loc[2*i+1] = d.byteOffset(g.Index), d.byteOffset(g.Index+g.Length)
		}
	}
	return loc, nil
}

// netWriter writes a tree in .NET's syntax.
type netWriter struct{ b strings.Builder }

func (w *netWriter) put(s string) { w.b.WriteString(s) }

func (w *netWriter) around(open string, n *node) {
	w.put(open)
	w.node(n)
	w.put(")")
}

var groupOpens = map[op]string{
	opCapture: "(", opAtomic: "(?>", opAhead: "(?=", opNotAhead: "(?!", opBehind: "(?<=", opNotBehind: "(?<!",
}

var netAnchors = map[op]string{
	opEmpty: "(?:)", opLineBegin: `(?:\A|(?<=\n)(?!\z))`, opLineEnd: `(?=\n|\z)`,
	opTextBegin: `\A`, opTextEnd: `\z`, opTextEndNL: `(?=\n?\z)`, opSearchFrom: `\G`,
}

func (w *netWriter) node(n *node) {
	switch n.op {
	case opLiteral:
		w.literal(n)
	case opSet:
		w.put(classText(n.set, netRune))
	case opConcat:
		for _, s := range n.subs {
			w.node(s)
		}
	case opAlternate:
		w.list("(?:", n.subs)
	case opRepeat:
		w.repeat(n)
	case opBackref:
		w.backref(n)
	case opCondition:
		w.list(fmt.Sprintf("(?(%d)", n.group), n.subs)
	case opWord, opNotWord:
		w.word(n)
	default:
		if open, ok := groupOpens[n.op]; ok {
			w.around(open, n.subs[0])
			return
		}
		w.put(netAnchors[n.op])
	}
}

func (w *netWriter) list(open string, nodes []*node) {
	w.put(open)
	for i, s := range nodes {
		if i > 0 {
			w.put("|")
		}
		w.node(s)
	}
	w.put(")")
}

// literal writes text. Without regard to case each character is the set of its
// cases, so that both engines equate the same.
func (w *netWriter) literal(n *node) {
	for _, r := range n.text {
		if n.fold {
			if s := setOf(r, r).folded(); len(s.pairs) > 2 {
				w.put(classText(s, netRune))
				continue
			}
		}
		w.put(regexp2.Escape(string(r)))
	}
}

func (w *netWriter) repeat(n *node) {
	if n.greed == possessive {
		w.put("(?>")
	}
	w.around("(?:", n.subs[0])
	w.put(repeatText(n))
	switch n.greed {
	case lazy:
		w.put("?")
	case possessive:
		w.put(")")
	}
}

func (w *netWriter) backref(n *node) {
	w.put("(?:")
	for i, group := range n.refs {
		if i > 0 {
			w.put("|")
		}
		form := `(?:\%d)`
		if n.fold {
			form = `(?i:\%d)`
		}
		w.put(fmt.Sprintf(form, group))
	}
	w.put(")")
}

func (w *netWriter) word(n *node) {
	plain, bounds := `\b`, `(?:(?<=%[1]s)(?!%[1]s)|(?<!%[1]s)(?=%[1]s))`
	if n.op == opNotWord {
		plain, bounds = `\B`, `(?:(?<=%[1]s)(?=%[1]s)|(?<!%[1]s)(?!%[1]s))`
	}
	if n.ascii {
		plain = fmt.Sprintf(bounds, classText(asciiWord, netRune))
	}
	w.put(plain)
}

// netRune writes a character within a class.
func netRune(r rune) string {
	if r < utf8.RuneSelf || r >= 0xd800 && r <= 0xdfff {
		return fmt.Sprintf(`\u%04X`, r)
	}
	return string(r)
}
