package relay

import (
	"errors"
	"os"
	"strings"

	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/ruby"
)

// eval computes the Ruby in "#{...}" of a configuration.
type eval struct{ machine *ruby.Env }

func newEval() *eval {
	hostname, _ := os.Hostname()
	return &eval{&ruby.Env{Hostname: hostname, WorkerID: "0"}}
}

// value evaluates src, whose first character stands at at.
func (e *eval) value(src string, at conf.Pos) (conf.Value, error) {
	program, err := ruby.Parse(src, ruby.ConfigVars())
	if err != nil {
		return conf.Value{}, placedAt(at, err)
	}
	v, err := program.Eval(e.machine)
	switch {
	case errors.Is(err, ruby.ErrUseNil):
		return conf.Value{Kind: conf.Nil}, nil
	case errors.Is(err, ruby.ErrUseDefault):
		return conf.Value{Kind: conf.Default}, nil
	case err != nil:
		return conf.Value{}, &conf.Error{Pos: at, Err: err}
	}
	return conf.Value{Text: e.machine.ToS(v)}, nil
}

// placedAt gives an error of the Ruby parser its place in the file.
func placedAt(at conf.Pos, err error) error {
	var p *ruby.ParseError
	if !errors.As(err, &p) {
		return &conf.Error{Pos: at, Err: err}
	}
	if p.Line > 1 {
		at.Line, at.Col = at.Line+p.Line-1, p.Col
	} else {
		at.Col += p.Col - 1
	}
	return &conf.Error{Pos: at, Err: errors.New(strings.TrimSpace(p.Msg)), Hint: p.Hint}
}
