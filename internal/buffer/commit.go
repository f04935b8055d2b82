package buffer

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Group commit. Appends mark their chunks dirty in the group that is gathering;
// a commit takes that group, opens a fresh one, syncs the group's files and
// wakes everybody who waits for it. While one commit runs the next group fills,
// so the number of fsyncs is set by the disk and not by the number of requests.
//
// When no commit runs, whoever waits first does it himself: a lone client pays
// an fsync and no change of goroutines. When there is more to do afterwards, the
// buffer's committer goes on.

// syncsAtOnce is how many files one commit syncs in parallel. More were slower.
const syncsAtOnce = 16

// group is what one commit makes durable.
type group struct {
	chunks  []*Chunk
	claims  []*claimPart
	tickets atomic.Int32
	done    chan struct{}
}

type committer struct {
	b    *Buffer
	kick chan struct{} // the background has something to do
	quit chan struct{}
	bg   sync.WaitGroup

	mu       sync.Mutex
	open     *group
	running  bool // somebody commits, or has been told to
	dirDirty bool // names were removed since the folder was last synced
	stopped  bool // there is no background any more

	rounds sync.Mutex // one commit at a time
}

func newCommitter(b *Buffer) *committer {
	k := &committer{b: b, kick: make(chan struct{}, 1), quit: make(chan struct{}), open: newGroup()}
	k.bg.Go(k.background)
	return k
}

func newGroup() *group { return &group{done: make(chan struct{})} }

func (g *group) add(c *Chunk) {
	if c.group != g {
		c.group = g
		g.chunks = append(g.chunks, c)
	}
}

// join marks chunks dirty and returns the group that will sync them. It is
// called after the data were written, so the group's fsync covers them.
func (k *committer) join(first part, more []part, claims []*claimPart) *group {
	k.mu.Lock()
	defer k.mu.Unlock()
	g := k.open
	g.add(first.chunk)
	for _, p := range more {
		g.add(p.chunk)
	}
	g.claims = append(g.claims, claims...)
	g.tickets.Add(1)
	return g
}

// wait returns when g has been committed.
func (k *committer) wait(ctx context.Context, g *group) error {
	if k.mine(g) {
		k.round(g)
		k.next()
		return nil
	}
	select {
	case <-g.done:
		return nil
	case <-ctx.Done():
		k.start() // whoever left may have been the only one to wait
		return fmt.Errorf("wait for the disk: %w", ctx.Err())
	}
}

// mine reports whether the caller shall commit g himself.
func (k *committer) mine(g *group) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.open != g || k.running && !k.stopped {
		return false
	}
	if !k.stopped && k.b.config().CommitDelay > 0 {
		k.running = true
		k.kick <- struct{}{}
		return false
	}
	k.running = true
	k.open = newGroup()
	return true
}

// next hands over to the background when there is more to do.
func (k *committer) next() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.stopped && (len(k.open.chunks) > 0 || k.dirDirty) {
		k.kick <- struct{}{} // running stays true, so there is room for one kick
		return
	}
	k.running = false
}

// start sees to it that what is dirty now will be committed.
func (k *committer) start() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.running && !k.stopped && (len(k.open.chunks) > 0 || k.dirDirty) {
		k.running = true
		k.kick <- struct{}{}
	}
}

// unlinked notes that a name was removed; the folder is synced in the next round.
func (k *committer) unlinked() {
	k.mu.Lock()
	k.dirDirty = true
	k.mu.Unlock()
	k.start()
}

func (k *committer) background() {
	for {
		select {
		case <-k.quit:
			return
		case <-k.kick:
		}
		for g := k.take(); g != nil; g = k.take() {
			k.round(g)
			// Requests that are ready to run join the next group first: fewer and
			// larger groups cost less, and nobody waits who could not have run.
			runtime.Gosched()
		}
	}
}

