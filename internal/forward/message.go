package forward

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/big"

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
		return nil, &InvalidError{Reason: "message is no array"}
	}
	if len(parts) < 2 {
		return nil, &InvalidError{Reason: "message has no entries"}
	}
	tag, ok := textOf(parts[0])
	if !ok {
		return nil, &InvalidError{Reason: "tag is no string"}
	}
	m := &Message{Tag: tag}
	switch entries := parts[1].(type) {
	case []any:
		m.setOption(parts, 2)
		m.addEntries(entries)
		return m, nil
	case string, event.Binary:
		option := m.setOption(parts, 2)
		packed, _ := bytesOf(entries)
		return m, m.addPacked(packed, option, unpacked)
	default:
		return m, m.single(parts)
	}
}

// single is Message mode: one event.
func (m *Message) single(parts []any) error {
	if len(parts) < 3 {
		return &InvalidError{Tag: m.Tag, Reason: "event has no record"}
	}
	t, okTime := timeOf(parts[1])
	record, okRecord := parts[2].(*event.Record)
	if !okTime || !okRecord {
		return &InvalidError{Tag: m.Tag, Reason: "time or record is invalid"}
	}
	m.setOption(parts, 3)
	m.Events = event.Stream{{Time: t, Record: record}}
	return nil
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

func (m *Message) addEntries(entries []any) {
	for _, e := range entries {
		m.addEntry(e)
	}
}

// addEntry takes one [time, record]; what is none is counted and left out.
func (m *Message) addEntry(v any) {
	pair, ok := v.([]any)
	if !ok || len(pair) < 2 {
		m.Skipped++
		return
	}
	t, okTime := timeOf(pair[0])
	record, okRecord := pair[1].(*event.Record)
	if !okTime || !okRecord {
		m.Skipped++
		return
	}
	m.Events = append(m.Events, event.Event{Time: t, Record: record})
}

// addPacked takes entries that stand one after the other. Bytes that end in the
// middle of an entry spoil the whole message: the sender keeps it and, with acks,
// sends it again.
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
			return &InvalidError{Tag: m.Tag, Reason: "packed entries are broken"}
		}
		m.addEntry(v)
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

// timeOf takes an EventTime or a whole number of seconds; 0 means now. Anything
// else, a float too, is no time, as in Fluentd.
func timeOf(v any) (event.Time, bool) {
	switch v := v.(type) {
	case event.Time:
		if v == (event.Time{}) {
			return event.Now(), true
		}
		return v, true
	case int64:
		if v == 0 {
			return event.Now(), true
		}
		return event.Time{Sec: v}, true
	case *big.Int:
		return event.Time{}, false
	default:
		return event.Time{}, false
	}
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
