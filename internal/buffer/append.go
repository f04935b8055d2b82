package buffer

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/sluicelog/sluice/internal/event"
)

// How far a chunk's file runs ahead of its data. Zeros written ahead let the
// next fsyncs change no size and no block map, which makes them a third to a
// half faster where it was measured; and they are room that is already paid for,
// so that a chunk can be sealed and noted on a full disk.
const (
	noteRoom = 4 << 10
	tailRoom = sealSize + noteRoom
	block    = 4 << 10
	maxAhead = 1 << 20
	// bigFrame is the size from which zeros ahead cost more than they save: the
	// blocks are allocated, not written.
	bigFrame = 64 << 10
)

var zeros [maxAhead]byte

// piece is the part of a group that goes into one frame of one chunk.
type piece struct {
	body   []byte
	events int
	flags  byte
	prefix []byte // origin and ids
}

// scratch is where a frame's head and ids are put together.
type scratch struct{ b []byte }

var scratches = sync.Pool{New: func() any { return &scratch{make([]byte, 0, 4096)} }}

// append writes one data frame. c.mu is held and the chunk takes data. After an
// error the file is as it was, or the chunk takes no more data.
func (c *Chunk) append(p piece) error {
	length := int64(frameHead + len(p.prefix) + len(p.body))
	if err := c.reopen(); err != nil {
		return err
	}
	if err := c.grow(length, min(c.size, maxAhead)); err != nil {
		return err
	}
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	head := append(s.b[:0], zeros[:frameHead]...)
	head = append(head, p.prefix...)
	s.b = head[:0]
	putFrameHead(head, frame{kind: kindData, flags: p.flags, count: uint32(p.events), off: c.end}, c.salt, p.prefix, p.body)
	if n, err := c.file.WriteBoth(head, p.body, c.end); err != nil {
		c.undo(n)
		return writeError(err)
	}
	c.end += length
	c.dataEnd = c.end
	c.size = max(c.size, c.end)
	c.bytes += int64(len(p.body))
	c.events += int64(p.events)
	c.packings |= packingOf(p.flags)
	c.ids = c.ids || p.flags&flagIDs != 0
	c.lastAppend.Store(int64(c.b.elapsed()))
	return nil
}

// writeError calls a full disk what it is to a caller: a full buffer.
func writeError(err error) error {
	if IsNoSpace(err) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

// undo takes back n bytes of a frame that could not be written whole. Zeros keep
// the room that is allocated; where even they cannot be written the file is not
// trusted any more.
func (c *Chunk) undo(n int) {
	for off := c.end; off < c.end+int64(n); off += int64(len(zeros)) {
		part := zeros[:min(int64(len(zeros)), c.end+int64(n)-off)]
		if _, err := c.file.WriteAt(part, off); err != nil {
			c.poisonHeld(err)
			return
		}
	}
}

// grow makes sure that n more bytes, the seal and the notes fit into blocks that
// are allocated: the disk is found full here, before a byte of the frame is
// written. When the file has to be extended it is by ahead more, which is the more
// the longer the file is, so that a chunk with a single event stays small.
func (c *Chunk) grow(n, ahead int64) error {
	if !c.b.durable() {
		return nil
	}
	want := c.end + n + tailRoom
	if want <= c.size {
		return nil
	}
	err := errors.ErrUnsupported
	target := roundUp(want)
	if n >= bigFrame {
		err = c.file.Allocate(c.size, target-c.size)
	} else if ahead > 0 && c.b.volume.charge(ahead) {
		target = roundUp(want + ahead)
	}
	if errors.Is(err, errors.ErrUnsupported) {
		err = c.writeZeros(c.size, target)
	}
	if IsNoSpace(err) && target > roundUp(want) {
		target = roundUp(want) // without reaching ahead it may still fit
		err = c.writeZeros(c.size, target)
	}
	if err != nil {
		_ = c.file.Truncate(c.size) // gives a full disk its blocks back; a longer file does no harm
		return writeError(err)
	}
	c.b.volume.charge(roundUp(want) - c.size)
	c.size = target
	return nil
}

func roundUp(n int64) int64 { return (n + block - 1) / block * block }

func (c *Chunk) writeZeros(from, to int64) error {
	for from < to {
		n, err := c.file.WriteAt(zeros[:min(int64(len(zeros)), to-from)], from)
		if err != nil {
			return err
		}
		from += int64(n)
	}
	return nil
}

// reopen opens a file that was closed to save descriptors. c.mu is held.
func (c *Chunk) reopen() error {
	if c.file != nil {
		return nil
	}
	f, err := c.b.fs.Open(c.path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("open chunk %s again: %w", c.id, err)
	}
	c.file = f
	c.b.opened.add(c)
	return nil
}

// create makes the file of a new chunk and writes its head. Nobody else knows
// the chunk yet.
func (c *Chunk) create() error {
	f, err := c.b.fs.Open(c.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, c.b.filePerm)
	if err != nil {
		return writeError(fmt.Errorf("create chunk %s: %w", c.id, err))
	}
	c.file = f
	h := header{version: formatVersion, id: c.id, created: c.created.UnixNano(), meta: c.meta, fingerprint: c.fingerprint}
	head := appendFrame(nil, frame{kind: kindHead}, c.salt, h.encode())
	if err = c.grow(int64(len(head)), 0); err == nil {
		_, err = f.WriteAt(head, 0)
	}
	if err != nil {
		_ = errors.Join(f.Close(), c.b.fs.Remove(c.path)) // it holds nothing
		return writeError(fmt.Errorf("create chunk %s: %w", c.id, err))
	}
	c.end, c.dataEnd, c.size = int64(len(head)), int64(len(head)), max(c.size, int64(len(head)))
	c.takes = true
	return nil
}

// sync makes durable what has been appended so far, unless it is already.
func (c *Chunk) sync() error {
	c.io.Lock()
	defer c.io.Unlock()
	return c.syncHeld()
}

// syncHeld is sync with c.io held. Once an fsync has failed it never calls
// another one on this file: the kernel has dropped the pages that it could not
// write and would answer success.
func (c *Chunk) syncHeld() error {
	c.mu.Lock()
	target, f, err := c.end, c.file, c.failed
	c.mu.Unlock()
	if err != nil || c.synced.Load() >= target {
		return err
	}
	if f == nil {
		return fmt.Errorf("sync chunk %s: its file is closed", c.id) // only clean files are closed
	}
	if err := f.Sync(); err != nil {
		c.poison(err)
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed != nil { // an append could not be undone meanwhile; its word is that no more is durable
		return c.failed
	}
	c.synced.Store(target)
	return nil
}

// poison marks the file as one that is never synced again. When not even its
// name is durable nothing in it is.
func (c *Chunk) poison(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.poisonHeld(err)
}

// poisonHeld is poison with c.mu held.
func (c *Chunk) poisonHeld(err error) {
	c.takes = false
	c.doubt.Store(true)
	if !c.named.Load() {
		c.synced.Store(0)
	}
	c.cut.Store(min(c.cut.Load(), c.synced.Load()))
	if c.failed == nil {
		c.failed = fmt.Errorf("sync chunk %s: %w", c.id, err)
		c.lost = c.failed
	}
}

// appendPrefix appends what stands before the events of a data frame.
func appendPrefix(dst []byte, o origin, ids []event.ID) (out []byte, flags byte) {
	if len(ids) == 0 {
		return dst, 0
	}
	if o != (origin{}) {
		dst, flags = o.append(dst), flagOrigin
	}
	for i := range ids {
		dst = append(dst, ids[i][:]...)
	}
	return dst, flags | flagIDs
}
