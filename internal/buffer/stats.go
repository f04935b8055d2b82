package buffer

import (
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"
)

// Stats is a snapshot of a buffer. Bytes are bytes of events, as stored.
type Stats struct {
	StageLength int // chunks
	StageBytes  int64
	StageEvents int64
	QueueLength int // chunks that are queued, being sealed, or with the output
	QueueBytes  int64
	QueueEvents int64

	Used           int64 // against TotalLimit: chunks, backup folder, reservations
	TotalLimit     int64
	AvailableRatio float64 // of TotalLimit that is free, 0 to 1
	BackupBytes    int64

	Timekeys        []int64   // of all chunks, ascending, Unix seconds, each once
	OldestUnflushed time.Time // when the oldest chunk was made; zero when there is none

	// Since the buffer was opened: events and bytes that were written, chunks that
	// left, and the commits with the files and requests that they covered.
	WrittenEvents, WrittenBytes, PurgedChunks int64
	Commits, CommitFiles, CommitTickets       int64

	// UnreadFiles is how many chunks of an earlier process the disk did not let us
	// read so far; they are in no other number.
	UnreadFiles int

	OpenFiles     int
	DroppedChunks int64 // by drop_oldest_chunk
	DedupKeys     int   // ids that are remembered
	// DedupWindow is how far back the memory of ids reaches that have no source; 0
	// when it holds none.
	DedupWindow time.Duration
}

// counters grow from the opening on.
type counters struct {
	events, bytes, purged   atomic.Int64
	commits, files, tickets atomic.Int64
}

// Stats counts. It costs a walk over all chunks.
func (b *Buffer) Stats() Stats {
	var s Stats
	timekeys := map[int64]bool{}
	b.mu.Lock()
	chunks := slices.Collect(maps.Values(b.live))
	places := make([]place, len(chunks))
	for i, c := range chunks {
		places[i] = c.where
	}
	s.DroppedChunks, s.UnreadFiles = b.dropped, len(b.ailing.unread)
	b.mu.Unlock()
	for i, c := range chunks {
		if places[i] == gone {
			continue
		}
		s.count(c, places[i])
		if c.meta.HasTimekey {
			timekeys[c.meta.Timekey] = true
		}
		if s.OldestUnflushed.IsZero() || c.created.Before(s.OldestUnflushed) {
			s.OldestUnflushed = c.created
		}
	}
	s.Timekeys = slices.Sorted(maps.Keys(timekeys))
	s.Used, s.TotalLimit = b.room.get()
	s.AvailableRatio = max(0, 1-float64(s.Used)/float64(s.TotalLimit))
	s.BackupBytes = b.backup.size()
	s.WrittenEvents, s.WrittenBytes, s.PurgedChunks = b.totals.events.Load(), b.totals.bytes.Load(), b.totals.purged.Load()
	s.Commits, s.CommitFiles, s.CommitTickets = b.totals.commits.Load(), b.totals.files.Load(), b.totals.tickets.Load()
	s.OpenFiles = b.opened.len()
	s.DedupKeys, s.DedupWindow = b.index.size()
	return s
}

func (s *Stats) count(c *Chunk, where place) {
	c.mu.Lock()
	bytes, events := c.bytes, c.events
	c.mu.Unlock()
	if where == inStage {
		s.StageLength++
		s.StageBytes += bytes
		s.StageEvents += events
		return
	}
	s.QueueLength++
	s.QueueBytes += bytes
	s.QueueEvents += events
}

// QueuedEvents is how many events wait in the queue.
func (b *Buffer) QueuedEvents() int {
	b.mu.Lock()
	var chunks []*Chunk
	for e := b.queue.Front(); e != nil; e = e.Next() {
		chunks = append(chunks, e.Value.(*Chunk))
	}
	b.mu.Unlock()
	n := 0
	for _, c := range chunks {
		n += c.Events()
	}
	return n
}

// Health says why the buffer cannot be relied on just now: the disk refused an
// fsync, there are files that cannot be read, or the buffer or its volume is full.
// Nil is well.
func (b *Buffer) Health() error {
	if err := b.unreadError(); err != nil {
		return err
	}
	if b.volume.low() {
		return fmt.Errorf("%w: the volume has less than min_free left", ErrFull)
	}
	if b.room.full() {
		return fmt.Errorf("%w: total_limit_size is reached", ErrFull)
	}
	return b.health.get()
}
