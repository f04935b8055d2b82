package buffer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// prepare makes a chunk ready to be handed out: one of Fluentd's is converted,
// one of an earlier process is read and its checksums verified. False means that
// there is nothing to deliver: it was delivered before, or nothing of it can be
// read.
func (b *Buffer) prepare(c *Chunk) bool {
	c.io.Lock()
	ready, err := b.prepareHeld(c)
	c.io.Unlock()
	if err != nil {
		// The disk may recover; the output will fail to open the chunk (see unread),
		// and retry.
		b.log.Error("read a chunk", "chunk_id", c.id.String(), "error", err)
		b.meters.ioErrors.Inc()
		return true
	}
	if !ready && b.settle(c) {
		if err := b.finish(c, false); err != nil {
			b.log.Error("remove a chunk that is done", "chunk_id", c.id.String(), "error", err)
		}
	}
	return ready
}

func (b *Buffer) prepareHeld(c *Chunk) (ready bool, err error) {
	if c.foreign != nil {
		if ready, err = b.adopt(c); err != nil || !ready {
			return ready, err
		}
	}
	if c.doubtful() {
		if err := c.repair(); err != nil || c.Size() == 0 {
			return false, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.unverified {
		return !c.isDone(), nil
	}
	v, size, err := b.verify(c)
	switch {
	case errors.Is(err, errHead):
		return false, b.quarantine(c.path, err)
	case err != nil:
		return false, err
	case v.sealed, !c.resumed && v.torn == nil && v.totals == totals{c.events, c.bytes}:
		// One of this process that could not be sealed is whole when all is there.
		b.believe(c, v, size)
		return !c.isDone(), nil
	}
	return b.saveGood(c, v, size)
}

// doubtful reports whether the file must be read, and is one that was not synced:
// what is read might be more than was acknowledged.
func (c *Chunk) doubtful() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.unverified && c.failed != nil
}

func (b *Buffer) verify(c *Chunk) (v survey, size int64, err error) {
	f, err := b.fs.Open(c.path, os.O_RDWR, 0)
	if err != nil {
		return v, 0, err
	}
	defer f.Close()
	if size, err = f.Size(); err != nil {
		return v, 0, err
	}
	// A note that a killed process left in the cache must not be lost after the
	// output has relied on it; nor may one be believed that the disk refused.
	if err = errors.Join(f.Sync(), f.DropCache()); err != nil {
		return v, size, err
	}
	v, err = scanChunk(newScanner(f, size, true), nil)
	if err == nil && v.sealed && v.torn != nil {
		// A note that was not written whole. It is cut, as zeros, so that the room
		// behind it stays.
		b.log.Warn("cut a torn note", "chunk_id", c.id.String(), "error", v.torn)
		t := &Chunk{b: b, file: f}
		err = t.writeZeros(v.end, size)
	}
	return v, size, err
}

// believe takes over what a verification found, in place of the estimate made
// at start. c.mu is held.
func (b *Buffer) believe(c *Chunk, v survey, size int64) {
	before := c.bytes
	c.fill(v, size)
	c.unverified = false
	b.room.add(c.bytes - before)
}

// saveGood keeps what can be read of a damaged chunk as a chunk, and the file as
// it was in the backup folder. The copy is durable before the original moves.
func (b *Buffer) saveGood(c *Chunk, v survey, size int64) (ready bool, err error) {
	cause := fmt.Errorf("%w: it has no seal", ErrCorrupt)
	if v.torn != nil {
		cause = v.torn
	}
	if v.totals.bytes == 0 {
		return false, b.quarantine(c.path, cause)
	}
	b.believe(c, v, size)
	c.unverified = true // until the copy has taken its place
	src, err := b.fs.Open(c.path, os.O_RDONLY, 0)
	if err != nil {
		return false, err
	}
	defer src.Close()
	temp := b.tempPath(c.id)
	end, size, err := b.copyChunk(src, temp, c, v.dataEnd)
	if err == nil {
		err = b.fs.SyncDir(b.dir) // the copy must be there when the original has moved
	}
	if err == nil {
		err = b.quarantine(c.path, cause)
	}
	if err != nil {
		return false, fmt.Errorf("save the good part of %s: %w", filepath.Base(c.path), err)
	}
	b.log.Error("a chunk is damaged: what stands before the damage is delivered, the file is in the backup folder",
		"chunk_id", c.id.String(), "events", v.totals.events, "offset", v.dataEnd, "error", cause)
	c.path, c.end, c.size, c.sealed, c.unverified = temp, end, size, true, false
	c.synced.Store(end)
	// From here on the copy is the chunk, whatever its name; the next start would
	// take it by either.
	return true, c.leaveTemp()
}
