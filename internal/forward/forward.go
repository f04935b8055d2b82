// Package forward is Fluentd's forward protocol, version 1: the codec of its
// messages and the arithmetic of its handshake, without sockets.
//
// A message is a msgpack array in one of four modes:
//
//	Message              [tag, time, record, option?]
//	Forward              [tag, [[time, record], ...], option?]
//	PackedForward        [tag, bin of [time, record]..., option?]
//	CompressedPacked     the same, option "compressed": "gzip" (or "zstd")
//
// or the same as JSON text. An option "chunk" asks for the answer {"ack": chunk}.
// The facts follow the protocol's specification (Forward Protocol Specification
// v1) and what Fluentd 1.19 was seen to do with broken messages.
//
// A [Decoder] cuts the stream into messages (frame.go finds their ends without
// reading them). A [Message] gives its entries in batches, so that a large one is
// never in memory as records all at once.
package forward

import (
	"errors"

	"github.com/sluicelog/sluice/internal/event"
)

// ErrMalformed is bytes that are no message: the connection can not be read on.
var ErrMalformed = errors.New("malformed message")

// ErrTooLarge is a message over the decoder's limit. It was skipped whole; the
// next message can be read.
var ErrTooLarge = errors.New("message is larger than chunk_size_limit")

// TooLargeError is an ErrTooLarge with what is known of the message.
type TooLargeError struct {
	Tag    string
	Size   int64         // bytes on the wire
	Option *event.Record // what goes with the message; nil: nothing, or nothing that could be kept
}

func (e *TooLargeError) Error() string { return ErrTooLarge.Error() }
func (e *TooLargeError) Unwrap() error { return ErrTooLarge }

// InvalidError is a well-formed value that is no message; the next one can be
// read. Reason never holds the payload.
type InvalidError struct {
	Tag    string
	Reason string
	Value  any  // what it is
	Broken bool // it is not even an array
}

func (e *InvalidError) Error() string { return e.Reason }

// PackedError is a message whose entries can not be unpacked. Nothing of it was
// taken, and it must not be acknowledged: the sender has the only copy.
type PackedError struct{ Tag, Reason string }

func (e *PackedError) Error() string { return e.Reason }

// AppendAck appends the answer to a message with a chunk id.
func AppendAck(dst []byte, m *Message) []byte {
	id := m.ack
	if id == nil {
		id = m.Chunk
	}
	answer := event.NewRecord("ack", id)
	if m.JSON {
		return answer.AppendJSON(dst)
	}
	return event.AppendMsgpack(dst, answer)
}