// take is the group to commit next, or nil when there is nothing to do.
func (k *committer) take() *group {
	if d := k.b.config().CommitDelay; d > 0 {
		select {
		case <-time.After(d):
		case <-k.quit:
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	g := k.open
	if len(g.chunks) == 0 && !k.dirDirty {
		k.running = false
		return nil
	}
	k.open = newGroup()
	return g
}

// round commits one group. Tickets are answered before anything else is done, but
// for the repair of what failed.
func (k *committer) round(g *group) {
	k.rounds.Lock()
	defer k.rounds.Unlock()
	began := k.b.elapsed()
	failed := k.syncFiles(g.chunks)
	err := k.syncNew(g.chunks)
	if err != nil {
		failed = append(failed, k.unnamed(g.chunks, err)...)
	}
	for _, c := range failed {
		k.b.closeFailed(c)
	}
	if len(failed) > 0 {
		// Whoever is told of a failure may send again at once: then the ids of what
		// failed must not be pending any more.
		k.b.index.settle(g.claims)
	}
	close(g.done)
	k.b.totals.commits.Add(1)
	k.b.totals.files.Add(int64(len(g.chunks)))
	k.b.totals.tickets.Add(int64(g.tickets.Load()))
	k.b.meters.round(k.b.elapsed()-began, len(g.chunks), int(g.tickets.Load()))
	if len(failed) == 0 {
		k.b.index.settle(g.claims)
		if len(g.chunks) > 0 {
			k.b.health.ok()
		}
	}
	k.syncRemoved()
	k.b.opened.evict() // files are clean now
}

// syncFiles syncs the files and returns those that failed.
func (k *committer) syncFiles(chunks []*Chunk) (failed []*Chunk) {
	if len(chunks) == 1 {
		if chunks[0].sync() != nil {
			failed = chunks
		}
		return failed
	}
	var next atomic.Int32
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range min(len(chunks), syncsAtOnce) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(chunks); i = int(next.Add(1)) - 1 {
				if chunks[i].sync() != nil {
					mu.Lock()
					failed = append(failed, chunks[i])
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return failed
}

// syncNew makes the names of new files durable: one fsync of the folder for all
// of them.
func (k *committer) syncNew(chunks []*Chunk) error {
	synced := false
	for _, c := range chunks {
		// A folder whose fsync failed is not asked again about the same file.
		if c.named.Load() || c.cause() != nil {
			continue
		}
		if !synced {
			k.mu.Lock()
			k.dirDirty = false // names removed before now are covered; later ones set it again
			k.mu.Unlock()
			if err := k.b.fs.SyncDir(k.b.dir); err != nil {
				return fmt.Errorf("sync the buffer folder: %w", err)
			}
			synced = true
		}
		c.named.Store(true)
	}
	return nil
}

// unnamed gives up the chunks whose names could not be made durable. Nothing in
// them was ever acknowledged.
func (k *committer) unnamed(chunks []*Chunk, err error) (failed []*Chunk) {
	for _, c := range chunks {
		if !c.named.Load() {
			c.poison(err)
			failed = append(failed, c)
		}
	}
	return failed
}

// syncRemoved makes removals durable, after those who wait have been answered.
func (k *committer) syncRemoved() {
	k.mu.Lock()
	dirty := k.dirDirty
	k.dirDirty = false
	k.mu.Unlock()
	if !dirty {
		return
	}
	if err := k.b.fs.SyncDir(k.b.dir); err != nil {
		// A chunk that comes back is found delivered by its note or by its store.
		k.b.log.Error("sync the buffer folder after removals", "error", err)
		k.b.meters.ioErrors.Inc()
	}
}

// close stops the background and commits what is left. A Write that is still
// under way afterwards commits for itself.
func (k *committer) close() {
	close(k.quit)
	k.bg.Wait()
	k.mu.Lock()
	k.stopped = true
	k.mu.Unlock()
	for g := k.take(); g != nil; g = k.take() {
		k.round(g)
	}
}

// part is where the events of a ticket went in one chunk.
type part struct {
	chunk *Chunk
	end   int64
}

// Ticket is the promise that what Write wrote will be durable. The zero ticket
// has nothing to wait for.
type Ticket struct {
	b     *Buffer
	group *group
	first part
	more  []part
	waits []*claim // of other requests that hold the same events
}

// Start lets the commit begin without waiting for it, so that a request which
// went into several buffers waits for their disks at the same time.
func (t Ticket) Start() {
	if t.group != nil {
		t.b.commit.start()
	}
}

// Wait returns nil when every event is durable. An error means that some may be
// lost: the sender has to send again. When ctx ends first the events may be
// durable all the same.
func (t Ticket) Wait(ctx context.Context) error {
	if t.group != nil {
		if err := t.waitOwn(ctx); err != nil {
			return err
		}
	}
	for _, c := range t.waits {
		if err := c.wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (t Ticket) waitOwn(ctx context.Context) error {
	if err := t.b.commit.wait(ctx, t.group); err != nil {
		return err
	}
	if err := t.first.check(); err != nil {
		return err
	}
	for _, p := range t.more {
		if err := p.check(); err != nil {
			return err
		}
	}
	return nil
}

func (p part) check() error {
	if p.chunk == nil || p.chunk.durable(p.end) {
		return nil
	}
	return p.chunk.whyLost()
}
