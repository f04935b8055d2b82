package buffer

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/sluicelog/sluice/internal/event"
)

// What an earlier process left is taken up in this order: files that replace
// others (temporary ones that are complete), queued chunks, staged chunks, what
// Fluentd left. Files that are none of these are left alone.
//
// A queued chunk was complete before it got its name, so only its head is read
// now, and its checksums when it is handed out: ten thousand of them must not
// delay the start. A staged chunk is read whole, because only that tells where
// it ends. No data is ever appended to either: the chunk ends where the process
// that wrote it did.

// readersAtOnce is how many files are read in parallel.
const readersAtOnce = 16

// found is the files of a folder, by what they are.
type found struct {
	temps   []event.ChunkID
	queued  []event.ChunkID
	staged  []event.ChunkID
	foreign []*foreign
}

func (b *Buffer) resume() error {
	b.backup.fs, b.backup.dir, b.backup.perm = b.fs, b.backupDir, b.dirPerm
	if !b.durable() {
		b.backup.fs = Disk()
		return nil
	}
	b.room.add(b.backup.measure())
	files, err := b.find()
	if err != nil {
		return err
	}
	if err := b.index.load(); err != nil {
		return err
	}
	if files.queued, err = b.finishTemps(files); err != nil {
		return err
	}
	chunks, err := b.readAll(files)
	if err != nil {
		return err
	}
	b.takeUp(chunks)
	return nil
}

// find sorts the names in the folder.
func (b *Buffer) find() (found, error) {
	var f found
	entries, err := b.fs.ReadDir(b.dir)
	if err != nil {
		return f, fmt.Errorf("list the buffer folder: %w", err)
	}
	b.mu.Lock()
	own := b.mine
	b.mine = nil // what is made from now on is not in the list
	b.mu.Unlock()
	for _, e := range entries {
		state, id, ok := parseName(e.Name, b.prefix, chunkSuffix)
		_, temp, isTemp := parseName(e.Name, b.prefix, tempSuffix)
		switch {
		case e.Dir, own[id] && ok, own[temp] && isTemp:
		case isTemp:
			f.temps = append(f.temps, temp)
		case ok && state == queued:
			f.queued = append(f.queued, id)
		case ok:
			f.staged = append(f.staged, id)
		}
	}
	f.foreign, err = b.findForeign(entries)
	// Fluentd's files can end in .chunk too, if path_suffix says so.
	theirs := map[string]bool{}
	for _, x := range f.foreign {
		theirs[x.paths[0]] = true
	}
	f.queued = slices.DeleteFunc(f.queued, func(id event.ChunkID) bool { return theirs[b.chunkPath(queued, id)] })
	f.staged = slices.DeleteFunc(f.staged, func(id event.ChunkID) bool { return theirs[b.chunkPath(staged, id)] })
	return f, err
}

// finishTemps ends what rewrite or an adoption had begun: a temporary file that
// is complete takes its place in the queue; any other is a copy that was not
// finished, of something that is still there.
func (b *Buffer) finishTemps(f found) (queuedNow []event.ChunkID, err error) {
	queuedNow = f.queued
	for _, id := range f.temps {
		temp := b.tempPath(id)
		if !b.complete(temp) {
			if err := b.fs.Remove(temp); err != nil {
				return nil, fmt.Errorf("remove an unfinished copy: %w", err)
			}
			continue
		}
		err := b.fs.Rename(temp, b.chunkPath(queued, id))
		if err == nil {
			err = b.fs.SyncDir(b.dir)
		}
		if err != nil {
			return nil, fmt.Errorf("finish a copy: %w", err)
		}
		if !slices.Contains(queuedNow, id) {
			queuedNow = append(queuedNow, id)
		}
	}
	return queuedNow, nil
}

// complete reports whether a file is a chunk with a seal and nothing wrong.
func (b *Buffer) complete(path string) bool {
	f, err := b.fs.Open(path, os.O_RDONLY, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return false
	}
	v, err := scanChunk(newScanner(f, size, true), nil)
	return err == nil && v.sealed && v.torn == nil
}

