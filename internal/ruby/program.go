package ruby

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/sluicelog/sluice/internal/ruby/syntax"
)

// ErrUseNil is what Eval returns when use_nil was called: the parameter is unset.
var ErrUseNil = errors.New("use_nil")

// ErrUseDefault is what Eval returns when use_default was called: the parameter
// takes its default.
var ErrUseDefault = errors.New("use_default")

// maxSource bounds an expression's text.
const maxSource = 64 << 10

// Program is a compiled expression. It never changes; any number of Envs may
// run it at the same time.
type Program struct {
	run    code
	slots  int
	inputs []func(m *Env) Value // variables that the program assigns to, by slot
	uses   map[string]bool
}

// Parse reads an expression whose outside variables are vars, see [RecordVars]
// and [ConfigVars]. The error is a *[ParseError].
func Parse(src string, vars []string) (*Program, error) {
	if len(src) > maxSource {
		return nil, &ParseError{Line: 1, Col: 1, Msg: fmt.Sprintf("the expression has %d bytes, more than %d", len(src), maxSource)}
	}
	for _, name := range vars {
		if variables[name] == nil {
			return nil, fmt.Errorf("no variable is called %s", name)
		}
	}
	tree, scope, err := syntax.Parse(src, vars)
	var serr *syntax.Error
	if errors.As(err, &serr) {
		return nil, placed(src, serr)
	}
	p, serr := compileProgram(tree, scope, vars)
	if serr != nil {
		return nil, placed(src, serr)
	}
	return p, nil
}

// Uses tells whether the program refers to a variable or constant of that name.
func (p *Program) Uses(name string) bool { return p.uses[name] }

// Eval runs the program. The value belongs to the Env: turn it into an event
// value with [Env.ToEvent] or into text with [Env.ToS] before the next Reset, but
// after the other expressions of the record, which may still change it in place.
//
// Errors: *[Exception] is what Ruby would raise; *[Unsupported] and *[LimitError]
// are ours; [ErrUseNil], [ErrUseDefault].
func (p *Program) Eval(m *Env) (v Value, err error) {
	m.begin()
	defer func() {
		if r := recover(); r != nil {
			v, err = ended(r)
		}
	}()
	f := &m.base
	f.reset(p.slots)
	m.frame = f
	for slot, input := range p.inputs {
		if input != nil {
			f.vars[slot] = input(m)
		}
	}
	return p.run(m), nil
}

// ended is what a panic that reached the top means.
func ended(r any) (Value, error) {
	switch r := r.(type) {
	case *jump:
		switch r.kind {
		case 'r':
			return r.v, nil
		case 'b':
			return nil, newException("LocalJumpError", "break from proc-closure")
		}
		return nil, newException("LocalJumpError", "unexpected next")
	case *Exception:
		return nil, r
	case *Unsupported:
		return nil, r
	case *LimitError:
		return nil, r
	case error:
		if r == ErrUseNil || r == ErrUseDefault {
			return nil, r
		}
		// A fault of ours: the event must not take the whole relay down.
		return nil, fmt.Errorf("evaluate expression: internal fault: %w\n%s", r, debug.Stack())
	}
	return nil, fmt.Errorf("evaluate expression: internal fault: %v", r)
}
