package event

import "strings"

// ParseJSON reads one JSON value as Fluentd's default reader does: keys keep
// their order, of a key that is there twice the last value stands at the first
// one's place, integers of any size are exact, bytes that are no UTF-8 stay.
// The error is a *SyntaxError, or ErrTooDeep.
//
// This reader is the reference for CompactRecord.
func ParseJSON(b []byte) (any, error) { return Oj.Parse(b) }

// ParseRecord reads one JSON object, as ParseJSON does.
func ParseRecord(b []byte) (*Record, error) {
	v, err := Oj.Parse(b)
	if err != nil {
		return nil, err
	}
	if r, ok := v.(*Record); ok {
		return r, nil
	}
	return nil, &SyntaxError{Offset: len(b) - len(strings.TrimLeft(text(b), " \t\r\n")), Want: "an object"}
}

// Parse reads one JSON value as that reader of Fluentd's does.
func (m JSONMode) Parse(b []byte) (any, error) {
	p := jsonReader{s: string(b), mode: m}
	v := p.value(0)
	p.space()
	if p.err == nil && p.i < len(b) {
		p.fail("the end")
	}
	if p.err != nil {
		return nil, p.err
	}
	return v, nil
}

// jsonReader is a plain recursive reader. After the first error it moves no more.
// The text is copied once, so that all keys and values can be cut from it.
type jsonReader struct {
	s    string
	i    int
	mode JSONMode
	err  error
}

func (p *jsonReader) fail(want string) {
	if p.err == nil {
		p.err = &SyntaxError{Offset: p.i, Want: want}
	}
}

// peek is the next byte, 0 at the end or after an error.
func (p *jsonReader) peek() byte {
	if p.err == nil && p.i < len(p.s) {
		return p.s[p.i]
	}
	return 0
}

func (p *jsonReader) take(c byte) bool {
	if p.peek() != c || p.i >= len(p.s) {
		return false
	}
	p.i++
	return true
}

// space skips white space and comments, which all of Fluentd's readers allow.
func (p *jsonReader) space() {
	for {
		switch p.peek() {
		case ' ', '\t', '\r', '\n':
			p.i++
		case '/':
			p.comment()
		default:
			return
		}
	}
}

func (p *jsonReader) comment() {
	rest := p.s[p.i:]
	switch {
	case strings.HasPrefix(rest, "//"):
		if n := strings.IndexByte(rest, '\n'); n >= 0 {
			p.i += n
			return
		}
		p.i = len(p.s)
	case strings.HasPrefix(rest, "/*"):
		if n := strings.Index(rest[2:], "*/"); n >= 0 {
			p.i += n + 4
			return
		}
		p.i = len(p.s)
		p.fail("*/ to end the comment")
	default:
		p.fail("a comment or a value")
	}
}

func (p *jsonReader) value(depth int) any {
	p.space()
	switch c := p.peek(); c {
	case '{', '[':
		if depth >= MaxDepth {
			p.err = ErrTooDeep
			return nil
		}
		p.i++
		if c == '{' {
			return p.object(depth + 1)
		}
		return p.array(depth + 1)
	case '"':
		return p.string()
	case 't':
		return p.word("true", true)
	case 'f':
		return p.word("false", false)
	case 'n':
		return p.word("null", nil)
	}
	return p.number()
}

func (p *jsonReader) word(w string, v any) any {
	if !strings.HasPrefix(p.s[p.i:], w) {
		p.fail("a value")
		return nil
	}
	p.i += len(w)
	return v
}

func (p *jsonReader) object(depth int) *Record {
	r := &Record{split: true}
	p.space()
	if p.take('}') {
		return r
	}
	for p.err == nil {
		p.space()
		if p.peek() != '"' {
			p.fail("a key in double quotes")
			break
		}
		key := p.string()
		p.space()
		if !p.take(':') {
			p.fail("':'")
			break
		}
		r.Set(key, p.value(depth))
		p.space()
		if p.take('}') {
			break
		}
		if !p.take(',') {
			p.fail("',' or '}'")
		}
	}
	return r
}

func (p *jsonReader) array(depth int) []any {
	out := []any{}
	p.space()
	if p.take(']') {
		return out
	}
	for p.err == nil {
		out = append(out, p.value(depth))
		p.space()
		if p.take(']') {
			break
		}
		if !p.take(',') {
			p.fail("',' or ']'")
		}
	}
	return out
}
