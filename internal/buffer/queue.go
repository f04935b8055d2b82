package buffer

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"

	"github.com/sluicelog/sluice/internal/event"
)

// sealersAtOnce is how many chunks are sealed in parallel, beside the commits:
// when ten thousand tags end in the same minute the answers must not wait for
// ten thousand fsyncs.
const sealersAtOnce = 4

// sealLater seals a chunk in the background and queues it. The caller has
// unstaged it.
func (b *Buffer) sealLater(c *Chunk) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		b.leaveSealing(c) // the next start takes it up as it is
		return
	}
	b.toSeal = append(b.toSeal, c)
	if b.sealers < sealersAtOnce {
		b.sealers++
		go b.sealSome() // Close waits until there are no sealers
	}
}

func (b *Buffer) sealSome() {
	for {
		b.mu.Lock()
		if len(b.toSeal) == 0 {
			b.toSeal = nil
			b.sealers--
			b.queuedOne.Broadcast()
			b.mu.Unlock()
			return
		}
		c := b.toSeal[0]
		b.toSeal = b.toSeal[1:]
		b.mu.Unlock()
		b.retire(c)
	}
}

// closeFailed takes a chunk whose fsync failed out of the stage. What was durable
// of it is queued at once; its next events go into a new chunk.
//
// It is done before those who wait are told of the failure: when they send again,
// what failed has gone for good. Where that cannot be done their ids stay claimed
// until it can.
func (b *Buffer) closeFailed(c *Chunk) {
	if err := c.cause(); err != nil {
		b.log.Error("a chunk is cut to what is durable", "chunk_id", c.id.String(), "error", err)
		b.meters.ioErrors.Inc()
		b.health.fail(err)
	}
	mine := b.unstage(c)
	c.io.Lock()
	err := c.repair()
	c.io.Unlock()
	if err != nil {
		b.log.Error("a chunk cannot be repaired yet", "chunk_id", c.id.String(), "error", err)
		b.mendLater(c)
	}
	if mine {
		b.sealLater(c)
	}
}

// enqueue puts a chunk that is closed to data at the end of the queue.
func (b *Buffer) enqueue(c *Chunk) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.leaveSealing(c)
	c.where = inQueue
	c.elem = b.queue.PushBack(c)
	// Seals run in parallel, and one that was retried is late: older chunks go
	// first all the same, as far as a short look tells.
	before := c.elem
	for steps := 0; before.Prev() != nil && steps < 64; steps++ {
		if older := before.Prev().Value.(*Chunk); bytes.Compare(older.id[:], c.id[:]) < 0 {
			break
		}
		before = before.Prev()
	}
	b.queue.MoveBefore(c.elem, before)
	b.signal()
}

// leaveSealing wakes those who wait until all that is closed to data is queued.
func (b *Buffer) leaveSealing(c *Chunk) {
	if b.sealing[c] {
		delete(b.sealing, c)
		b.queuedOne.Broadcast()
		b.signal()
	}
}

// Dequeue hands out the chunk at the front of the queue; false when there is
// none. The caller gives it back with Purge, TakeBack or Backup.
func (b *Buffer) Dequeue() (*Chunk, bool) { return b.DequeueFunc(nil) }

// DequeueFunc hands out the first chunk of the queue that accept takes; nil
// takes any. accept is called with a lock held: it must not call the buffer.
func (b *Buffer) DequeueFunc(accept func(event.ChunkID) bool) (*Chunk, bool) {
	for {
		c := b.dequeue(accept)
		if c == nil {
			return nil, false
		}
		if b.prepare(c) {
			c.attempts.Add(1)
			return c, true
		}
	}
}

func (b *Buffer) dequeue(accept func(event.ChunkID) bool) *Chunk {
	b.mu.Lock()
	defer b.mu.Unlock()
	for e := b.queue.Front(); e != nil; e = e.Next() {
		c := e.Value.(*Chunk)
		if accept != nil && !accept(c.id) {
			continue
		}
		if b.olderComes(c) {
			return nil
		}
		b.queue.Remove(e)
		c.elem = nil
		c.where = withOutput
		if b.queue.Len() > 0 {
			b.signal() // another flush thread may be asleep
		}
		return c
	}
	return nil
}

// olderComes reports whether a chunk that is older than c is being sealed: it goes first,
// and says when it is there. Of many that are, some may overtake others. b.mu is held.
func (b *Buffer) olderComes(c *Chunk) bool {
	if len(b.sealing) > 4*sealersAtOnce {
		return false
	}
	for s := range b.sealing {
		if bytes.Compare(s.id[:], c.id[:]) < 0 {
			return true
		}
	}
	return false
}

