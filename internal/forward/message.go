package forward

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/sluicelog/sluice/internal/event"
)

// decodeMessage makes a message of one whole msgpack value.
func decodeMessage(raw []byte, unpacked int64) (*Message, error) {
	v, _, err := event.ReadMsgpack(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	m, err := messageOf(v, unpacked)
	if m != nil {
		m.Size = int64(len(raw))
	}
	return m, err
}

// messageOf sorts a value into the protocol's modes. A bare nil or an empty array
// is a heartbeat of some clients.
func messageOf(v any, unpacked int64) (*Message, error) {
	parts, ok := v.([]any)
	if !ok {
		return nil, &InvalidError{Reason: "message is no array", Value: v}
	}
	if len(parts) < 2 {
		tag, _ := textOf(first(parts))
		return nil, &InvalidError{Tag: tag, Reason: "message has no entries", Value: v}
	}
	tag, ok := textOf(parts[0])
	if !ok {
		return nil, &InvalidError{Reason: "tag is no string", Value: v}
	}
	m := &Message{Tag: tag}
	switch entries := parts[1].(type) {
	case []any:
		m.setOption(parts, 2)
		for _, e := range entries {
			m.add(e)
		}
		return m, nil
	case string, event.Binary:
		option := m.setOption(parts, 2)
		packed, _ := bytesOf(entries)
		return m, m.addPacked(packed, option, unpacked)
	default:
		// One event. When it is none, no retry can mend that: an answer that the
		// sender has asked for is given all the same, as in Fluentd.
		m.setOption(parts, 3)
		m.Single = true
		m.add(parts[1:min(3, len(parts))])
		return m, nil
	}
}

func first(parts []any) any {
	if len(parts) == 0 {
		return nil
	}
	return parts[0]
}

func (m *Message) setOption(parts []any, i int) *event.Record {
	if len(parts) <= i {
		return nil
	}
	option, _ := parts[i].(*event.Record)
	if option == nil {
		return nil
	}
	if chunk, ok := option.Get("chunk"); ok {
		m.Chunk, m.HasChunk = textOf(chunk)
	}
	return option
}

// add takes one [time, record]; what is none is kept apart.
func (m *Message) add(v any) {
	if e, ok := entryOf(v); ok {
		m.Events = append(m.Events, e)
	} else {
		m.Invalid = append(m.Invalid, v)
	}
}

func entryOf(v any) (event.Event, bool) {
	pair, ok := v.([]any)
	if !ok || len(pair) < 2 {
		return event.Event{}, false
	}
	t, okTime := timeOf(pair[0])
	record, okRecord := pair[1].(*event.Record)
	return event.Event{Time: t, Record: record}, okTime && okRecord
}

// addPacked takes entries that stand one after the other. Bytes that are no entry,
// or end within one, are kept apart with all that follows them. What can not be
// unpacked spoils the whole message: the sender keeps it.
func (m *Message) addPacked(packed []byte, option *event.Record, unpacked int64) error {
	if option != nil {
		how, _ := option.Get("compressed")
		var err error
		if packed, err = unpack(packed, event.Text(how), unpacked); err != nil {
			return &InvalidError{Tag: m.Tag, Reason: err.Error()}
		}
	}
	for len(packed) > 0 {
		v, rest, err := event.ReadMsgpack(packed)
		if err != nil {
			m.Invalid = append(m.Invalid, event.Binary(bytes.Clone(packed)))
			return nil
		}
		m.add(v)
		packed = rest
	}
	return nil
}

func unpack(packed []byte, how string, limit int64) ([]byte, error) {
	var r io.Reader
	switch how {
	case "gzip":
		zr, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			return nil, errors.New("gzip entries are broken")
		}
		r = zr
	case "zstd":
		zr, err := zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, errors.New("zstd entries are broken")
		}
		defer zr.Close()
		r = zr
	default:
		return packed, nil // "text", or nothing
	}
	if limit <= 0 {
		limit = 1 << 40
	}
	out, err := io.ReadAll(io.LimitReader(r, limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s entries are broken", how)
	case int64(len(out)) > limit:
		return nil, fmt.Errorf("entries unpack to more than %d bytes", limit)
	}
	return out, nil
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

// tagAtStart is the tag of a message of which only the first bytes are there.
func tagAtStart(raw []byte) string {
	f := newFrame()
	if len(raw) == 0 {
		return ""
	}
	if c := raw[0]; c>>4 != 0x9 && c != 0xdc && c != 0xdd {
		return ""
	}
	if ok, err := f.head(raw); err != nil || !ok {
		return ""
	}
	v, _, err := event.ReadMsgpack(raw[f.pos:])
	if err != nil {
		return ""
	}
	tag, _ := textOf(v)
	return tag
}

func textOf(v any) (string, bool) {
	b, ok := bytesOf(v)
	return string(b), ok
}

func bytesOf(v any) ([]byte, bool) {
	switch v := v.(type) {
	case string:
		return []byte(v), true
	case event.Binary:
		return v, true
	}
	return nil, false
}
