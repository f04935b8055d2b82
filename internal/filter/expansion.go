package filter

import (
	"errors"
	"strings"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/ruby"
)

// expansion is what templates are filled in with: one event at a time. It is
// pooled with the machine that runs Ruby.
type expansion struct {
	filter   *recordTransformer
	machine  *ruby.Env
	tag      string
	tagParts []string
	event    event.Event
	values   []any
}

func newExpansion(f *recordTransformer) *expansion {
	return &expansion{filter: f, machine: &ruby.Env{Hostname: f.env.Hostname, WorkerID: "0"}}
}

func (x *expansion) reset(tag string, e event.Event) {
	if tag != x.tag {
		x.tag, x.tagParts = tag, nil
	}
	x.event = e
	if x.filter.enableRuby {
		x.machine.Reset(tag, e.Time, e.Record)
	}
}

func (x *expansion) parts() []string {
	if x.tagParts == nil {
		x.tagParts = strings.Split(x.tag, ".")
	}
	return x.tagParts
}

// final turns a value of Ruby's into one of a record. It is done last: a time that
// two expressions share prints as the last of them left it.
func (x *expansion) final(v any) (any, error) {
	if r, ok := v.(rubyValue); ok {
		return x.machine.ToEvent(r.v), nil
	}
	return v, nil
}

// hintOf is what an error of the Ruby parser says to write instead.
func hintOf(err error) string {
	var p *ruby.ParseError
	if errors.As(err, &p) {
		return p.Hint
	}
	return ""
}
