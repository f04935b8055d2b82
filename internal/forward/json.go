package forward

import (
	"bytes"
	"fmt"

	"github.com/sluicelog/sluice/internal/event"
)

// jsonFrame finds the end of one JSON value in a stream of values that stand one
// after the other, with or without white space between. It does not check what it
// passes over.
type jsonFrame struct {
	depth             int
	inString, escaped bool
	began, ended      bool
	pos               int
}

// more implements finder.
func (f *jsonFrame) more(b []byte) (done bool, err error) {
	for ; f.pos < len(b) && !f.ended; f.pos++ {
		if err := f.step(b[f.pos]); err != nil {
			return false, err
		}
	}
	return f.ended, nil
}

func (f *jsonFrame) step(c byte) error {
	switch {
	case f.escaped:
		f.escaped = false
		return nil
	case f.inString:
		f.escaped, f.inString = c == '\\', c != '"'
	case c == '"':
		f.inString, f.began = true, true
	case c == '[' || c == '{':
		f.depth++
		f.began = true
	case c == ']' || c == '}':
		f.depth--
	case f.depth == 0 && c != ' ' && c != '\n' && c != '\r' && c != '\t':
		return fmt.Errorf("%w: byte %q between JSON messages", ErrMalformed, c)
	}
	if f.depth < 0 {
		return fmt.Errorf("%w: byte %q between JSON messages", ErrMalformed, c)
	}
	f.ended = f.began && f.depth == 0 && !f.inString
	return nil
}

// need implements finder.
func (f *jsonFrame) need() int64 { return int64(f.pos) }

// at implements finder.
func (f *jsonFrame) at() int { return f.pos }

// drop implements finder.
func (f *jsonFrame) drop(b []byte) []byte {
	b, f.pos = b[f.pos:], 0
	return b
}

// end implements finder: nobody asks it of JSON.
func (f *jsonFrame) end([]byte) []byte { return nil }

func decodeJSON(raw []byte, unpacked int64, grow func(int64) error) (*Message, error) {
	money := purse{grow: grow, base: int64(len(raw))}
	cost := jsonCost(raw)
	if cost > largestCost {
		return nil, &InvalidError{Reason: "message takes too much memory", Value: event.Binary(bytes.Clone(raw))}
	}
	if err := money.spend(cost); err != nil {
		return nil, err
	}
	v, err := event.ParseJSON(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	parts, isArray := v.([]any)
	if !isArray {
		return nil, &InvalidError{Reason: "message is no array", Value: v, Broken: true}
	}
	tag, isText := textOf(at(parts, 0))
	switch {
	case len(parts) < 2:
		return nil, &InvalidError{Tag: tag[:min(len(tag), maxTag)], Reason: "message has no entries", Value: v}
	case !isText:
		return nil, &InvalidError{Reason: "tag is no string", Value: v}
	case len(tag) > maxTag:
		return nil, &InvalidError{Reason: "tag is too long", Value: v}
	}
	m := &Message{Tag: tag, JSON: true, Size: int64(len(raw)), purse: money}
	switch second := parts[1].(type) {
	case []any:
		m.setOption(at(parts, 2))
		m.entries.values = second
		return m, nil
	case string:
		m.setOption(at(parts, 2))
		return m, m.setPacked([]byte(second), unpacked)
	default:
		m.setOption(at(parts, 3))
		m.Single = true
		m.entries.values = []any{parts[1:min(3, len(parts))]}
		return m, nil
	}
}

func at(parts []any, i int) any {
	if i < len(parts) {
		return parts[i]
	}
	return nil
}
