package forward

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/internal/event"
)

// array32 is a msgpack array of n times the same bytes.
func array32(n int, item string) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0xdd}, uint32(n)), strings.Repeat(item, n)...) //nolint:gosec // a test's own number
}

// A few bytes that would become much memory are read a part at a time, asked for
// before, or not read as values at all.
func TestSmallBytesLargeValues(t *testing.T) {
	const many = 600_000
	single := append([]byte("\x93\xa1t\x01\x81\xa1a"), array32(many, "\x80")...)
	for _, tc := range []struct {
		name            string
		raw             []byte
		events, invalid int
		most            int64 // that is asked for beyond the bytes
	}{
		{"entries", append([]byte("\x92\xa1t"), array32(many, "\x92\x01\x80")...), many, 0, 4 << 20},
		{"invalid entries", append([]byte("\x92\xa1t"), array32(many, "\x01")...), 0, many, 4 << 20},
		{"one record", single, 0, 1, 4 << 20},
		{"option", append([]byte("\x93\xa1t\xc4\x03\x92\x01\x80"), array32(many, "\x80")...), 1, 0, 4 << 20},
		{"tag", append([]byte("\x92"), append(array32(many, "\x80"), 0x90)...), 0, -1, 4 << 20},
		{"json", []byte(`["t",[` + strings.Repeat("[1,{}],", many) + "[1,{}]]]"), 0, -1, 4 << 20},
		{"json, less", []byte(`["t",[` + strings.Repeat("[1,{}],", 99_999) + "[1,{}]]]"), 100_000, 0, 64 << 20},
	} {
		asked := int64(0)
		d := NewDecoder(bytes.NewReader(tc.raw))
		d.Grow = func(n int64) error { asked = max(asked, n); return nil }
		m, err := d.Next()
		if invalid := new(InvalidError); errors.As(err, &invalid) {
			if _, isBytes := invalid.Value.(event.Binary); !isBytes || tc.invalid != -1 {
				t.Errorf("%s: got %v", tc.name, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		events, invalid := 0, 0
		for {
			b, err := m.Batch(1 << 20)
			if err == io.EOF { //nolint:errorlint // it comes bare
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", tc.name, err)
			}
			if n := len(b.Events) + len(b.Invalid); n > 10_000 && !m.JSON {
				t.Fatalf("%s: %d entries at once", tc.name, n)
			}
			events, invalid = events+len(b.Events), invalid+len(b.Invalid)
		}
		if events != tc.events || invalid != tc.invalid || asked > 3*int64(len(tc.raw))+tc.most {
			t.Errorf("%s: %d events, %d invalid, asked for %d", tc.name, events, invalid, asked)
		}
	}
}

// Who gives no memory ends the reading.
func TestNoMemoryForValues(t *testing.T) {
	away := errors.New("away")
	d := NewDecoder(bytes.NewReader(append([]byte("\x92\xa1t"), array32(100_000, "\x92\x01\x80")...)))
	d.Grow = func(n int64) error {
		if n > 1<<20 {
			return away
		}
		return nil
	}
	m, err := d.Next()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Batch(16 << 20); !errors.Is(err, away) {
		t.Errorf("got %v", err)
	}
}

// A tag is named in the log and remembered with its route: it has an end.
func TestTagsAreBounded(t *testing.T) {
	for size, ok := range map[int]bool{maxTag: true, maxTag + 1: false} {
		tag := strings.Repeat("x", size)
		for name, raw := range map[string][]byte{
			"msgpack": msgpack([]any{tag, int64(1), event.NewRecord("n", 1)}),
			"json":    []byte(`["` + tag + `",1,{"n":1}]`),
		} {
			m, err := NewDecoder(bytes.NewReader(raw)).Next()
			invalid := new(InvalidError)
			switch {
			case ok && (err != nil || m.Tag != tag):
				t.Errorf("%s, %d bytes: %v", name, size, err)
			case !ok && (!errors.As(err, &invalid) || invalid.Tag != "" || invalid.Value == nil):
				t.Errorf("%s, %d bytes: got %v", name, size, err)
			}
		}
	}
	d := NewDecoder(bytes.NewReader(msgpack([]any{strings.Repeat("x", 1<<20), int64(1), event.NewRecord("n", 1)})))
	d.Limit = 1 << 10
	if _, err := d.Next(); !errors.Is(err, ErrTooLarge) || len(err.(*TooLargeError).Tag) > maxTag { //nolint:errorlint // it comes bare
		t.Errorf("got %v", err)
	}
}
