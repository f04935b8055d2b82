package handler

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/sluicelog/sluice/internal/teleport"
)

// exportSource reads the log in bulk: each UTC date has chunks, a chunk's content
// never changes, and new chunks appear while the date lasts and some time after.
//
// One goroutine lists the chunks of the open dates and queues the unknown ones;
// workers read them, each from its own cursor (source_chunk.go). A chunk that
// fails goes back to the queue with a pause of its own and holds up nobody. The
// next date is opened when the newest has no unread chunk; a date that is more
// than two behind it, and whose events are all acknowledged, is closed.
type exportSource struct {
	cfg    sourceConfig
	ledger *ledger
	state  *exportState
	took   *takeover // from searching; nil: none. Does not change while workers run
	queue  chunkQueue
	notes  begunNotes

	mu    sync.Mutex // guards what follows
	dates map[string]*exportDate
}

// exportDate is one open date.
type exportDate struct {
	name   string
	day    time.Time
	done   map[string]bool // chunks that are complete on disk, or about to be
	chunks map[string]*exportChunk
	idle   bool // the last listing brought no unknown chunk
	gone   bool // its folder may be removed
}

const (
	pollInterval = 16 * time.Second
	dateBacklog  = 2 // dates before the newest that are still listed
)

func openExport(cfg sourceConfig, book *ledger) (*exportSource, error) {
	x := &exportSource{cfg: cfg, ledger: book, state: &exportState{dir: cfg.dir}, dates: map[string]*exportDate{}}
	x.queue.wake = make(chan struct{}, 1)
	book.laneMax = max(maxUnsettled/cfg.workers, 1)
	dates, own, err := x.state.load()
	if err != nil {
		return nil, err
	}
	notes, whole, err := x.state.loadBegun(cfg.identity.unnoted())
	if err != nil {
		return nil, err
	}
	if x.took, err = openTakeover(cfg, own.Switch, slices.Sorted(maps.Keys(dates))); err != nil {
		return nil, err
	}
	for name, found := range dates {
		day, err := time.Parse(time.DateOnly, name)
		if err != nil {
			return nil, err
		}
		x.resumeDate(x.addDate(day, found.completed), found, own, notes.Chunks)
	}
	// Without notes any chunk may have been begun; and searching may have sent what is
	// read first.
	book.inherit(!whole && (len(dates) > 0 || x.took != nil), notes.Recordings)
	x.notes.whole = whole
	return x, nil
}

// resumeDate takes up the chunks of a date that an earlier process has begun.
func (x *exportSource) resumeDate(d *exportDate, found *dateState, own exportFile, begun map[string]uint64) {
	for chunk, cursor := range found.cursors {
		x.resumeChunk(d, chunk, partialChunk{Cursor: cursor}, own.Partial[d.name+"/"+chunk], begun)
	}
	for _, key := range slices.Concat(slices.Collect(maps.Keys(own.Partial)), slices.Sorted(maps.Keys(begun))) {
		if date, chunk, _ := cutDate(key); date == d.name && d.chunks[chunk] == nil && !d.done[chunk] {
			x.resumeChunk(d, chunk, partialChunk{}, own.Partial[key], begun)
		}
	}
}

func cutDate(key string) (date, chunk string, ok bool) {
	const n = len(time.DateOnly)
	if len(key) <= n {
		return "", "", false
	}
	return key[:n], key[n+1:], true
}

func (x *exportSource) addDate(day time.Time, done map[string]bool) *exportDate {
	d := &exportDate{name: day.Format(time.DateOnly), day: day, done: done, chunks: map[string]*exportChunk{}}
	if d.done == nil {
		d.done = map[string]bool{}
	}
	x.dates[d.name] = d
	return d
}

// run lists and reads until ctx ends. Nothing that goes wrong with one listing
// or one chunk ends it, once the first date is open.
func (x *exportSource) run(ctx context.Context, deliver func(context.Context, *Read) error) error {
	if err := x.firstDate(ctx); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var workers sync.WaitGroup
	defer workers.Wait()
	defer stop()
	broken := make(chan error, x.cfg.workers)
	for range x.cfg.workers {
		workers.Go(func() {
			if err := x.work(ctx, deliver); err != nil {
				broken <- err
			}
		})
	}
	failures := 0
	for {
		finished := x.queue.count()
		wait := time.Duration(float64(pollInterval) * (6 + rand.Float64()) / 7) //nolint:gosec // no secret
		more, err := x.cycle(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			x.cfg.health.failing("teleport", err)
			x.cfg.log.Warn("Failed to list the chunks of the audit log, will try again", "error", err)
			wait = min(backoff(failures)*4, pollInterval)
			failures++
		case err == nil:
			x.cfg.health.ok("teleport")
			failures = 0
		}
		if err == nil && more {
			continue
		}
		if err == nil && x.cfg.exitOnLast && x.atLastEvent() {
			return x.unread()
		}
		if err := x.pause(ctx, wait, finished, broken); err != nil {
			return err
		}
	}
}