// TakeBack puts a chunk that could not be delivered back to the front.
func (b *Buffer) TakeBack(c *Chunk) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.where != withOutput {
		return
	}
	c.where = inQueue
	c.elem = b.queue.PushFront(c)
	b.signal()
}

// doneKey is the note that a chunk was delivered, for stores that would take it
// a second time.
const doneKey = "sluice.done"

// isDone reports whether there is nothing to deliver: the chunk was delivered, by
// its note, or it is empty. c.mu is held.
func (c *Chunk) isDone() bool { return c.note[doneKey] != "" || c.bytes == 0 }

// noteDone adds that the chunk was delivered to what its note says.
func (c *Chunk) noteDone() error {
	note, ok := c.Note()
	if !ok {
		note = map[string]string{}
	}
	note[doneKey] = "delivered"
	return c.SetNote(note)
}

// Purge removes a chunk that was delivered. It is never handed out again, even
// when an error says that its file could not be removed yet; that is tried again
// later.
//
// A power cut may bring the file back until the folder is synced, which happens
// with the next commit. Where the store does not refuse a second delivery (see
// Conditional) a done note is written before the file goes.
func (b *Buffer) Purge(c *Chunk) error {
	if !b.settle(c) {
		return fmt.Errorf("purge chunk %s: it was not handed out", c.id)
	}
	b.totals.purged.Add(1)
	err := b.finish(c, b.durable() && !c.conditional.Load())
	b.retryPurged()
	if err != nil {
		return fmt.Errorf("purge chunk %s: %w", c.id, err)
	}
	return nil
}

// settle takes a chunk from the output for good; false when the output does not
// have it.
func (b *Buffer) settle(c *Chunk) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.where != withOutput {
		return false
	}
	c.where = gone
	return true
}

// finish removes a chunk whose events have a place elsewhere. What cannot be
// removed now is tried again later.
func (b *Buffer) finish(c *Chunk, note bool) error {
	var noteErr error
	if note {
		noteErr = c.noteDone()
	}
	err := b.keepIDsOf(c)
	if err == nil {
		err = b.remove(c)
	}
	if err != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.purged = append(b.purged, c)
		return err
	}
	if noteErr != nil {
		// Without a note only the folder tells that the chunk is gone.
		return b.fs.SyncDir(b.dir)
	}
	return nil
}

// retryPurged tries again to remove what could not be removed before.
func (b *Buffer) retryPurged() {
	b.mu.Lock()
	again := b.purged
	b.purged = nil
	b.mu.Unlock()
	for _, c := range again {
		_ = b.finish(c, false) // it was told once
	}
}

// remove unlinks a chunk's file and forgets the chunk. Its removal is durable
// after the next round of commits.
func (b *Buffer) remove(c *Chunk) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closeFile()
	if err := c.removeLeftOver(); err != nil {
		return err
	}
	paths := []string{c.path}
	if c.foreign != nil {
		paths = c.foreign.paths
	}
	for _, path := range paths {
		if err := b.fs.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if c.doubt.Load() {
		if err := b.fs.SyncDir(b.dir); err != nil {
			return err
		}
		c.certain()
	}
	b.room.add(-c.bytes)
	b.mu.Lock()
	delete(b.live, c.id)
	b.mu.Unlock()
	b.commit.unlinked()
	return nil
}

// discard removes a chunk that holds nothing that was acknowledged.
func (b *Buffer) discard(c *Chunk) {
	b.mu.Lock()
	b.leaveSealing(c)
	c.where = gone
	b.mu.Unlock()
	if err := b.remove(c); err != nil {
		b.log.Error("remove an empty chunk", "chunk_id", c.id.String(), "error", err)
		b.mu.Lock()
		defer b.mu.Unlock()
		b.purged = append(b.purged, c)
	}
}

// dropOldest deletes the chunk at the front of the queue, as overflow_action
// drop_oldest_chunk asks: with disable_chunk_backup the only way to lose events
// that were acknowledged. False when the queue is empty.
func (b *Buffer) dropOldest() bool {
	c := b.dequeue(nil)
	if c == nil {
		b.log.Error("no queued chunks to be dropped for drop_oldest_chunk")
		return false
	}
	b.mu.Lock()
	c.where = gone
	b.dropped++
	b.mu.Unlock()
	b.log.Error("dropping oldest chunk to make space after buffer overflow",
		"chunk_id", c.id.String(), "events", c.Events(), "bytes", c.Size())
	b.meters.lost(c.Events(), "drop_oldest_chunk")
	if err := b.remove(c); err != nil {
		b.log.Error("drop the oldest chunk", "chunk_id", c.id.String(), "error", err)
		return false
	}
	return true
}