// readAll opens queued chunks and scans staged ones, several at a time.
func (b *Buffer) readAll(f found) ([]*Chunk, error) {
	var mu sync.Mutex
	var chunks []*Chunk
	var errs []error
	keep := func(c *Chunk, err error) {
		mu.Lock()
		defer mu.Unlock()
		if c != nil {
			chunks = append(chunks, c)
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	inParallel(len(f.queued), func(i int, _ *scanner) { keep(b.openQueued(f.queued[i])) })
	inQueue := map[event.ChunkID]bool{}
	for _, c := range chunks {
		inQueue[c.id] = true
	}
	var alone []event.ChunkID
	for _, id := range f.staged {
		if !inQueue[id] {
			alone = append(alone, id)
			continue
		}
		again, err := b.settleTwins(id)
		keep(nil, err)
		if again {
			alone = append(alone, id)
			chunks = slices.DeleteFunc(chunks, func(c *Chunk) bool { return c.id == id })
		}
	}
	inParallel(len(alone), func(i int, s *scanner) { keep(b.scanStaged(alone[i], s)) })
	for _, x := range f.foreign {
		keep(b.takeForeign(x, inQueue[x.id]))
	}
	return chunks, errors.Join(errs...)
}

// inParallel calls do for 0..n-1, giving each worker a scanner of its own.
func inParallel(n int, do func(i int, s *scanner)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range min(n, readersAtOnce) {
		wg.Go(func() {
			s := newScanner(nil, 0, true)
			for i := range next {
				do(i, s)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}

// settleTwins handles a chunk that is both staged and queued: rewrite was
// interrupted behind its rename. The queued one holds all that was durable; only
// if it is damaged the staged one is taken.
func (b *Buffer) settleTwins(id event.ChunkID) (takeStaged bool, err error) {
	if b.complete(b.chunkPath(queued, id)) {
		if err := b.fs.Remove(b.chunkPath(staged, id)); err != nil {
			return false, fmt.Errorf("remove a chunk that was replaced: %w", err)
		}
		return false, nil
	}
	return true, b.quarantine(b.chunkPath(queued, id), fmt.Errorf("%w, and the staged file is there", ErrCorrupt))
}

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
// what the disk holds, because the ids in it will count as stored: pages that
// are not written yet are synced, then the cache is dropped, so that pages which
// a failed fsync left behind as clean are not believed.
func (b *Buffer) scanStaged(id event.ChunkID, s *scanner) (*Chunk, error) {
	path := b.chunkPath(staged, id)
	f, err := b.fs.Open(path, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("open a staged chunk: %w", err)
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, fmt.Errorf("open a staged chunk: %w", err)
	}
	syncErr := f.Sync()
	if err := f.DropCache(); err != nil {
		b.log.Warn("drop the cache of a staged chunk", "path", path, "error", err)
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
	if err != nil {
		return nil, b.refuse(path, err)
	}
	b.index.remember(origins, ids)
	c := b.resumed(v.head, path)
	c.fill(v, size)
	if syncErr != nil {
		c.failed = fmt.Errorf("sync chunk %s: %w", c.id, syncErr)
		c.cut.Store(c.synced.Load())
	}
	if v.torn != nil && !v.sealed {
		if err := b.keepTail(f, c, v.dataEnd, size, v.torn); err != nil {
			b.log.Error("keep a torn end", "error", err) // the events do not depend on it
		}
	}
	return c, nil
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

// takeUp puts the chunks where they belong, oldest first.
func (b *Buffer) takeUp(chunks []*Chunk) {
	sortChunks(chunks)
	var leaving []*Chunk
	b.mu.Lock()
	for _, c := range chunks {
		b.live[c.id] = c
		b.room.add(c.bytes)
		if c.unverified || c.foreign != nil {
			c.where = inQueue
			c.elem = b.queue.PushBack(c)
			continue
		}
		b.addStaged(c)
		if c.sealed || c.bytes == 0 || b.leavesAtOnce(c) {
			leaving = append(leaving, c)
		}
	}
	b.mu.Unlock()
	b.enqueueAll(leaving)
	if len(chunks) > 0 {
		b.log.Info("took up chunks of an earlier process", "chunks", len(chunks), "path", b.dir)
		b.signal()
	}
}

// leavesAtOnce reports whether a staged chunk of an earlier process is queued
// right away: nothing will be added to it, and no slice of time ends for it; or
// it was written under another configuration.
func (b *Buffer) leavesAtOnce(c *Chunk) bool {
	return !c.meta.HasTimekey || b.config().Timekey <= 0 || c.fingerprint != b.fingerprint
}

// sortChunks orders by age: an id begins with the time at which it was made.
func sortChunks(chunks []*Chunk) {
	slices.SortFunc(chunks, func(a, b *Chunk) int { return slices.Compare(a.id[:], b.id[:]) })
}

func byName(a, b Entry) int { return cmp.Compare(a.Name, b.Name) }

// awaitFolder takes up the rest of the folder when the process that had it lets
// go: the end of a hand-over.
func (b *Buffer) awaitFolder() {
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		select {
		case <-b.closing:
			return
		case <-again.C:
		}
		lock, err := b.fs.Lock(filepath.Join(b.dir, "."+b.prefix+"lock"))
		if errors.Is(err, ErrLocked) {
			continue
		}
		if err == nil {
			b.lock = lock
			err = b.resume()
		}
		if err != nil {
			b.log.Error("take up the chunks of the process before", "error", err)
			b.health.fail(err)
		}
		close(b.adopted)
		return
	}
}

// Adopted is closed when the chunks in the folder have been taken up: at once,
// but for a hand-over.
func (b *Buffer) Adopted() <-chan struct{} { return b.adopted }
