package ruby

import (
	"fmt"
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
// of the record and were not changed may be shared with it.
//
// The error says that a value can be no part of a record: a lambda, or a list
// that holds itself.
func (m *Env) ToEvent(v Value) (any, error) { return m.toEvent(v, 0) }

func (m *Env) toEvent(v Value, depth int) (out any, err error) {
	if depth > maxNesting {
		return nil, event.ErrTooDeep
	}
	switch v := v.(type) {
	case nil, bool, int64, float64, *big.Int, event.Time:
		return v, nil
	case *Str:
		if v.enc == binaryEnc && !utf8.ValidString(v.s) {
			return event.Binary(v.s), nil
		}
		return v.s, nil
	case Sym:
		return string(v), nil
	case *Array:
		list := make([]any, len(v.v))
		for i, e := range v.v {
			if list[i], err = m.toEvent(e, depth+1); err != nil {
				return nil, err
			}
		}
		return list, nil
	case *Hash:
		return m.recordOf(v, depth)
	}
	return m.textOf(v)
}

func (m *Env) recordOf(h *Hash, depth int) (any, error) {
	if h.lazy != nil && !m.dirty {
		return h.lazy, nil
	}
	r := event.NewRecord()
	var err error
	h.eachWhile(func(k, v Value) bool {
		var text string
		var val any
		if text, err = m.ToS(k); err == nil {
			val, err = m.toEvent(v, depth+1)
		}
		if err == nil {
			r.Set(text, val)
		}
		return err == nil
	})
	return r, err
}

func (m *Env) textOf(v Value) (any, error) {
	switch v.(type) {
	case *Proc, *enumerator:
		return nil, fmt.Errorf("a %s cannot be written into a record", className(v))
	}
	s, err := m.ToS(v)
	return s, err
}

// ToS is Ruby's to_s of a value.
func (m *Env) ToS(v Value) (s string, err error) {
	if s, ok := v.(*Str); ok {
		return s.s, nil
	}
	defer func() {
		if r := recover(); r != nil {
			_, err = ended(r)
		}
	}()
	return m.toS(v).s, nil
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
		v, err := m.ToEvent(e.val)
		if err == nil && !yield(e.key.(string), v) {
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
		frozen, shared = v.frozen, v.shared
	}
	if frozen {
		m.raise("FrozenError", "can't modify frozen %s: %s", className(v), m.inspect(v))
	}
	m.dirty = m.dirty || shared
}
