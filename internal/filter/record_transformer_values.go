package filter

import (
	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/ruby"
)

// template is a key or value of <record> that is filled in for each event. What
// it gives is still open: expressions of one record share their objects, so values
// are made final when all are known; see [expansion.final].
type template interface {
	expand(x *expansion) (any, error)
}

// field is one line of <record>, or one entry of a hash in it.
type field struct {
	name       string
	key, value template
}

// constant is a value without placeholders.
type constant struct{ v any }

func (c constant) expand(*expansion) (any, error) { return c.v, nil }

type listTemplate []template

// openList and openHash are values that hold open values.
type (
	openList []any
	openHash []openField
)

type openField struct {
	key   string
	value any
}

func (l listTemplate) expand(x *expansion) (any, error) {
	out := make(openList, len(l))
	for i, t := range l {
		v, err := t.expand(x)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

type hashTemplate []field

func (h hashTemplate) expand(x *expansion) (any, error) {
	out := make(openHash, len(h))
	for i, f := range h {
		key, err := f.key.expand(x)
		if err != nil {
			return nil, err
		}
		v, err := f.value.expand(x)
		if err != nil {
			return nil, err
		}
		out[i] = openField{x.text(key), v}
	}
	return out, nil
}

// compileValue makes a template of text, or of JSON whose texts and names are
// templates in turn.
func (f *recordTransformer) compileValue(v any) (template, error) {
	switch v := v.(type) {
	case string:
		return f.compileText(v, f.typecast)
	case []any:
		list := make(listTemplate, len(v))
		for i, item := range v {
			var err error
			if list[i], err = f.compileValue(item); err != nil {
				return nil, err
			}
		}
		return list, nil
	case []conf.Pair:
		hash := make(hashTemplate, len(v))
		for i, pair := range v {
			key, err := f.compileText(pair.Key, false)
			if err != nil {
				return nil, err
			}
			value, err := f.compileValue(pair.Value)
			if err != nil {
				return nil, err
			}
			hash[i] = field{pair.Key, key, value}
		}
		return hash, nil
	}
	return constant{v}, nil
}

// compileText makes a template of text; typed says that a lone placeholder keeps
// its type.
func (f *recordTransformer) compileText(text string, typed bool) (template, error) {
	if !f.enableRuby {
		return compilePlain(text, typed), nil
	}
	t, err := ruby.ParseTemplate(text, typed, ruby.RecordVars())
	if err != nil {
		return nil, err
	}
	if text, ok := t.Text(); ok {
		return constant{text}, nil
	}
	return rubyTemplate{t}, nil
}

// rubyTemplate is text with Ruby in it.
type rubyTemplate struct{ t *ruby.Template }

func (t rubyTemplate) expand(x *expansion) (any, error) {
	v, err := t.t.Eval(x.machine)
	if err != nil {
		return nil, &expandError{t.t.String(), err}
	}
	return v, nil
}

// expandError is an expression that raised, in Fluentd's words.
type expandError struct {
	code string
	err  error
}

func (e *expandError) Error() string {
	return "failed to expand `" + e.code + "` : error = " + e.err.Error()
}
func (e *expandError) Unwrap() error { return e.err }

// Class is the Ruby class that Fluentd would name in its log.
func (e *expandError) Class() string { return "RuntimeError" }

// final turns an open value into one of a record. It is done when all expressions
// have run: a time that two of them share prints as the last one left it.
func (x *expansion) final(v any) any {
	switch v := v.(type) {
	case string, nil, bool, int64, float64:
		return v
	case openList:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = x.final(item)
		}
		return list
	case openHash:
		r := event.NewRecord()
		for _, f := range v {
			r.Set(f.key, x.final(f.value))
		}
		return r
	}
	if x.machine != nil {
		return x.machine.ToEvent(v)
	}
	return v
}

// text is an open value as text.
func (x *expansion) text(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	if x.machine != nil {
		return x.machine.ToS(v)
	}
	return event.Text(v)
}
