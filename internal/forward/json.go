package forward

import (
	"fmt"

	"github.com/sluicelog/sluice/internal/event"
)

// nextJSON reads one message of a stream that is JSON text: values one after the
// other, with or without white space between.
func (d *Decoder) nextJSON() (*Message, error) {
	depth, inString, escaped := 0, false, false
	for i := 0; ; i++ {
		for i >= len(d.buf) {
			if err := d.readInto(depth > 0); err != nil {
				return nil, err
			}
		}
		switch c := d.buf[i]; {
		case escaped:
			escaped = false
		case inString:
			escaped = c == '\\'
			inString = c != '"'
		case c == '"':
			inString = true
		case c == '[' || c == '{':
			depth++
		case c == ']' || c == '}':
			depth--
		case depth == 0 && (c == ' ' || c == '\n' || c == '\r' || c == '\t'):
			d.buf = d.buf[1:]
			i--
			continue
		case depth == 0:
			return nil, fmt.Errorf("%w: byte %q between JSON messages", ErrMalformed, c)
		}
		if depth <= 0 && !inString {
			raw := d.buf[:i+1]
			d.buf = d.buf[i+1:]
			return d.jsonMessage(raw)
		}
		if d.Limit > 0 && int64(i+1) >= d.Limit {
			return nil, fmt.Errorf("%w: JSON message is larger than chunk_size_limit", ErrMalformed)
		}
	}
}

func (d *Decoder) jsonMessage(raw []byte) (*Message, error) {
	v, err := event.ParseJSON(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	m, err := messageOf(v, d.Unpacked)
	if m != nil {
		m.JSON, m.Size = true, int64(len(raw))
	}
	return m, err
}
