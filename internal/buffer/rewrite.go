package buffer

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// repair ends the doubt about a chunk: after a failed fsync the events behind the
// last good one may be on the disk or not, and may turn up at the next start. When
// it returns nil they are gone for good, and may be stored elsewhere. c.io is held.
func (c *Chunk) repair() error {
	if !c.doubt.Load() {
		return nil
	}
	if c.cause() != nil && c.Size() > 0 { // else an earlier try may have removed the file
		if err := c.rewrite(); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bytes == 0 {
		return c.vanish()
	}
	if err := c.settleReplaced(); err != nil {
		return err
	}
	c.certain()
	return nil
}

// vanish removes, durably, the file of a chunk of which nothing was acknowledged.
// c.mu is held.
func (c *Chunk) vanish() error {
	c.closeFile()
	err := c.b.fs.Remove(c.path)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = c.b.fs.SyncDir(c.b.dir)
	}
	if err != nil {
		return fmt.Errorf("remove chunk %s: %w", c.id, err)
	}
	c.certain()
	return nil
}

// certain lets the events that are not in the chunk be stored elsewhere. c.mu is
// held.
func (c *Chunk) certain() {
	if c.doubt.Swap(false) {
		c.b.index.free(c)
	}
}

// rewrite saves the durable part of a chunk whose file cannot be trusted any
// more into a new file, sealed, under the same id; and takes that one in its
// place. When not even that works the chunk goes on with the old file, cut to
// its durable length, and gets neither seal nor note. c.io is held.
func (c *Chunk) rewrite() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	good := min(c.synced.Load(), c.dataEnd)
	c.closeFile()
	if err := c.leaveTemp(); err != nil {
		return fmt.Errorf("save chunk %s: %w", c.id, err)
	}
	src, err := c.b.fs.Open(c.path, os.O_RDWR, 0)
	if err != nil {
		c.dataEnd, c.end = good, good // what is behind it must not be delivered
		return fmt.Errorf("save chunk %s: %w", c.id, err)
	}
	defer src.Close()
	c.shrink(src, good)
	if c.bytes == 0 {
		return nil // nothing of it was ever acknowledged
	}
	temp := c.b.tempPath(c.id)
	var end, size int64
	// A file with a name of the queue has its ids kept: the next start relies on it.
	if err = c.keepIDsBefore(good); err == nil {
		end, size, err = c.b.copyChunk(src, temp, c, good)
	}
	if err == nil {
		err = c.b.fs.Rename(temp, c.b.chunkPath(queued, c.id))
	}
	if err != nil {
		_ = c.b.fs.Remove(temp)
		_ = src.Truncate(c.synced.Load()) // best effort: it is not synced. A seal and notes that are durable stay
		return fmt.Errorf("save chunk %s: %w", c.id, err)
	}
	if old := c.path; old != c.b.chunkPath(queued, c.id) {
		c.leftOver = old // it loses to the queued one, but must not outlive it
	}
	c.path, c.end, c.size, c.sealed, c.failed = c.b.chunkPath(queued, c.id), end, size, true, nil
	c.synced.Store(end) // what was lost stays lost: see cut
	// If the folder cannot be synced the old file, or the new one, comes back: until
	// it is, a note in the new one proves nothing.
	c.replaced = true
	return c.settleReplaced()
}

// leaveTemp gives a copy that could not get its name in the queue that name: the
// next copy takes the temporary one. c.mu is held.
func (c *Chunk) leaveTemp() error {
	if c.path != c.b.tempPath(c.id) {
		return nil
	}
	to := c.b.chunkPath(queued, c.id)
	if err := c.b.fs.Rename(c.path, to); err != nil {
		return err
	}
	c.path = to
	return c.b.fs.SyncDir(c.b.dir)
}

// settleReplaced makes the place of a rewritten file durable, and only then removes
// the file that it replaced: a power cut may undo the rename and keep the removal.
// c.mu is held.
func (c *Chunk) settleReplaced() error {
	if !c.replaced {
		return nil
	}
	if err := c.b.fs.SyncDir(c.b.dir); err != nil {
		return err
	}
	c.replaced = false
	c.certain()
	if c.leftOver != "" {
		_ = c.b.fs.Remove(c.leftOver) // removeLeftOver makes sure of it
	}
	return nil
}

// removeLeftOver removes the file that a rewritten chunk had before, durably: it
// must not come back without the one that replaced it. c.mu is held.
func (c *Chunk) removeLeftOver() error {
	if c.leftOver == "" {
		return nil
	}
	if err := c.b.fs.Remove(c.leftOver); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := c.b.fs.SyncDir(c.b.dir); err != nil {
		return err
	}
	c.leftOver = ""
	return nil
}

// shrink counts again what stands before good, and gives the room of the rest
// back.
func (c *Chunk) shrink(src File, good int64) {
	before := c.bytes
	v, err := scanChunk(newScanner(src, good, true), nil)
	if err != nil {
		v = survey{dataEnd: good, totals: totals{c.events, c.bytes}}
		if errors.Is(err, errHead) {
			v.totals = totals{}
		}
	}
	c.events, c.bytes, c.dataEnd, c.end = v.totals.events, v.totals.bytes, v.dataEnd, v.dataEnd
	c.b.room.add(c.bytes - before)
}

// copyChunk copies the frames of c that stand before good into a new file and
// completes them with the seal and the last note. Frames keep their offsets, so
// their checksums hold. It returns where the last frame ends and the file's size;
// everything is durable but the name.
func (b *Buffer) copyChunk(src io.ReaderAt, temp string, c *Chunk, good int64) (end, size int64, err error) {
	dst, err := b.fs.Open(temp, os.O_RDWR|os.O_CREATE|os.O_TRUNC, b.filePerm)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, dst.Close()) }()
	buf := make([]byte, 256<<10)
	for off := int64(0); off < good; {
		n, err := src.ReadAt(buf[:min(int64(len(buf)), good-off)], off)
		if n == 0 {
			return 0, 0, err
		}
		if _, err := dst.WriteAt(buf[:n], off); err != nil {
			return 0, 0, err
		}
		off += int64(n)
	}
	t := totals{c.events, c.bytes}
	last := appendFrame(nil, frame{kind: kindSeal, off: good}, c.salt, t.encode())
	if c.note != nil {
		last = appendFrame(last, frame{kind: kindNote, off: good + int64(len(last))}, c.salt, encodeNote(c.note))
	}
	end = good + int64(len(last))
	if _, err := dst.WriteBoth(last, zeros[:noteRoom], good); err != nil {
		return 0, 0, err
	}
	return end, end + noteRoom, dst.Sync()
}
