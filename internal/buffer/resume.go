package buffer

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"

	"github.com/sluicelog/sluice/internal/event"
)

// What an earlier process left is taken up id by id (left.go): a file that replaces
// another (a temporary one that is complete), a queued chunk, a staged one, what
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
	left []*left
	seen []Entry // all names; the files of ids are among them
}

func (b *Buffer) resume() error {
	b.backup.fs, b.backup.dir, b.backup.perm = b.fs, b.backupDir, b.dirPerm
	if !b.durable() {
		b.backup.fs = Disk()
		return nil
	}
	before := b.backup.size()
	b.room.add(b.backup.measure() - before)
	files, err := b.find()
	if err != nil {
		return err
	}
	// A process that was killed may have left names that only the cache has. What
	// is found under them will count as stored, so they must be durable first.
	if len(files.left) > 0 {
		if err := b.fs.SyncDir(b.dir); err != nil {
			return fmt.Errorf("sync the buffer folder: %w", err)
		}
	}
	if err := b.index.load(files.seen); err != nil {
		b.log.Error("the ids of delivered events cannot be read; batches with ids have to wait", "error", err)
		b.meters.ioErrors.Inc()
		b.wakeMender()
	}
	b.takeUp(b.readAll(files.left))
	b.mu.Lock()
	b.mine = nil
	b.mu.Unlock()
	return nil
}

// find sorts the names in the folder.
func (b *Buffer) find() (found, error) {
	entries, err := b.fs.ReadDir(b.dir)
	if err != nil {
		return found{}, fmt.Errorf("list the buffer folder: %w", err)
	}
	b.mu.Lock()
	own := maps.Clone(b.mine) // whatever is in the list was noted before it was made
	b.mu.Unlock()
	foreign, err := b.findForeign(entries)
	if err != nil {
		return found{}, err
	}
	// Fluentd's files can end in .chunk too, if path_suffix says so.
	theirs := map[string]bool{}
	for _, x := range foreign {
		theirs[filepath.Base(x.paths[0])] = filepath.Dir(x.paths[0]) == b.dir
	}
	byID := map[event.ChunkID]*left{}
	for _, e := range entries {
		if !e.Dir && !theirs[e.Name] {
			b.sortName(e.Name, own, byID)
		}
	}
	f := found{seen: entries}
	for _, x := range foreign {
		if l := byID[x.id]; l != nil && l.foreign == nil {
			l.foreign = x
			continue
		}
		f.left = append(f.left, &left{id: x.id, foreign: x})
	}
	f.left = slices.AppendSeq(f.left, maps.Values(byID))
	slices.SortFunc(f.left, func(a, b *left) int { return slices.Compare(a.id[:], b.id[:]) })
	return f, nil
}

// sortName adds a name to what is known of its id, if it is a chunk's.
func (b *Buffer) sortName(name string, own map[event.ChunkID]bool, byID map[event.ChunkID]*left) {
	state, id, isChunk := parseName(name, b.prefix, chunkSuffix)
	if !isChunk {
		var isTemp bool
		if _, id, isTemp = parseName(name, b.prefix, tempSuffix); !isTemp {
			return
		}
	}
	if own[id] {
		return
	}
	l := byID[id]
	if l == nil {
		l = &left{id: id}
		byID[id] = l
	}
	l.temp = l.temp || !isChunk
	l.queued = l.queued || isChunk && state == queued
	l.staged = l.staged || isChunk && state == staged
}

// readAll takes up what was left, several at a time. What the disk does not let us
// read stays where it is and is tried again: it must not keep the others from
// leaving.
func (b *Buffer) readAll(all []*left) []*Chunk {
	var mu sync.Mutex
	var chunks []*Chunk
	var unread []*left
	var why error
	inParallel(len(all), func(i int, s *scanner) {
		c, err := b.take(all[i], s)
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			unread, why = append(unread, all[i]), err
		} else if c != nil {
			chunks = append(chunks, c)
		}
	})
	if why != nil {
		b.log.Error("files of an earlier process cannot be read; they are tried again", "files", len(unread), "error", why)
		b.meters.ioErrors.Add(float64(len(unread)))
	}
	b.setUnread(unread, why)
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
