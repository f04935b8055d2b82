package buffer

import (
	"container/list"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluicelog/sluice/internal/event"
)

// Chunk is a row of events that leave together. An output gets it from Dequeue
// and gives it back with Purge, TakeBack or Backup.
//
// Locks: io before mu before Buffer.mu. io is held over an fsync; mu never is,
// so appends go on while the disk works.
type Chunk struct {
	b           *Buffer
	id          event.ChunkID
	meta        event.Meta
	key         stageKey
	salt        uint32
	fingerprint [8]byte
	created     time.Time     // by the clock on the wall; survives the process
	born        time.Duration // by the monotonic clock; when it was made, or resumed
	resumed     bool

	attempts    atomic.Int32
	lastAppend  atomic.Int64 // by the monotonic clock
	conditional atomic.Bool

	// synced is how far the file is durable, named whether its name is. Both only
	// rise, and are read without a lock by those who wait for a commit.
	synced atomic.Int64
	named  atomic.Bool
	// cut is where an fsync failed: what was appended behind it is lost for good,
	// even if the file, or the one that takes its place, grows past it again.
	cut atomic.Int64

	// doubt says that events of appends that failed may stand in the file all the
	// same; claimed is their ids, guarded by index.mu. See repair.
	doubt   atomic.Bool
	claimed []*claimPart

	io sync.Mutex // one fsync, seal or note at a time

	mu         sync.Mutex
	file       File // nil while it is closed
	path       string
	takes      bool  // data may be appended
	end        int64 // behind the last frame
	size       int64 // of the file, with the zeros ahead
	dataEnd    int64 // behind the last data frame
	bytes      int64 // of events, as stored
	events     int64
	packings   byte // how its frames are packed
	ids        bool // some frame carries ids
	idsKept    bool // the ids are in a seen file as well
	sealed     bool
	unverified bool   // nobody has read the file's frames yet
	failed     error  // an fsync failed: the file must never be synced again
	replaced   bool   // the file is a new one, whose name may not be durable
	leftOver   string // the file that it replaced, when that could not be removed
	lost       error  // why events are lost, if some are; unlike failed it stays
	foreign    *foreign
	note       map[string]string

	where place         // guarded by Buffer.mu
	elem  *list.Element // in the schedule or the queue; guarded by Buffer.mu
	group *group        // that will sync it; guarded by committer.mu
}

// place is where in its life a chunk is.
type place uint8

const (
	inStage   place = iota // takes events, or waits until it is due
	inSealing              // closed to data, on its way to the queue
	inQueue
	withOutput
	gone
)

// ID is the chunk's id.
func (c *Chunk) ID() event.ChunkID { return c.id }

// Meta is what its events share, with the chunk's id.
func (c *Chunk) Meta() event.Meta { return c.meta }

// Created is when its first event came, by the wall clock of that time.
func (c *Chunk) Created() time.Time { return c.created }

// Age is how long ago its first event came; never below zero.
func (c *Chunk) Age() time.Duration {
	if c.resumed {
		return max(c.b.now().Sub(c.created), 0)
	}
	return c.b.elapsed() - c.born
}

// Size is the bytes of its events, as stored: packed ones when the buffer packs.
func (c *Chunk) Size() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes
}

// Events is how many events it holds; 0 for a chunk of Fluentd's that does not say.
func (c *Chunk) Events() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return int(c.events)
}

// Fingerprint is that of the configuration that wrote the chunk.
func (c *Chunk) Fingerprint() [8]byte { return c.fingerprint }

// Attempts is how often the chunk was handed out in this process, the present
// time included.
func (c *Chunk) Attempts() int { return int(c.attempts.Load()) }

