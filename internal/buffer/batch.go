package buffer

import (
	"errors"
	"fmt"

	"github.com/sluicelog/sluice/internal/event"
)

// What a caller branches on.
var (
	// ErrFull means that there is no room: total_limit_size or min_free is
	// reached, or the disk is full. Its text is Fluentd's, which alerts look for.
	ErrFull = errors.New("buffer space has too many data")
	// ErrTooLarge means that an event is bigger than chunk_limit_size; nothing of
	// the batch was written. The error that wraps it says which one.
	ErrTooLarge = errors.New("event is larger than a chunk")
	// ErrClosed means that the buffer takes nothing any more.
	ErrClosed = errors.New("buffer is closed")
	// ErrStaleSource means that the request comes from a handler process after
	// which another has started on the same state.
	ErrStaleSource = errors.New("a newer handler process has taken over this source")
	// ErrCorrupt means that a chunk's bytes are not what was written. Take the
	// chunk back: the next Dequeue separates the good part from the bad.
	ErrCorrupt = errors.New("chunk is damaged")
	// ErrLocked means that another process, or another buffer, has the folder.
	ErrLocked = errors.New("buffer folder is in use")
)

// TooLargeError is an [ErrTooLarge] with the event that caused it.
type TooLargeError struct {
	Size  int64 // bytes of the formatted event
	Index int   // in its group, from 0
	Limit int64
}

// Error is Fluentd's text.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("a %d bytes record (nth: %d) is larger than buffer chunk limit size (%d)", e.Size, e.Index, e.Limit)
}

func (e *TooLargeError) Unwrap() error { return ErrTooLarge }

// Batch is what one request writes into one buffer. The memory is the caller's;
// it may be reused when Ticket.Wait has returned, or after Release.
type Batch struct {
	Groups []Group
	// Source is the handler that sent the request; nil for everybody else.
	Source *Source
}

// Group is the formatted events of a batch that belong into one chunk.
type Group struct {
	Meta event.Meta // its ChunkID is not used
	Body []byte     // the events one after the other
	Ends []int      // Ends[i] is the offset in Body where event i ends
	// IDs is empty, or holds one id for each event; see docs/guarantees.md.
	IDs []EventID
}

// EventID is what makes an event the same as another.
type EventID struct {
	// ID is the fingerprint of the field that dedup_key names, or of the whole
	// record. Zero: the event has none; it is stored and counted.
	ID event.ID
	// Content is the fingerprint of the whole record. Two events with the same ID
	// but another Content are both stored, and counted.
	Content event.ID
}

// Source says which handler process sent a request, and how far it has got.
type Source struct {
	ID         string // of the handler's state folder
	Generation uint64 // rises with each cursor that was persisted, and with each start
	Forget     uint64 // what was sent before this generation is never sent again
	Start      uint64 // the generation at which the sending process started
}

// Bytes is the size of all bodies.
func (b *Batch) Bytes() int64 {
	var n int64
	for i := range b.Groups {
		n += int64(len(b.Groups[i].Body))
	}
	return n
}
