package forward

import (
	"bytes"
	"errors"
	"io"

	"github.com/sluicelog/sluice/internal/event"
)

// Batch is some of a message's entries, in order.
type Batch struct {
	Events  event.Stream
	Invalid []any // entries that are no events
}

// entries is what is left of a message's entries, in one of four forms.
type entries struct {
	values []any    // read already
	rest   []byte   // values one after the other
	left   int64    // how many of them; -1: as many as there are
	stream *Decoder // unpacked as they are read
}

// Batch reads the next entries, that together take size bytes of memory or little
// more. What is no entry is kept apart; bytes that are no msgpack are so with all that
// follows them. The error is io.EOF when there is nothing more, or why a compressed
// message can not be read on.
func (m *Message) Batch(size int64) (Batch, error) {
	var b Batch
	m.purse.spent = 0
	for m.purse.spent < size {
		raw, err := m.entries.next(&b)
		if err == io.EOF && (len(b.Events) > 0 || len(b.Invalid) > 0) { //nolint:errorlint // it comes bare
			return b, nil
		}
		if err != nil {
			return b, err
		}
		if err := b.addRaw(raw, &m.purse); err != nil {
			return b, err
		}
	}
	return b, nil
}

// next is the bytes of one entry. Entries that are values already go into b all at
// once.
func (e *entries) next(b *Batch) ([]byte, error) {
	if e.values != nil {
		for _, v := range e.values {
			b.add(v)
		}
		e.values = nil
	}
	if e.stream != nil {
		return e.nextOfStream(b)
	}
	if len(e.rest) == 0 || e.left == 0 {
		return nil, io.EOF
	}
	rest, err := event.SkipMsgpack(e.rest)
	if err != nil {
		b.broken(e.rest)
		e.rest = nil
		return nil, io.EOF
	}
	raw := e.rest[:len(e.rest)-len(rest)]
	e.rest = rest
	e.left--
	return raw, nil
}

func (e *entries) nextOfStream(b *Batch) ([]byte, error) {
	raw, err := e.stream.value(newFrame())
	if errors.Is(err, ErrMalformed) || errors.Is(err, io.ErrUnexpectedEOF) {
		// That it unpacks to its end is known by now, so this is the end of what
		// was packed.
		b.broken(e.stream.buf)
		e.stream = NewDecoder(bytes.NewReader(nil))
		return nil, io.EOF
	}
	return raw, err
}

func (b *Batch) broken(rest []byte) {
	b.Invalid = append(b.Invalid, event.Binary(bytes.Clone(rest)))
}

func (b *Batch) addRaw(raw []byte, p *purse) error {
	v, err := p.value(raw)
	if err != nil {
		return err
	}
	if v == nil {
		v = event.Binary(bytes.Clone(raw))
	}
	b.add(v)
	return nil
}

func (b *Batch) add(v any) {
	if e, ok := eventOf(v); ok {
		b.Events = append(b.Events, e)
	} else {
		b.Invalid = append(b.Invalid, v)
	}
}

func eventOf(v any) (event.Event, bool) {
	pair, ok := v.([]any)
	if !ok || len(pair) < 2 {
		return event.Event{}, false
	}
	t, okTime := timeOf(pair[0])
	record, okRecord := pair[1].(*event.Record)
	return event.Event{Time: t, Record: record}, okTime && okRecord
}

// timeOf takes an EventTime or a whole number of seconds; second 0 means now.
// Anything else, a float too, is no time, as in Fluentd.
func timeOf(v any) (event.Time, bool) {
	t := event.Time{}
	switch v := v.(type) {
	case event.Time:
		t = v
	case int64:
		t.Sec = v
	default:
		return t, false
	}
	if t.Sec == 0 {
		t = event.Now()
	}
	return t, true
}
