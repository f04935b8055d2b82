package forward

import (
	"bytes"

	"github.com/sluicelog/sluice/internal/event"
)

// Message is one message. Its entries are read by [Message.Batch].
type Message struct {
	Tag string
	// Chunk is the id that the sender wants acknowledged; HasChunk says that it
	// asked.
	Chunk    string
	HasChunk bool
	Option   *event.Record // what goes with the message, chunk included; nil: nothing
	JSON     bool          // the message came as JSON, and so goes the answer
	Size     int64         // bytes on the wire
	Single   bool          // Message mode: the one event stands in the message itself

	compressed string
	ack        any // Chunk as it came
	entries    entries
}

// decodeMessage makes a message of one whole msgpack value. Only what stands around
// the entries is read.
func decodeMessage(raw []byte, unpacked int64) (*Message, error) {
	body, n, isArray := arrayOf(raw)
	if !isArray {
		return nil, &InvalidError{Reason: "message is no array", Value: valueOf(raw), Broken: true}
	}
	parts := partsOf(body, n)
	var tag any
	if len(parts) > 0 {
		tag = valueOf(parts[0])
	}
	m, err := messageOf(lazily(raw), tag, len(parts))
	if err != nil {
		return nil, err
	}
	m.Size = int64(len(raw))
	if list, n, ok := arrayOf(parts[1]); ok {
		m.setOption(partAt(parts, 2))
		m.entries.rest, m.entries.left = list, n
		return m, nil
	}
	if packed, ok := payloadOf(parts[1]); ok {
		m.setOption(partAt(parts, 2))
		return m, m.setPacked(packed, unpacked)
	}
	m.setOption(partAt(parts, 3))
	m.Single = true
	m.entries.values = []any{[]any{valueOf(parts[1]), partAt(parts, 2)}}
	return m, nil
}

// lazily is bytes that become a value when somebody wants to see it.
type lazily []byte

// messageOf begins a message by its tag. whole is what it is, for the error.
func messageOf(whole, tag any, parts int) (*Message, error) {
	text, isText := textOf(tag)
	reason := ""
	switch {
	case parts < 2:
		reason = "message has no entries"
	case !isText:
		reason = "tag is no string"
	default:
		return &Message{Tag: text}, nil
	}
	if raw, ok := whole.(lazily); ok {
		whole = valueOf(raw)
	}
	return nil, &InvalidError{Tag: text, Reason: reason, Value: whole}
}

func (m *Message) setOption(v any) {
	option, _ := v.(*event.Record)
	if option == nil {
		return
	}
	m.Option = option
	// Whatever is not nil or false is an id, and goes back as it came.
	if chunk, ok := option.Get("chunk"); ok && chunk != nil && chunk != false {
		m.ack, m.HasChunk, m.Chunk = chunk, true, event.Text(chunk)
	}
	how, _ := option.Get("compressed")
	m.compressed = event.Text(how)
}

// arrayOf is the elements of an array, one after the other, and their number.
func arrayOf(raw []byte) (body []byte, n int64, ok bool) {
	if len(raw) == 0 || raw[0]>>4 != 0x9 && raw[0] != 0xdc && raw[0] != 0xdd {
		return nil, 0, false
	}
	f := newFrame()
	if ok, err := f.head(raw); err != nil || !ok {
		return nil, 0, false
	}
	return raw[f.pos:], f.values, true
}

// payloadOf is the bytes of a str or bin.
func payloadOf(raw []byte) ([]byte, bool) {
	if c := raw[0]; c>>5 != 0x5 && (c < 0xc4 || c > 0xc6) && (c < 0xd9 || c > 0xdb) {
		return nil, false
	}
	f := newFrame()
	if ok, err := f.head(raw); err != nil || !ok {
		return nil, false
	}
	return raw[f.pos:], true
}

// partsOf cuts the first elements of an array apart; a message has at most four
// that mean something.
func partsOf(body []byte, n int64) [][]byte {
	parts := make([][]byte, 0, 4)
	for range min(n, 4) {
		rest, err := event.SkipMsgpack(body)
		if err != nil {
			break
		}
		parts = append(parts, body[:len(body)-len(rest)])
		body = rest
	}
	return parts
}

func partAt(parts [][]byte, i int) any {
	if i < len(parts) {
		return valueOf(parts[i])
	}
	return nil
}

// largestValue is up to how many bytes a value is read. As a record it takes many
// times the memory that it takes as bytes: a byte can be a value of its own.
const largestValue = 32 << 20

// valueOf reads a value; what no record can hold, or should, stays the bytes that
// it is.
func valueOf(raw []byte) any {
	if len(raw) > largestValue {
		return event.Binary(bytes.Clone(raw))
	}
	v, _, err := event.ReadMsgpack(raw)
	if err != nil {
		return event.Binary(bytes.Clone(raw))
	}
	return v
}

// tagAtStart is the tag of a message of which only the first bytes are there.
func tagAtStart(raw []byte) string {
	if len(raw) > 0 && raw[0] == '[' {
		return ""
	}
	body, _, ok := arrayOf(raw)
	if !ok {
		return ""
	}
	v, _, err := event.ReadMsgpack(body)
	if err != nil {
		return ""
	}
	tag, _ := textOf(v)
	return tag
}

func textOf(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case event.Binary:
		return string(v), true
	}
	return "", false
}