// pause waits for the next listing. When the next date may be due, or the end,
// it is over as soon as everything listed is read; finished is how many chunks
// were before the listing.
func (x *exportSource) pause(ctx context.Context, d time.Duration, finished int, broken <-chan error) error {
	var drained <-chan struct{}
	if x.behind() || x.cfg.exitOnLast {
		drained = x.queue.drained(finished)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case err := <-broken:
		return err
	case <-timer.C:
	case <-drained:
	}
	return nil
}

// firstDate opens the date that reading begins with.
func (x *exportSource) firstDate(ctx context.Context) error {
	x.mu.Lock()
	begun := len(x.dates) > 0
	x.mu.Unlock()
	if begun {
		return nil
	}
	day := x.cfg.start
	if x.took != nil {
		if err := x.beginTakeover(ctx); err != nil {
			return err
		}
		day = x.took.first
	}
	if err := x.keepNotes(); err != nil {
		return fmt.Errorf("begin notes: %w", err)
	}
	return x.openDate(day)
}

func (x *exportSource) openDate(day time.Time) error {
	day = day.UTC().Truncate(24 * time.Hour)
	if err := x.state.begin(day.Format(time.DateOnly)); err != nil {
		return fmt.Errorf("open date: %w", err)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.addDate(day, nil)
	return nil
}

// cycle lists every open date. more asks for another cycle at once.
func (x *exportSource) cycle(ctx context.Context) (more bool, err error) {
	var errs []error
	for _, d := range x.openDates() {
		if err := x.list(ctx, d); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", d.name, err))
		}
	}
	x.closeDates()
	newest := x.newest()
	x.cfg.checkClock(newest.day)
	if x.behind() && x.settledDate(newest) {
		errs = append(errs, x.openDate(newest.day.AddDate(0, 0, 1)))
		return true, errors.Join(errs...)
	}
	// A chunk that keeps failing may hold what an earlier process has sent.
	if x.atLastEvent() && x.unread() == nil {
		x.ledger.caughtUp()
	}
	return false, errors.Join(errs...)
}

func (x *exportSource) openDates() []*exportDate {
	x.mu.Lock()
	defer x.mu.Unlock()
	all := slices.SortedFunc(maps.Values(x.dates), func(a, b *exportDate) int { return a.day.Compare(b.day) })
	return slices.DeleteFunc(all, func(d *exportDate) bool { return d.gone })
}

func (x *exportSource) newest() *exportDate {
	all := x.openDates()
	return all[len(all)-1]
}

// list queues a date's unknown chunks.
func (x *exportSource) list(ctx context.Context, d *exportDate) error {
	x.mu.Lock()
	d.idle = false
	x.mu.Unlock()
	names := map[string]bool{}
	var order []string
	for name, err := range x.cfg.teleport.ExportChunks(ctx, d.day) {
		if teleport.IsNotImplemented(err) {
			return fmt.Errorf("the state folder was read in bulk, which the cluster does not offer any more; give it another storage path and a start time: %w", err)
		}
		if err != nil {
			return err
		}
		names[name] = true
		order = append(order, name)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	d.idle = true
	for _, name := range order {
		if c := d.chunks[name]; c != nil {
			if !c.queued && !c.read {
				x.enqueue(c)
			}
			continue
		}
		if !d.done[name] {
			d.idle = false
			x.enqueue(x.newChunk(d, name, mark{}))
		}
	}
	for name, c := range d.chunks {
		c.listed = names[name]
	}
	return nil
}

// settledDate reports that a date has no chunk left to read, but for those that
// keep failing.
func (x *exportSource) settledDate(d *exportDate) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return d.settled()
}

func (d *exportDate) settled() bool {
	if !d.idle {
		return false
	}
	for _, c := range d.chunks {
		if !c.read && c.failures < 3 {
			return false
		}
	}
	return true
}

// behind reports that the newest open date is a past one.
func (x *exportSource) behind() bool {
	return x.newest().day.AddDate(0, 0, 1).Before(time.Now())
}

// atLastEvent reports that everything listed has been read.
func (x *exportSource) atLastEvent() bool {
	if x.behind() {
		return false
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, d := range x.dates {
		if !d.gone && !d.settled() {
			return false
		}
	}
	return true
}

// unread is the error of a one-shot run that would have to leave chunks behind; nil
// when all are read.
func (x *exportSource) unread() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	var errs []error
	for _, d := range x.dates {
		for _, c := range d.chunks {
			if !c.read {
				errs = append(errs, fmt.Errorf("chunk %s of %s could not be read: %w", c.name, d.name, c.err))
			}
		}
	}
	if len(errs) > 0 {
		return &permanentError{errors.Join(errs...)}
	}
	return nil
}

// closeDates gives up the dates that are long past and done with.
func (x *exportSource) closeDates() {
	limit := x.newest().day.AddDate(0, 0, -dateBacklog)
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, d := range x.dates {
		if d.day.Before(limit) && d.idle && len(d.chunks) == 0 {
			d.gone = true
			x.ledger.touch()
		}
	}
}
