package filter

import (
	"strings"

	"github.com/sluicelog/sluice/internal/ruby"
)

// rubyTemplate is text with Ruby expressions in ${...}.
type rubyTemplate struct {
	single bool // one expression and nothing else: it keeps its type
	parts  []rubyPart
}

type rubyPart struct {
	text    string
	program *ruby.Program
}

// rubyValue is a value that is still Ruby's; [expansion.final] makes one of a
// record of it.
type rubyValue struct{ v ruby.Value }

// compileRuby splits a value into text and expressions. An expression ends at the
// first closing brace up to which it is whole, so that braces within it, of hashes,
// blocks and strings, are its own.
func compileRuby(text string, typecast bool) (template, error) {
	t := &rubyTemplate{}
	for rest := text; rest != ""; {
		before, after, found := strings.Cut(rest, "${")
		if before != "" {
			t.parts = append(t.parts, rubyPart{text: before})
		}
		if !found {
			break
		}
		program, n, err := expression(after)
		if err != nil {
			return nil, err
		}
		t.parts = append(t.parts, rubyPart{program: program})
		rest = after[n:]
	}
	switch {
	case len(t.parts) == 0, len(t.parts) == 1 && t.parts[0].program == nil:
		return constant{text}, nil
	case len(t.parts) == 1:
		t.single = typecast
	}
	return t, nil
}

// expression parses up to the closing brace, n bytes with it. When no brace ends
// one, the error is that of the shortest try: it is closest to what was meant.
func expression(src string) (p *ruby.Program, n int, err error) {
	for i := strings.IndexByte(src, '}'); i >= 0; {
		program, tried := ruby.Parse(src[:i], ruby.RecordVars())
		if tried == nil {
			return program, i + 1, nil
		}
		if err == nil {
			err = tried
		}
		next := strings.IndexByte(src[i+1:], '}')
		if next < 0 {
			return nil, 0, err
		}
		i += 1 + next
	}
	return nil, 0, &ruby.ParseError{Line: 1, Col: 1, Msg: "the expression has no end", Hint: "close ${ with }"}
}

func (t *rubyTemplate) expand(x *expansion) (any, error) {
	if t.single {
		v, err := t.parts[0].program.Eval(x.machine)
		return rubyValue{v}, err
	}
	var b strings.Builder
	for i := range t.parts {
		if t.parts[i].program == nil {
			b.WriteString(t.parts[i].text)
			continue
		}
		v, err := t.parts[i].program.Eval(x.machine)
		if err != nil {
			return nil, err
		}
		b.WriteString(x.machine.ToS(v))
	}
	return b.String(), nil
}
