package conf

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// classic reads fluent.conf text. It goes on after an error, at the next place
// where a line or a section surely begins, so that one mistake hides no other.
type classic struct {
	scanner
	load     *loader
	problems *Problems
	open     []*Node // the sections around the position; the first is the root, or the one that includes
	closeAll bool    // second reading: see unclosed.go
	current  string  // name of the parameter that is being read
}

// classic reads one file into n, which is the root or the section around the
// @include line.
func (l *loader) classic(f file, text []byte, n *Node) {
	source, ok := l.decode(f, text)
	if !ok {
		return
	}
	p := l.read(f, source, *n, false)
	if !p.atRoot() {
		p = l.read(f, source, *n, true)
		p.leftOpen()
	}
	*n = *p.open[0]
	l.problems.Errors = append(l.problems.Errors, p.problems.Errors...)
	l.problems.Warnings = append(l.problems.Warnings, p.problems.Warnings...)
}

// read gives a reader that has read the text, into a copy of n and with problems of
// its own, so that the text can be read again.
func (l *loader) read(f file, source string, n Node, closeAll bool) *classic {
	p := &classic{
		scanner: newScanner(f, source), problems: new(Problems),
		open: []*Node{&n}, closeAll: closeAll,
	}
	p.load = &loader{eval: l.eval, problems: p.problems, files: l.files}
	p.body()
	return p
}

// body reads lines and sections up to the end of the file.
func (p *classic) body() {
	for p.spacing(); !p.eof(); p.spacing() {
		switch {
		case p.skip("</"):
			p.closeTag(p.pos - 2)
		case p.skip("<"):
			p.openTag(p.pos - 1)
		default:
			p.param()
		}
	}
}

func (p *classic) top() *Node { return p.open[len(p.open)-1] }

// atRoot says that no section of this file is open.
func (p *classic) atRoot() bool { return len(p.open) == 1 }

// fail adds an error at an offset, in the section and parameter that are being read.
func (p *classic) fail(offset int, err error, hint string) {
	p.problems.Fail(&Error{Pos: p.at(offset), Path: p.path(), Param: p.current, Err: err, Hint: hint})
}

func (p *classic) warn(offset int, text, hint string) {
	p.problems.Warn(&Error{Pos: p.at(offset), Path: p.path(), Param: p.current, Err: errors.New(text), Hint: hint})
}

// path names the open sections: "match app.** <buffer tag>".
func (p *classic) path() string { return sectionPath(p.open) }

func sectionPath(open []*Node) string {
	var b strings.Builder
	for _, n := range open {
		switch {
		case n.Name == "ROOT":
		case b.Len() == 0:
			b.WriteString(n.Title())
		default:
			b.WriteString(" <" + n.Title() + ">")
		}
	}
	return b.String()
}

// openTag reads <name arg> from behind the sign at offset start.
func (p *classic) openTag(start int) {
	name := p.name()
	if name == "" && (p.peek() == ' ' || p.peek() == '\t') {
		p.spacing()
		name = p.name()
		p.fail(start, errors.New("the name of a section follows directly after <"), hintIf(name != "", "write <"+name+" …>"))
	} else if name == "" {
		p.fail(start, errors.New("a section has no name"), "write <name>; text that begins with < cannot be the name of a parameter")
	}
	p.spacing()
	arg, closed := p.tagArg()
	n := &Node{Name: name, Arg: arg, Pos: p.at(start)}
	if !closed {
		p.fail(start, fmt.Errorf("<%s is not followed by >", n.Title()), "write > at the end of the line; quotes stand around the whole argument")
		p.skipLine(start)
	}
	if name == "" {
		p.skipLine(start)
		return
	}
	if p.closeAll {
		p.closeBefore(n)
	}
	parent := p.top()
	parent.Children = append(parent.Children, n)
	p.open = append(p.open, n)
	if closed && !p.lineEnd() {
		p.afterTag(n)
	}
}

