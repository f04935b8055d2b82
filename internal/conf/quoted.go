package conf

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// quoted reads a text in quotes; ok is false when it is not closed: then the line
// is skipped.
func (p *classic) quoted() (v Value, ok bool) {
	if p.peek() == '"' {
		return p.double()
	}
	return p.single()
}

// single reads 'text' with \' and \\ as its only escapes, on one line.
func (p *classic) single() (Value, bool) {
	start := p.pos
	end := p.lineEndFrom(start)
	for i := start + 1; i < end; i++ {
		switch p.text[i] {
		case '\\':
			i++
		case '\'':
			p.pos = i + 1
			text := p.text[start+1 : i]
			if strings.Contains(text, `\`) {
				text = singleEscapes.Replace(text)
			}
			return Value{Text: text, Quote: '\''}, true
		}
	}
	p.fail(start, errors.New("a text in single quotes is not closed on its line"),
		"write ' at its end; only a text in double quotes may run over several lines")
	p.skipLine(start)
	return Value{}, false
}

var singleEscapes = strings.NewReplacer(`\\`, `\`, `\'`, `'`)

// double reads "text": escapes, embedded Ruby, over several lines. A backslash at
// the end of a line joins it to the next.
func (p *classic) double() (Value, bool) {
	start := p.pos
	known := len(p.problems.Errors)
	d := doubleQuoted{Value: Value{Quote: '"'}}
	for p.pos++; !p.eof(); {
		c := p.text[p.pos]
		switch {
		case c == '"':
			p.pos++
			return d.value(), true
		case c == '\\':
			p.escape(&d)
		case c == '#' && strings.HasPrefix(p.text[p.pos:], "#{"):
			if !p.embedded(&d) {
				p.pos = len(p.text)
			}
		default:
			n := strings.IndexAny(p.text[p.pos+1:], `"\#`) + 1
			if n == 0 {
				n = len(p.text) - p.pos
			}
			d.buf = append(d.buf, p.text[p.pos:p.pos+n]...)
			p.pos += n
		}
	}
	// What was found wrong within it is most likely not part of the text.
	p.problems.Errors = p.problems.Errors[:known]
	p.fail(start, errors.New("a text in double quotes is not closed"), `write " at its end`)
	p.skipLine(start)
	return Value{}, false
}

// doubleQuoted gathers the parts of a text. One part that is nil or default makes
// the whole so; nil wins.
type doubleQuoted struct {
	Value
	buf []byte
}

func (d *doubleQuoted) add(v Value) {
	d.buf = append(d.buf, v.Text...)
	if v.Kind == Nil || d.Kind == Text {
		d.Kind = v.Kind
	}
}

// value is the whole text; of a nil or default one nothing is kept.
func (d *doubleQuoted) value() Value {
	if d.Kind == Text {
		d.Text = string(d.buf)
	}
	return d.Value
}

// escape reads a backslash and what follows it.
func (p *classic) escape(d *doubleQuoted) {
	rest := p.text[p.pos+1:]
	if rest == "" {
		p.pos++
		return
	}
	switch c := rest[0]; {
	case c == '\n':
		p.pos += 2
	case strings.HasPrefix(rest, "\r\n"):
		p.pos += 3
	case strings.IndexByte("nrtfb0", c) >= 0:
		d.buf = append(d.buf, "\n\r\t\f\b\x00"[strings.IndexByte("nrtfb0", c)])
		p.pos += 2
	default:
		r, n := utf8.DecodeRuneInString(rest)
		if n == 1 && (isDigit(c) || c != '_' && isNameByte(c)) {
			p.fail(p.pos, fmt.Errorf(`unknown escape \%c in double quotes`, r),
				fmt.Sprintf(`write \\%c for a backslash, or use single quotes; the escapes are \n \r \t \f \b \0`, r))
		}
		d.buf = append(d.buf, rest[:n]...)
		p.pos += 1 + n
	}
}

// embedded computes #{Ruby}; false when it is not closed.
func (p *classic) embedded(d *doubleQuoted) bool {
	from := p.pos + 2
	n := rubyEnd(p.text[from:])
	if n < 0 {
		return false
	}
	p.pos = from + n + 1
	if v, err := p.load.evaluate(p.text[from:from+n], p.at(from)); err != nil {
		if err.Path == "" {
			err.Path, err.Param = p.path(), p.current
		}
		p.problems.Fail(err)
	} else {
		d.add(v)
	}
	return true
}

// evaluate calls the caller's Eval.
func (l *loader) evaluate(src string, at Pos) (Value, *Error) {
	if l.eval == nil {
		return Value{}, &Error{Pos: at, Err: errors.New("embedded Ruby is not allowed here"), Hint: `write \#{ for the characters #{`}
	}
	v, err := l.eval(src, at)
	if err == nil {
		return v, nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		placed := *e
		if placed.Pos.Line == 0 {
			placed.Pos = at
		}
		return v, &placed
	}
	return v, &Error{Pos: at, Err: fmt.Errorf("#{%s}: %w", src, err)}
}
