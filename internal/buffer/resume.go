package buffer

import (
	"cmp"
	"errors"
	"fmt"
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
	// A process that was killed may have left names that only the cache has. What
	// is found under them will count as stored, so they must be durable first.
	if err := b.syncFound(files); err != nil {
		return fmt.Errorf("sync the buffer folder: %w", err)
	}
	if err := b.index.load(); err != nil {
		// Without them an event may get in a second time; none is lost.
		b.log.Error("read the ids of delivered events", "error", err)
		b.meters.ioErrors.Inc()
	}
	if files.queued, err = b.finishTemps(files); err != nil {
		return err
	}
	b.takeUp(b.readAll(files))
	return nil
}

func (b *Buffer) syncFound(f found) error {
	if len(f.temps)+len(f.queued)+len(f.staged) == 0 {
		return nil
	}
	return b.fs.SyncDir(b.dir)
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
		whole, err := b.complete(temp)
		if err != nil {
			return nil, fmt.Errorf("finish a copy: %w", err)
		}
		if !whole {
			if err := b.fs.Remove(temp); err != nil {
				return nil, fmt.Errorf("remove an unfinished copy: %w", err)
			}
			continue
		}
		if slices.Contains(queuedNow, id) {
			err = b.setDamagedAside(id)
		}
		if err == nil {
			err = b.fs.Rename(temp, b.chunkPath(queued, id))
		}
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

// setDamagedAside moves a queued file, for which a copy of its good part waits, to
// the backup folder, unless it is whole.
func (b *Buffer) setDamagedAside(id event.ChunkID) error {
	path := b.chunkPath(queued, id)
	whole, err := b.complete(path)
	if err != nil || whole {
		return err
	}
	if err := b.fs.SyncDir(b.dir); err != nil { // the copy first
		return err
	}
	return b.quarantine(path, ErrCorrupt)
}

// complete reports whether a file is a chunk with a seal and nothing wrong, on the
// disk and not only in the cache: what it is a copy of will be removed.
func (b *Buffer) complete(path string) (bool, error) {
	f, err := b.fs.Open(path, os.O_RDWR, 0)
	if err != nil {
		return false, err
	}
	defer f.Close()
	if err := errors.Join(f.Sync(), f.DropCache()); err != nil {
		return false, err
	}
	size, err := f.Size()
	if err != nil {
		return false, err
	}
	v, err := scanChunk(newScanner(f, size, true), nil)
	if err != nil && !errors.Is(err, errHead) {
		return false, err
	}
	return err == nil && v.sealed && v.torn == nil, nil
}

// readAll opens queued chunks and scans staged ones, several at a time. A file that
// the disk does not let us read is left where it is: it must not keep the others
// from leaving.
func (b *Buffer) readAll(f found) []*Chunk {
	var mu sync.Mutex
	var chunks []*Chunk
	keep := func(c *Chunk, err error) {
		if err != nil {
			b.log.Error("a chunk stays where it is until the next start", "error", err)
			b.meters.ioErrors.Inc()
			b.health.fail(err)
		}
		mu.Lock()
		defer mu.Unlock()
		if c != nil {
			chunks = append(chunks, c)
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
	return chunks
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
	whole, err := b.complete(b.chunkPath(queued, id))
	if err != nil {
		return false, fmt.Errorf("compare a queued chunk with the staged one: %w", err)
	}
	if whole {
		if err := b.fs.Remove(b.chunkPath(staged, id)); err != nil {
			return false, fmt.Errorf("remove a chunk that was replaced: %w", err)
		}
		return false, nil
	}
	return true, b.quarantine(b.chunkPath(queued, id), fmt.Errorf("%w, and the staged file is there", ErrCorrupt))
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
	for _, c := range leaving { // the start does not wait for their seals
		if b.unstage(c) {
			b.sealLater(c)
		}
	}
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
