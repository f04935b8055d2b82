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
	purse      purse
}

// decodeMessage makes a message of one whole msgpack value. Only what stands around
// the entries is read.
func decodeMessage(raw []byte, unpacked int64, grow func(int64) error) (*Message, error) {
	m := &Message{Size: int64(len(raw)), purse: purse{grow: grow, base: int64(len(raw))}}
	body, n, isArray := arrayOf(raw)
	if !isArray {
		return nil, m.invalid(raw, "message is no array", true)
	}
	parts := partsOf(body, n)
	if len(parts) < 2 {
		m.Tag = tagAtStart(raw)
		return nil, m.invalid(raw, "message has no entries", false)
	}
	tag, isText := payloadOf(parts[0])
	if !isText {
		return nil, m.invalid(raw, "tag is no string", false)
	}
	if len(tag) > maxTag {
		return nil, m.invalid(raw, "tag is too long", false)
	}
	m.Tag = string(tag)
	if list, n, ok := arrayOf(parts[1]); ok {
		m.setOption(optionAt(parts, 2))
		m.entries.rest, m.entries.left = list, n
		return m, nil
	}
	if packed, ok := payloadOf(parts[1]); ok {
		m.setOption(optionAt(parts, 2))
		return m, m.setPacked(packed, unpacked)
	}
	m.setOption(optionAt(parts, 3))
	m.Single = true
	return m, m.setSingle(parts)
}

// maxTag is the longest tag. It stands in logs and in the names of files and
// objects, and routes are remembered by it.
const maxTag = 8 << 10

// setSingle takes the one event of Message mode.
func (m *Message) setSingle(parts [][]byte) error {
	t, err := m.purse.value(parts[1])
	if err != nil {
		return err
	}
	var record any
	if len(parts) > 2 {
		if record, err = m.purse.value(parts[2]); err != nil {
			return err
		}
	}
	m.entries.values = []any{[]any{t, record}}
	return nil
}

// invalid is the error about a value that is no message.
func (m *Message) invalid(raw []byte, reason string, broken bool) error {
	v, err := m.purse.value(raw)
	if err != nil {
		return err
	}
	return &InvalidError{Tag: m.Tag, Reason: reason, Value: v, Broken: broken}
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

// optionAt is what goes with a message; nil where that is nothing.
func optionAt(parts [][]byte, i int) any {
	if i >= len(parts) || len(parts[i]) > largestOption {
		return nil
	}
	return valueOf(parts[i])
}

// largestValue is up to how many bytes a value is read. As a record it takes many
// times the memory that it takes as bytes: a byte can be a value of its own.
const largestValue = 32 << 20

// valueOf reads a value; what no record can hold, or should, stays the bytes that
// it is.
func valueOf(raw []byte) any {
	if len(raw) > largestValue || costOf(raw) > largestCost {
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
	if len(tag) > maxTag {
		return ""
	}
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
