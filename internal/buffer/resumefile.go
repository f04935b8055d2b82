package buffer

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/sluicelog/sluice/internal/event"
)

// openQueued reads the head of a queued chunk.
func (b *Buffer) openQueued(id event.ChunkID) (*Chunk, error) {
	path := b.chunkPath(queued, id)
	f, err := b.fs.Open(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("open a queued chunk: %w", err)
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, fmt.Errorf("open a queued chunk: %w", err)
	}
	h, end, err := readHead(f, size)
	if err != nil {
		return nil, b.refuse(path, err)
	}
	c := b.resumed(h, path)
	c.sealed, c.unverified, c.idsKept = true, true, true
	c.end, c.size, c.dataEnd = size, size, size
	c.bytes = max(size-end-tailRoom, 0)
	return c, nil
}

// readHead reads a file's first frame. Unlike a scan it reads little.
func readHead(f File, size int64) (h header, end int64, err error) {
	s := newScanner(f, size, true)
	fr, err := s.next()
	if err != nil || fr.kind != kindHead {
		return h, 0, headError(err)
	}
	b, err := s.body(fr, maxHead)
	if err != nil {
		return h, 0, headError(err)
	}
	h, err = decodeHeader(b)
	h.salt = s.salt
	return h, fr.end(), err
}

// refuse handles a file whose head cannot be read: a newer version's is left
// alone, anything else goes to the backup folder. Errors of the disk are
// returned.
func (b *Buffer) refuse(path string, err error) error {
	switch {
	case errors.Is(err, errNewVersion):
		b.log.Error("leave a chunk alone", "path", path, "error", err)
		return nil
	case errors.Is(err, errHead):
		return b.quarantine(path, err)
	}
	return err
}

func (b *Buffer) resumed(h header, path string) *Chunk {
	c := &Chunk{
		b: b, id: h.id, meta: h.meta, salt: h.salt, fingerprint: h.fingerprint,
		created: time.Unix(0, h.created), born: b.elapsed(), resumed: true, path: path,
	}
	c.key = keyOf(&c.meta)
	c.cut.Store(1<<63 - 1)
	c.named.Store(true)
	return c
}

// scanStaged reads a staged chunk of an earlier process. What it finds must be
// what the disk holds, because the ids in it will count as stored and those that
// are not in it as new: pages that are not written yet are synced, then the cache
// is dropped, so that pages which a failed fsync left behind as clean are not
// believed.
func (b *Buffer) scanStaged(l *left, s *scanner) (*Chunk, error) {
	path := b.chunkPath(staged, l.id)
	f, err := b.fs.Open(path, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("open a staged chunk: %w", err)
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, fmt.Errorf("open a staged chunk: %w", err)
	}
	if err := f.Sync(); err != nil {
		l.failed = fmt.Errorf("sync a staged chunk: %w", err)
	}
	if err := f.DropCache(); err != nil && l.failed != nil {
		return nil, fmt.Errorf("read a staged chunk: %w", errors.Join(l.failed, err))
	}
	s.reset(f, size)
	var ids []event.ID
	var origins []origin
	v, err := scanChunk(s, func(fr frame) error {
		return s.ids(fr, func(o origin, id event.ID) { ids, origins = append(ids, id), append(origins, o) })
	})
	if errors.Is(err, errHead) && s.blank() {
		return nil, b.removeBlank(path)
	}
	if errors.Is(err, errHead) {
		return nil, b.keepHeadless(path, f, size, err)
	}
	if err != nil {
		return nil, b.refuse(path, err)
	}
	b.index.remember(origins, ids)
	c := b.resumed(v.head, path)
	c.fill(v, size)
	if v.torn != nil && !v.sealed {
		b.cutTail(c, f, v, l.failed)
	}
	if l.failed != nil {
		return b.saveStaged(c, l.failed)
	}
	return c, nil
}

// saveStaged takes up a staged chunk whose file could not be synced. How long it
// is is not durable: a process that died may have cut it, and what it has cut off
// may come back. So what was found is saved into a new file before it counts.
func (b *Buffer) saveStaged(c *Chunk, cause error) (*Chunk, error) {
	c.poison(cause)
	c.io.Lock()
	defer c.io.Unlock()
	if err := c.repair(); err != nil {
		return nil, err
	}
	if c.Size() == 0 {
		return nil, nil
	}
	return c, nil
}

// cutTail keeps what stands behind the last good frame in the backup folder, and
// puts zeros in its place, so that it is not found again at the next start.
func (b *Buffer) cutTail(c *Chunk, f File, v survey, failed error) {
	if err := b.keepTail(f, c, v.dataEnd, c.size, v.torn); err != nil {
		b.log.Error("keep a torn end", "error", err) // the events do not depend on it
		return
	}
	if failed != nil {
		return // it must not be synced again
	}
	c.file = f
	err := c.writeZeros(v.dataEnd, c.size)
	if err == nil {
		err = f.Sync()
	}
	c.file = nil
	if err != nil {
		c.poison(err)
	}
}

// fill takes over what a scan found.
func (c *Chunk) fill(v survey, size int64) {
	c.events, c.bytes = v.totals.events, v.totals.bytes
	c.dataEnd, c.end, c.size = v.dataEnd, v.dataEnd, size
	c.ids, c.packings, c.sealed, c.note = v.hasIDs, v.packing, v.sealed, v.note
	if v.sealed {
		c.end = v.end
	}
	c.synced.Store(c.end)
}

// blank reports whether the file holds nothing but zeros.
func (s *scanner) blank() bool {
	s.off = 0
	return errors.Is(s.tail(), io.EOF)
}

func isDiskError(err error) bool { return errors.As(err, new(*fs.PathError)) }

// removeBlank removes a chunk that was created and never got durable data.
func (b *Buffer) removeBlank(path string) error {
	if err := b.fs.Remove(path); err != nil {
		return fmt.Errorf("remove an empty chunk: %w", err)
	}
	return nil
}
