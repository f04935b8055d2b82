// Package event is what travels through the relay: a time, and a record whose
// keys keep their order, as Ruby's hashes do.
//
// A record comes in as JSON text (or msgpack) and mostly leaves as the same
// text. So a [Record] is lazy: it can hold canonical JSON bytes and split them
// into fields, or decode a field, only when somebody asks. What it prints is
// what Fluentd would print; see AppendJSON for the rules.
//
// Values are Go's own: nil, bool, int64, *big.Int, float64, string, [Binary],
// []any, *Record and [Time]. Nothing else is ever stored in a Record.
package event

import (
	"encoding/hex"
	"time"
)

// Time is an event's time: seconds since 1970 and nanoseconds below one second,
// as in Fluentd's EventTime.
type Time struct {
	Sec  int64
	Nsec int32
}

// NoTime is the time of an event that does not say when it happened; whoever
// takes the event gives it one. 1970 is a time like any other.
func NoTime() Time { return Time{Nsec: -1} }

// IsNone reports whether t is [NoTime].
func (t Time) IsNone() bool { return t.Nsec < 0 }

// Now is the present time.
func Now() Time { return TimeOf(time.Now()) }

// TimeOf converts a standard time.
func TimeOf(t time.Time) Time { return Time{t.Unix(), int32(t.Nanosecond())} }

// Std is the standard form, in UTC.
func (t Time) Std() time.Time { return time.Unix(t.Sec, int64(t.Nsec)).UTC() }

// Binary is a byte string that is no text: msgpack's bin family, or Ruby's
// ASCII-8BIT. JSON prints it as it prints text.
type Binary []byte

// Event is one time and record. The record belongs to the event: whoever keeps
// it after Emit returned must Clone it, since it may point into a request's
// pooled body.
type Event struct {
	Time   Time
	Record *Record
}

// Stream is the events of one request that share a tag, in order.
type Stream []Event

// ChunkID is the 16 bytes that name a chunk, made as Fluentd makes them:
// microseconds since 1970 shifted left by 12 bits or-ed with random bits, then
// 8 random bytes.
type ChunkID [16]byte

// String is the id as 32 hex digits, as in buffer file names.
func (id ChunkID) String() string { return hex.EncodeToString(id[:]) }

// ID is an event's fingerprint for exactly-once delivery, 16 bytes (see
// docs/guarantees.md).
type ID [16]byte

// Variable is one chunk key that is a record field, with the value that all
// events of the chunk share (nil when the record has no such field).
type Variable struct {
	Key   string
	Value any
}

// Meta is what the events of one chunk have in common: Fluentd's chunk metadata.
type Meta struct {
	Tag        string
	HasTag     bool // the buffer is keyed by tag
	Timekey    int64
	HasTimekey bool // the buffer is keyed by time; Timekey is the slice's start, Unix seconds
	Variables  []Variable
	ChunkID    ChunkID // zero until the chunk exists; not part of what keys it
}
