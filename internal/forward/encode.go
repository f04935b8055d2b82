package forward

import (
	"github.com/sluicelog/sluice/internal/event"
)

// AppendEntry appends [time, record] as PackedForward wants it: what a forward
// output's chunk is made of. asInteger writes whole seconds for old receivers.
func AppendEntry(dst []byte, e event.Event, asInteger bool) []byte {
	dst = append(dst, 0x92)
	if asInteger {
		dst = event.AppendMsgpack(dst, e.Time.Sec)
	} else {
		dst = event.AppendMsgpackTime(dst, e.Time)
	}
	return event.AppendMsgpack(dst, e.Record)
}

// Option is what goes with a PackedForward message.
type Option struct {
	Size       int    // number of entries
	Chunk      string // asks for an acknowledgement; "" does not
	Compressed string // "text", "gzip", "zstd"
}

// AppendPackedHead appends the beginning of a PackedForward message up to its
// entries, of which so many bytes must follow, and after them the option.
func AppendPackedHead(dst []byte, tag string, entryBytes int64) []byte {
	dst = append(dst, 0x93)
	dst = event.AppendMsgpack(dst, tag)
	return append(dst, 0xc6, byte(entryBytes>>24), byte(entryBytes>>16), byte(entryBytes>>8), byte(entryBytes))
}

// AppendOption appends the option map that ends a message.
func AppendOption(dst []byte, o Option) []byte {
	r := event.NewRecord("size", int64(o.Size))
	if o.Compressed != "" {
		r.Set("compressed", o.Compressed)
	}
	if o.Chunk != "" {
		r.Set("chunk", o.Chunk)
	}
	return event.AppendMsgpack(dst, r)
}

// AckOf is the chunk id in an answer {"ack": chunk}.
func AckOf(answer any) (chunk string, err error) {
	r, ok := answer.(*event.Record)
	if !ok {
		return "", &InvalidError{Reason: "answer is no map"}
	}
	ack, _ := r.Get("ack")
	chunk, ok = textOf(ack)
	if !ok {
		return "", &InvalidError{Reason: "answer has no ack"}
	}
	return chunk, nil
}