// Path is the chunk's file; "" in a memory buffer.
func (c *Chunk) Path() string {
	if !c.b.durable() {
		return ""
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.path
}

// Conditional says that the chunk goes to a store which refuses the same object
// twice, so that a purge which a power cut undoes does no harm: Purge then saves
// the fsync of a done note.
func (c *Chunk) Conditional(yes bool) { c.conditional.Store(yes) }

// Open streams the events, one after the other as they were formatted, unpacked.
// A read error that is [ErrCorrupt] means that what was read must not be
// delivered. It may be called any number of times; each reader is closed by the
// caller, before the chunk is given back.
func (c *Chunk) Open() (io.ReadCloser, error) { return c.open(false) }

// OpenStored streams the events as they are stored, when they all are packed the
// same way: a row of gzip members ("gzip") or of zstd frames ("zstd"). Else it
// streams them unpacked ("text").
func (c *Chunk) OpenStored() (r io.ReadCloser, compress string, err error) {
	c.mu.Lock()
	compress = map[byte]string{packedGzip: "gzip", packedZstd: "zstd"}[c.packings]
	c.mu.Unlock()
	if compress == "" {
		r, err = c.open(false)
		return r, "text", err
	}
	r, err = c.open(true)
	return r, compress, err
}

// The ways in which a chunk's frames are packed, as bits.
const (
	packedNot byte = 1 << iota
	packedGzip
	packedZstd
)

func packingOf(flags byte) byte {
	switch {
	case flags&flagGzip != 0:
		return packedGzip
	case flags&flagZstd != 0:
		return packedZstd
	}
	return packedNot
}

func (c *Chunk) open(packed bool) (io.ReadCloser, error) {
	c.mu.Lock()
	path, end, salt, unread := c.path, c.dataEnd, c.salt, c.unread()
	c.mu.Unlock()
	if unread != nil {
		return nil, fmt.Errorf("open chunk %s: %w", c.id, unread)
	}
	f, err := c.b.fs.Open(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("open chunk %s: %w", c.id, err)
	}
	var head [frameHead]byte
	if _, err := f.ReadAt(head[:], 0); err != nil {
		return nil, fmt.Errorf("open chunk %s: %w", c.id, errors.Join(err, f.Close()))
	}
	r := newBodies(f, firstData(head), end, salt, packed)
	r.onDamage = c.suspect
	return r, nil
}

// unread is an error while nobody has read the file of an earlier process: where
// its frames end, and what was noted, is not known. The next Dequeue reads it.
// c.mu is held.
func (c *Chunk) unread() error {
	if c.unverified {
		return errUnread
	}
	return nil
}

var errUnread = errors.New("its file could not be read yet")

// suspect makes the next Dequeue read the whole file: the good part is separated
// from the bad, so that a damaged chunk is not tried for ever.
func (c *Chunk) suspect() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unverified = c.unverified || c.b.durable()
}

// firstData is where the frame behind the head begins.
func firstData(head [frameHead]byte) int64 {
	return frameHead + int64(head[4]) + int64(head[5])<<8 + int64(head[6])<<16 + int64(head[7])<<24
}

// Note is what SetNote wrote last, in this process or an earlier one.
func (c *Chunk) Note() (map[string]string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.note), c.note != nil
}

// SetNote writes what an output has decided about the chunk, such as the key of
// its object, and returns when it is durable. Room for about 4 KB of notes is
// reserved, so that this works on a full disk. Keys that begin with "sluice."
// are the buffer's own.
func (c *Chunk) SetNote(note map[string]string) error {
	c.io.Lock()
	defer c.io.Unlock()
	if err := c.writeNote(note); err != nil {
		return fmt.Errorf("write a note into chunk %s: %w", c.id, err)
	}
	return nil
}

// durable reports whether everything before end would survive a power cut.
func (c *Chunk) durable(end int64) bool {
	return c.synced.Load() >= end && end <= c.cut.Load() && c.named.Load()
}

// whyLost is why events of a ticket were not made durable.
func (c *Chunk) whyLost() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost != nil {
		return c.lost
	}
	return fmt.Errorf("chunk %s was not made durable", c.id)
}

// cause is why the file cannot be synced any more; nil when it can.
func (c *Chunk) cause() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}
