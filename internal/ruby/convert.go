package ruby

import (
	"math/big"
	"unicode/utf8"

	"github.com/sluicelog/sluice/internal/event"
)

// eventTime is an EventTime that lies within a record.
type eventTime = event.Time

// fromEvent is an event's value as a Ruby value. Objects stay lazy.
func (m *Env) fromEvent(v any) Value {
	switch v := v.(type) {
	case string:
		s := m.str(v)
		s.shared = true
		return s
	case event.Binary:
		s := m.strEnc(string(v), binaryEnc)
		s.shared = true
		return s
	case *event.Record:
		m.charge(64)
		return &Hash{lazy: v, env: m, shared: true}
	case []any:
		list := make([]Value, len(v))
		for i, e := range v {
			list[i] = m.fromEvent(e)
		}
		arr := m.array(list)
		arr.shared = true
		return arr
	case nil, bool, int64, float64, *big.Int, event.Time:
		return v
	}
	return m.str(event.Text(v)) // a Record holds nothing else
}

// ToEvent is a value as a record holds it. What JSON has no form for (times,
// symbols, ranges) becomes text, and so do keys that are no text. A string in
// ASCII-8BIT is event.Binary unless it is text all the same. Values that came out
// of the record and were not changed may be shared with it. Of a list that holds
// itself, what lies too deep is nil.
func (m *Env) ToEvent(v Value) any {
	m.nodes = 0
	m.begin()
	m.steps, m.bytes = -1<<60, -1<<60 // maxNodes is the bound here
	return m.toEvent(v, 0)
}

// maxNodes bounds what one value may become: lists that share others can stand for
// far more than they take.
const maxNodes = 4 << 20

func (m *Env) toEvent(v Value, depth int) any {
	if m.nodes++; depth > event.MaxDepth || m.nodes > maxNodes {
		return nil
	}
	switch v := v.(type) {
	case nil, bool, int64, float64, *big.Int, event.Time:
		return v
	case *Str:
		if v.enc == binaryEnc && !utf8.ValidString(v.s) {
			return event.Binary(v.s)
		}
		return v.s
	case Sym:
		return string(v)
	case *Array:
		list := make([]any, len(v.v))
		for i, e := range v.v {
			list[i] = m.toEvent(e, depth+1)
		}
		return list
	case *Hash:
		return m.recordOf(v, depth)
	}
	return m.ToS(v)
}

func (m *Env) recordOf(h *Hash, depth int) any {
	if h.lazy != nil && !m.dirty {
		return h.lazy
	}
	r := event.NewRecord()
	h.each(func(k, v Value) { r.Set(m.ToS(k), m.toEvent(v, depth+1)) })
	return r
}

// ToS is Ruby's to_s of a value. Of what Ruby prints with an address (a lambda) it
// is only the class.
func (m *Env) ToS(v Value) (s string) {
	if s, ok := v.(*Str); ok {
		return s.s
	}
	defer func() {
		if recover() != nil {
			s = "#<" + className(v) + ">"
		}
	}()
	m.begin() // the limits are those of one evaluation
	return m.toS(v).s
}

// Changed goes through those fields of the record whose values expressions
// changed in place (record["a"]["b"] = 1, record["k"] << "x"), with their new
// values. Fluentd's record_transformer shares them with the new record, so they
// show there; assigning to a field of the record itself does not.
func (m *Env) Changed(yield func(key string, v any) bool) {
	if !m.dirty {
		return
	}
	for _, e := range m.owned {
		if !yield(e.key.(string), m.ToEvent(e.val)) {
			return
		}
	}
}

// changeable raises when a string, array or hash is frozen, and notes that it
// changes. Every method that changes its receiver calls it first.
func (m *Env) changeable(v Value) {
	frozen, shared := false, false
	switch v := v.(type) {
	case *Str:
		frozen, shared = v.frozen, v.shared
	case *Array:
		frozen, shared = v.frozen, v.shared
	case *Hash:
		// The record's own fields are this event's expressions' alone.
		frozen, shared = v.frozen, v.shared && v != &m.record
	}
	if frozen {
		m.raise("FrozenError", "can't modify frozen %s: %s", className(v), m.inspect(v))
	}
	m.dirty = m.dirty || shared
}
