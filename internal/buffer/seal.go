package buffer

import (
	"errors"
	"fmt"
	"maps"
)

// retire takes a chunk that is closed to data to the queue: it writes the seal,
// syncs, keeps the ids and renames b to q. What cannot be done is left out, and
// the chunk is queued all the same: its events were acknowledged. Only a chunk
// of which nothing was ever durable disappears.
func (b *Buffer) retire(c *Chunk) {
	if c.Size() == 0 {
		b.discard(c)
		return
	}
	c.io.Lock()
	err := c.seal()
	if c.cause() != nil {
		err = errors.Join(err, c.rewrite())
	}
	if err == nil {
		err = b.keepIDs(c)
	}
	if err == nil {
		err = c.renameQueued()
	}
	c.io.Unlock()
	if err != nil {
		b.log.Error("seal a chunk; it is queued as it is", "chunk_id", c.id.String(), "error", err)
		b.meters.ioErrors.Inc()
		b.health.fail(err)
	}
	if c.Size() == 0 {
		b.discard(c)
		return
	}
	b.enqueue(c)
}

// seal writes the seal and syncs it with whatever data is not durable yet. c.io
// is held, the chunk takes no data.
func (c *Chunk) seal() error {
	if err := c.makeNamed(); err != nil {
		return err
	}
	c.mu.Lock()
	if c.failed != nil || c.sealed {
		defer c.mu.Unlock()
		return c.failed
	}
	err := c.reopen()
	if err == nil && c.size < c.end+tailRoom {
		err = c.grow(0, 0)
	}
	if err == nil {
		err = c.writeSeal()
	}
	f := c.file
	c.mu.Unlock()
	if err != nil {
		return errors.Join(err, c.syncHeld()) // the events matter more than the seal
	}
	if err := f.Sync(); err != nil {
		c.poison(err)
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end += sealSize
	c.sealed = true
	c.synced.Store(c.end)
	return nil
}

// makeNamed makes the file's name durable when no commit has done so yet: the
// chunk is about to be delivered, and then it must not turn out that nothing of
// it counts.
func (c *Chunk) makeNamed() error {
	if c.named.Load() || c.cause() != nil {
		return nil
	}
	if err := c.b.fs.SyncDir(c.b.dir); err != nil {
		c.poison(err)
		return err
	}
	c.named.Store(true)
	return nil
}

// writeSeal writes the seal and, behind it, the zeros that are the room for
// notes, over whatever stands there; and cuts the file behind them.
func (c *Chunk) writeSeal() error {
	t := totals{c.events, c.bytes}
	seal := appendFrame(nil, frame{kind: kindSeal, off: c.end}, c.salt, t.encode())
	room := zeros[:noteRoom]
	if !c.b.durable() {
		room = nil
	}
	n, err := c.file.WriteBoth(seal, room, c.end)
	if err != nil {
		c.undo(n)
		return err
	}
	c.size = c.end + int64(n)
	return c.file.Truncate(c.size)
}

// renameQueued gives the file its name in the queue. The rename needs no fsync
// of its own: a power cut that undoes it leaves a sealed chunk in the stage,
// whose rename the next start finishes.
func (c *Chunk) renameQueued() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.closeFile()
	to := c.b.chunkPath(queued, c.id)
	if !c.sealed || c.path == to {
		return nil
	}
	if err := c.b.fs.Rename(c.path, to); err != nil {
		return fmt.Errorf("rename chunk %s: %w", c.id, err)
	}
	c.path = to
	return nil
}

// closeFile gives the descriptor back. c.mu is held; all that was written is
// durable, or never will be.
func (c *Chunk) closeFile() {
	if c.file == nil {
		return
	}
	if err := c.file.Close(); err != nil {
		c.b.log.Warn("close a chunk", "chunk_id", c.id.String(), "error", err)
	}
	c.file = nil
	c.b.opened.remove(c)
}

// writeNote appends a note frame and syncs it. c.io is held.
func (c *Chunk) writeNote(note map[string]string) error {
	if err := c.mend(); err != nil {
		return err
	}
	c.mu.Lock()
	err := errors.Join(c.unread(), c.settleReplaced())
	if err == nil {
		err = c.reopen()
	}
	body := encodeNote(note)
	at := c.end
	if len(body) > maxNote {
		err = fmt.Errorf("%d bytes are too many for a note", len(body))
	}
	if err == nil {
		err = c.makeNoteRoom(at + frameHead + int64(len(body)))
	}
	if err == nil {
		err = c.putNote(body, at)
	}
	f := c.file
	c.mu.Unlock()
	if err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		// The file may read one thing and hold another. The events, the seal and
		// the notes before this one are durable: save them into a new file.
		c.poison(err)
		return errors.Join(err, c.rewrite())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end = at + frameHead + int64(len(body))
	c.note = maps.Clone(note)
	c.synced.Store(c.end)
	c.closeFile()
	return nil
}

func (c *Chunk) putNote(body []byte, at int64) error {
	n, err := c.file.WriteAt(appendFrame(nil, frame{kind: kindNote, off: at}, c.salt, body), at)
	if err != nil {
		c.undo(n)
		return writeError(err)
	}
	return nil
}

// makeNoteRoom extends a file whose notes have used up the room behind the seal.
func (c *Chunk) makeNoteRoom(end int64) error {
	if !c.b.durable() || end <= c.size {
		return nil
	}
	target := roundUp(end)
	if err := c.writeZeros(c.size, target); err != nil {
		_ = c.file.Truncate(c.size)
		return writeError(err)
	}
	c.size = target
	return nil
}

// mend brings a chunk that could not be sealed, or whose file failed, into a
// state that can take a note.
func (c *Chunk) mend() error {
	if c.cause() != nil {
		return c.rewrite()
	}
	if err := c.seal(); err != nil {
		if c.cause() != nil {
			return c.rewrite()
		}
		return err
	}
	return nil
}
