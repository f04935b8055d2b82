package filter

import (
	"strings"
	"time"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/ruby"
	"github.com/sluicelog/sluice/internal/strftime"
)

// expansion fills in the templates for one event at a time. It is pooled, for the
// machine that runs Ruby is worth keeping.
type expansion struct {
	filter   *recordTransformer
	machine  *ruby.Env // nil without enable_ruby
	tag      string
	tagParts []string
	event    event.Event
	keys     []string
	values   []any
}

func newExpansion(f *recordTransformer) *expansion {
	x := &expansion{filter: f}
	if f.enableRuby {
		x.machine = &ruby.Env{Hostname: f.env.Hostname, WorkerID: "0"}
	}
	return x
}

func (x *expansion) begin(tag string, e event.Event) {
	if tag != x.tag {
		x.tag, x.tagParts = tag, nil
	}
	x.event = e
	if x.machine != nil {
		x.machine.Reset(tag, e.Time, e.Record)
	}
}

// release lets go of the event.
func (x *expansion) release() {
	clear(x.values)
	x.keys, x.values, x.event = x.keys[:0], x.values[:0], event.Event{}
	x.filter.expansions.Put(x)
}

// expand evaluates all fields before the first is set: expressions see the record
// as it came, and an error leaves it so.
func (x *expansion) expand() error {
	for i := range x.filter.fields {
		f := &x.filter.fields[i]
		key, err := f.key.expand(x)
		if err != nil {
			return err
		}
		v, err := f.value.expand(x)
		if err != nil {
			return err
		}
		x.keys, x.values = append(x.keys, x.text(key)), append(x.values, v)
	}
	return nil
}

// applyChanges shows in the new record what expressions did to values within the
// old one: in Fluentd both hold the same objects. Fields that they added to or took
// out of the record itself do not show.
func (x *expansion) applyChanges(record *event.Record) {
	if x.machine == nil {
		return
	}
	x.machine.Changed(func(key string, v any) bool {
		if _, ok := record.Get(key); ok {
			record.Set(key, v)
		}
		return true
	})
}

// timeObject is a field's value for renew_time_key. When an expression made the
// field a Ruby Time, that counts, in whole seconds, and not the text it becomes.
func (x *expansion) timeObject(key string, v any) any {
	for i := len(x.keys) - 1; i >= 0; i-- {
		if x.keys[i] != key {
			continue
		}
		t, ok := x.values[i].(*ruby.Time)
		if !ok {
			break
		}
		if sec, _, err := strftime.ParseFree(t.String(), time.UTC); err == nil {
			return sec
		}
		break
	}
	return v
}

// parts are the tag's parts. As with Ruby's split, empty ones at the end fall away.
func (x *expansion) parts() []string {
	if x.tagParts == nil {
		if tag := strings.TrimRight(x.tag, "."); tag != "" {
			x.tagParts = strings.Split(tag, ".")
		}
	}
	return x.tagParts
}