// tagArg reads a section's argument and the > after it.
func (p *classic) tagArg() (arg string, closed bool) {
	if c := p.peek(); c == '"' || c == '\'' {
		if v, ok := p.quoted(); ok {
			arg = v.Text
		}
		p.spacing()
		return arg, p.skip(">")
	}
	end := p.lineEndFrom(p.pos)
	line := p.text[p.pos:end]
	if i := strings.IndexByte(line, '>'); i >= 0 {
		p.pos += i + 1
		return strings.TrimRight(line[:i], " \t"), true
	}
	// The sign may stand alone on the next line, behind comments too.
	start := p.pos
	p.pos += bareLen(line)
	arg = p.text[start:p.pos]
	p.spacing()
	if p.skip(">") {
		return arg, true
	}
	return arg, false
}

// afterTag reports text behind a tag. It is read on as a line of its own, but for
// a section that was written on one line.
func (p *classic) afterTag(n *Node) {
	rest := strings.TrimSpace(p.text[p.pos:p.lineEndFrom(p.pos)])
	hint := "begin a new line after >"
	if strings.Contains(n.Arg+rest, ">") && !strings.HasPrefix(rest, "<") {
		hint += `; an argument that holds > stands in double quotes`
	}
	p.fail(p.pos, fmt.Errorf("text follows after <%s>", n.Title()), hint)
	if strings.HasSuffix(rest, "</"+n.Name+">") {
		p.skipLine(p.pos)
		p.open = p.open[:len(p.open)-1]
	}
}

// closeTag reads </name> from behind the sign at offset start.
func (p *classic) closeTag(start int) {
	name := p.name()
	p.spacing()
	if !p.skip(">") {
		hint := "write </" + p.top().Name + ">; the name of a section has letters, digits and _ only"
		if p.atRoot() {
			hint = "take the line out"
		}
		p.fail(start, fmt.Errorf("</%s is no closing tag", name), hint)
		p.skipLine(start)
		name = p.top().Name
	} else if !p.lineEnd() {
		p.fail(p.pos, fmt.Errorf("text follows after </%s>", name), "begin a new line after >")
	}
	if depth := p.depthOf(name, start); depth > 0 {
		p.closeTo(depth+1, fmt.Sprintf("</%s> in line %d", name, p.line(start)+1))
		p.open = p.open[:depth]
	}
}

// depthOf is the index in open of the section that </name> closes; 0 when it
// closes none, which is reported here.
func (p *classic) depthOf(name string, start int) int {
	for i := len(p.open) - 1; i > 0; i-- {
		if p.open[i].Name == name {
			return i
		}
	}
	if name == "" {
		name = "/"
	}
	last := p.top()
	if p.atRoot() || p.at(start).Col > last.Pos.Col {
		p.fail(start, fmt.Errorf("</%s> closes nothing: no <%s> is open", name, name), "take the line out, or write the section's beginning")
		return 0
	}
	p.fail(start, fmt.Errorf("</%s> closes <%s> of line %d", name, last.Title(), last.Pos.Line), "write </"+last.Name+">")
	return len(p.open) - 1
}

// name reads a section's name: letters, digits and _.
func (p *classic) name() string {
	start := p.pos
	for !p.eof() && isNameByte(p.text[p.pos]) {
		p.pos++
	}
	return p.text[start:p.pos]
}

func isNameByte(c byte) bool {
	return isDigit(c) || c == '_' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

func hintIf(cond bool, hint string) string {
	if cond {
		return hint
	}
	return ""
}

// decode takes the byte order mark off and says what is not UTF-8.
func (l *loader) decode(f file, text []byte) (string, bool) {
	s := string(text)
	if strings.HasPrefix(s, "\xff\xfe") || strings.HasPrefix(s, "\xfe\xff") {
		l.problems.Fail(&Error{Pos: f.pos(1, 1), Err: errors.New("the file is UTF-16"), Hint: "save it as UTF-8"})
		return "", false
	}
	s = strings.TrimPrefix(s, "\uFEFF")
	if !utf8.ValidString(s) {
		sc := newScanner(f, s)
		i := strings.IndexFunc(s, func(r rune) bool { return r == utf8.RuneError })
		for ; i < len(s); i++ { // a U+FFFD that is really there is no fault
			if r, n := utf8.DecodeRuneInString(s[i:]); r == utf8.RuneError && n == 1 {
				break
			}
		}
		l.problems.Warn(&Error{
			Pos: sc.at(i), Err: fmt.Errorf("the byte 0x%02X is not UTF-8; it is kept as it is", s[i]),
			Hint: "convert the file: iconv -f latin1 -t utf-8",
		})
	}
	return s, true
}
