package ruby

import "strings"

// Template is a value of record_transformer's <record>: text with ${…} in it.
type Template struct {
	ruby    string
	program *Program
	text    string
	plain   bool
}

// ParseTemplate reads a value as Fluentd's record_transformer does with
// enable_ruby. A value that is one ${…} and nothing else is that expression, and
// keeps its type when typed is true (auto_typecast, and no hash key). Any other
// is a Ruby string: every ${ opens an expression, backslash escapes are Ruby's,
// and #{ opens an expression too. So braces within an expression need no care.
//
// vars are as in [Parse]. The error is a *[ParseError] with its column in value.
func ParseTemplate(value string, typed bool, vars []string) (*Template, error) {
	if typed && strings.Count(value, "${") == 1 && strings.HasPrefix(value, "${") && strings.HasSuffix(value, "}") {
		code := value[2 : len(value)-1]
		p, err := Parse(code, vars)
		if err != nil {
			return nil, moved(err, 2, "")
		}
		return &Template{ruby: code, program: p}, nil
	}
	t := &Template{ruby: "%Q[" + strings.ReplaceAll(value, "${", "#{") + "]"}
	if !strings.ContainsAny(value, "\\#$[]") {
		t.text, t.plain = value, true
		return t, nil
	}
	p, err := Parse(t.ruby, vars)
	if err != nil {
		return nil, moved(err, -3, value)
	}
	t.program = p
	return t, nil
}

// moved puts the column of an error on the first line right.
func moved(err error, by int, value string) error {
	e, ok := err.(*ParseError)
	if !ok {
		return err
	}
	if e.Line == 1 {
		e.Col = max(e.Col+by, 1)
	}
	if value != "" && e.Hint == "" && strings.Count(value, "[") != strings.Count(value, "]") {
		e.Hint = `with enable_ruby a value is a Ruby string %Q[…]: write a single bracket as \[ or \]`
	}
	return e
}

// Text is the template's value when it holds no expression.
func (t *Template) Text() (string, bool) { return t.text, t.plain }

// String is the Ruby code that Fluentd makes of the value, as it stands in its
// message "failed to expand `…` : error = …".
func (t *Template) String() string { return t.ruby }

// Uses tells whether the template refers to a variable or constant of that name.
func (t *Template) Uses(name string) bool { return t.program != nil && t.program.Uses(name) }

// Eval gives the value. It and the errors are as those of [Program.Eval].
func (t *Template) Eval(m *Env) (Value, error) {
	if t.plain {
		return &Str{s: t.text}, nil
	}
	return t.program.Eval(m)
}
