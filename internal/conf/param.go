package conf

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// reserved are the parameters with @ that Fluentd knows.
var reserved = []string{"@type", "@id", "@label", "@log_level"}

// param reads a line "name value", or an @include.
func (p *classic) param() {
	start := p.pos
	name, ok := p.paramName()
	if !ok {
		p.skipLine(start)
		return
	}
	afterName := p.pos
	newline := p.blanks()
	switch {
	case name == "@include" || name == "include" && p.atRoot() && p.text[start] == 'i':
		p.include(start, newline)
		return
	case newline:
		p.add(Param{Name: name, Pos: p.at(start), At: p.at(afterName)})
		if name != "@id" && slices.Contains(reserved, name) {
			p.fail(start, fmt.Errorf("%s has no value", name), "write the value after it, on the same line")
		}
		return
	}
	p.current = name
	defer func() { p.current = "" }()
	if p.pos == afterName { // only a quoted name can end without a blank
		p.fail(start, errors.New("no blank follows the name"), "put a blank between name and value")
	}
	p.checkPrefix(start)
	at := p.pos
	v, ok := p.value()
	p.add(Param{Name: name, Value: v, Pos: p.at(start), At: p.at(at)})
	if ok && !p.lineEnd() {
		p.afterValue(at, v)
	}
}

func (p *classic) add(line Param) {
	n := p.top()
	n.Params = append(n.Params, line)
}

// paramName reads up to the first white space; a name may stand in quotes.
func (p *classic) paramName() (string, bool) {
	if c := p.peek(); c == '"' || c == '\'' {
		start := p.pos
		v, ok := p.quoted()
		if ok && (v.Kind != Text || v.Text == "") {
			p.fail(start, errors.New("a parameter's name is empty"), "write a name")
			ok = false
		}
		return v.Text, ok
	}
	start := p.pos
	if i := strings.IndexAny(p.text[start:], " \t\r\n"); i >= 0 {
		p.pos += i
	} else {
		p.pos = len(p.text)
	}
	return p.text[start:p.pos], true
}

// checkPrefix keeps @ for Fluentd's own parameters. Deeper in, Fluentd warns only.
func (p *classic) checkPrefix(start int) {
	if p.current[0] != '@' || slices.Contains(reserved, p.current) {
		return
	}
	hint := "the parameters with @ are " + strings.Join(reserved, ", ")
	if p.atRoot() || slices.Contains([]string{"source", "match", "filter", "system"}, p.top().Name) {
		p.fail(start, errors.New("names with @ are reserved"), hint)
		return
	}
	p.warn(start, "names with @ are reserved", hint)
}

// value reads what follows a name; ok is false when it was broken off.
func (p *classic) value() (v Value, ok bool) {
	switch c := p.peek(); c {
	case '"', '\'':
		return p.quoted()
	case '[', '{':
		return p.json(c)
	case '#':
		v = p.bare()
		p.warn(p.pos-len(v.Text), fmt.Sprintf("the value is the text %q", v.Text),
			"a comment needs a value before it: put it on a line of its own")
		return v, true
	}
	return p.bare(), true
}

// bare reads words up to the end of the line or a blank before #.
func (p *classic) bare() Value {
	start := p.pos
	p.pos += bareLen(p.text[start:p.lineEndFrom(start)])
	return Value{Text: p.text[start:p.pos]}
}

// bareLen is how much of a line is a value: not the comment, nor the blanks at the end.
func bareLen(line string) int {
	end := len(line)
	for i := 1; i < len(line); i++ {
		if line[i] == '#' && (line[i-1] == ' ' || line[i-1] == '\t') {
			end = i
			break
		}
	}
	return len(strings.TrimRight(line[:end], " \t"))
}

// afterValue reports text behind a value that has an end of its own.
func (p *classic) afterValue(at int, v Value) {
	if opened, ended := p.line(at), p.line(p.pos); v.Quote == '"' && opened != ended {
		// A forgotten quote: the next one, lines below, ended the text.
		p.fail(at, fmt.Errorf("a text in double quotes goes on to line %d, where more follows it", ended+1),
			"close the quotes")
		p.skipLine(at)
		return
	}
	hint := "put the whole value in quotes"
	if v.Quote == '"' || v.Quote == '\'' {
		hint = fmt.Sprintf("a %c within the text is written \\%c", v.Quote, v.Quote)
	}
	p.fail(p.pos, errors.New("text follows after the value"), hint)
	p.skipLine(p.pos)
}

// json reads an array or hash, which may run over several lines and hold comments.
func (p *classic) json(open byte) (Value, bool) {
	start := p.pos
	r := jsonReader{text: p.text, pos: start, comments: true}
	v, err := r.value()
	if err == nil {
		p.pos = r.pos
		return Value{Text: string(appendJSON(nil, v)), Quote: open}, true
	}
	kind := map[byte]string{'[': "array", '{': "hash"}[open]
	hint := fmt.Sprintf("a value that begins with %c is read as JSON; put it in quotes when it is none", open)
	at := min(r.pos, len(p.text))
	p.pos = p.lineEndFrom(start)
	if end := jsonEnd(p.text[start:]); end < 0 || strings.Contains(p.text[start:start+end], "\n<") || p.holdsTag(start, start+end) {
		p.fail(start, fmt.Errorf("the JSON %s is not closed", kind), fmt.Sprintf("write %c; %s", open+2, hint))
	} else {
		p.fail(at, fmt.Errorf("the JSON %s is broken: %w", kind, err), hint)
		p.pos = start + end
	}
	return Value{}, false
}

// holdsTag says that a line between two offsets begins as a section does: then a
// bracket further down is not the one that was forgotten.
func (p *classic) holdsTag(from, to int) bool {
	for _, line := range strings.Split(p.text[from:to], "\n")[1:] {
		if strings.HasPrefix(strings.TrimLeft(line, " \t"), "<") {
			return true
		}
	}
	return false
}
