package handler

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sluicelog/sluice/internal/teleport"
)

// exportChunk is one chunk that is not complete on disk. What is guarded by the
// source's lock is written by whoever holds the chunk: the queue or one worker.
type exportChunk struct {
	date *exportDate
	name string
	lane *lane

	cursor string               // reading goes on behind it
	rows   int64                // events before it
	skip   int64                // events behind it that count as read
	acked  map[fingerprint]bool // acknowledged by an earlier process, behind cursor
	saved  string               // cursor on disk

	begun bool   // an event of it may have been sent: the notes are to name it
	since uint64 // and none before this generation
	noted bool   // and do
	ready bool   // and that lasts

	listed   bool // the cluster still names it
	queued   bool
	read     bool // to its end
	failures int
	barren   int   // of the failures, those since the last one behind which there was a new event
	failedAt int64 // rows at the last failure
	err      error
	due      time.Time
}

// A failing chunk is tried again after a pause that doubles between these.
const (
	firstChunkPause = time.Second
	maxChunkPause   = 90 * time.Second
	// stuckAfter is after how many failures without a new event in between it is shown
	// as one that may fail for ever; with new events it takes manyFailures.
	stuckAfter   = 6
	manyFailures = 30
)

// newChunk is called under the lock, or before there is company.
func (x *exportSource) newChunk(d *exportDate, name string, at mark) *exportChunk {
	c := &exportChunk{date: d, name: name, lane: x.ledger.open(at), cursor: at.cursor, rows: at.rows, saved: at.cursor, listed: true}
	d.chunks[name] = c
	return c
}

// resumeChunk takes up a chunk that was found on disk. Rows and acknowledged
// events are trusted when the cursor is the one that we wrote them for; the
// acknowledged ones are told by what they are, so they count in any case.
func (x *exportSource) resumeChunk(d *exportDate, name string, disk, own partialChunk, begun map[string]uint64) {
	at := mark{cursor: disk.Cursor}
	if own.Cursor == disk.Cursor || !flatName(name) {
		at = mark{cursor: own.Cursor, rows: own.Rows}
	}
	c := x.newChunk(d, name, at)
	c.acked = unpackPrints(own.Acked)
	c.since, c.begun = begun[c.key()]
	c.noted, c.ready = c.begun, c.begun
	c.lane.inherit(c.since)
	x.enqueue(c)
}

// enqueue is called under the lock, or before there is company.
func (x *exportSource) enqueue(c *exportChunk) {
	c.queued = true
	x.queue.push(c)
}

// work reads one chunk after the other. It ends with an error only when nobody
// takes events any more.
func (x *exportSource) work(ctx context.Context, deliver func(context.Context, *Read) error) error {
	for {
		c, err := x.queue.pop(ctx)
		if err != nil {
			return nil //nolint:nilerr // the end of ctx is a stop in order
		}
		stop := &stopped{}
		err = x.readChunk(ctx, c, deliver)
		if errors.As(err, &stop) || ctx.Err() != nil {
			return err
		}
		x.afterChunk(c, err)
	}
}

// stopped is an error of the consumer's side.
type stopped struct{ err error }

func (s *stopped) Error() string { return s.err.Error() }
func (s *stopped) Unwrap() error { return s.err }

// readChunk reads a chunk from where it stands to its end.
func (x *exportSource) readChunk(ctx context.Context, c *exportChunk, deliver func(context.Context, *Read) error) error {
	for {
		err := x.streamChunk(ctx, c, deliver)
		if !teleport.IsBadRequest(err) || c.cursor == "" {
			return err
		}
		// The cursor is of a form that is not understood any more. A chunk never
		// changes, so the same number of events stands before the place.
		x.cfg.log.Warn("The cluster does not take the old cursor of a chunk, reading it from its start", "date", c.date.name, "chunk", c.name, "skip", c.rows, "error", err)
		c.skip, c.cursor = c.rows, ""
	}
}

func (x *exportSource) streamChunk(ctx context.Context, c *exportChunk, deliver func(context.Context, *Read) error) error {
	for e, err := range x.cfg.teleport.ExportChunk(ctx, c.date.day, c.name, c.cursor) {
		if err == nil {
			err = x.begin(ctx, c)
		}
		if err != nil {
			return err
		}
		if e.Cursor != "" {
			c.cursor = e.Cursor
		}
		if c.skip > 0 {
			c.skip--
			continue
		}
		c.rows++
		if err := x.takeRow(ctx, c, e, deliver); err != nil {
			return &stopped{err}
		}
	}
	return nil
}

func (x *exportSource) takeRow(ctx context.Context, c *exportChunk, e teleport.Exported, deliver func(context.Context, *Read) error) error {
	m := mark{cursor: c.cursor, rows: c.rows}
	body := e.AppendJSON(nil)
	print := fingerprintOf(e.ID, body)
	if x.cfg.leaveOut(e.Event) || c.acked[print] || x.took.sent(c, e.Event, print) {
		c.lane.pass(m)
		return nil
	}
	p, err := c.lane.admit(ctx, entry{mark: m, print: print, at: e.Time, size: len(body)})
	if err != nil {
		return err
	}
	r := readOf(e.Event, body)
	r.place = p
	return deliver(ctx, r)
}

// afterChunk notes the end of a chunk, or puts it back for later.
func (x *exportSource) afterChunk(c *exportChunk, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	c.queued, c.err = false, err
	switch {
	case err == nil:
		c.ended()
		x.cfg.health.passed(stuckChunks, c.key())
	case teleport.IsNotFound(err) && !c.listed:
		x.lost(c)
	default:
		x.failed(c, err)
	}
	x.queue.finished()
}

// ended notes that nothing more of a chunk will be read.
func (c *exportChunk) ended() {
	c.read = true
	c.lane.readAgain()
}

// key names a chunk to people.
func (c *exportChunk) key() string { return c.date.name + "/" + c.name }

// lost gives up a chunk that nobody has any more.
func (x *exportSource) lost(c *exportChunk) {
	c.ended()
	x.cfg.health.passed(stuckChunks, c.key())
	x.cfg.log.Error("A chunk of the audit log is gone before it was read to its end, its other events are lost", "date", c.date.name, "chunk", c.name, "events_read", c.rows)
	if x.cfg.gone != nil {
		x.cfg.gone()
	}
}

// failed puts a chunk back for later.
func (x *exportSource) failed(c *exportChunk, err error) {
	c.failures++
	if c.barren++; c.rows > c.failedAt {
		c.barren, c.failedAt = 1, c.rows
	}
	pause := min(firstChunkPause<<min(c.failures-1, 8), maxChunkPause)
	x.cfg.log.Warn("Failed to read a chunk of the audit log, will try again", "date", c.date.name, "chunk", c.name, "events_read", c.rows, "failures", c.failures, "retry_in", pause, "error", err)
	if c.barren >= stuckAfter || c.failures >= manyFailures {
		x.cfg.health.failingOne(stuckChunks, c.key(), fmt.Errorf("after %d events: %w", c.rows, err))
	}
	c.due = time.Now().Add(pause)
	x.enqueue(c)
}

// chunkQueue hands out chunks in order, those that failed not before they are
// due.
type chunkQueue struct {
	mu      sync.Mutex // guards what follows
	waiting []*exportChunk
	busy    int
	total   int           // chunks finished so far
	empty   chan struct{} // closed when nothing is due or being read; nil: nobody waits

	wake chan struct{}
}

func (q *chunkQueue) push(c *exportChunk) {
	q.mu.Lock()
	q.waiting = append(q.waiting, c)
	q.mu.Unlock()
	q.signal()
}

func (q *chunkQueue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// pop waits for a chunk that is due.
func (q *chunkQueue) pop(ctx context.Context) (*exportChunk, error) {
	for {
		c, next := q.take()
		if c != nil {
			q.signal() // there may be more for the others
			return c, nil
		}
		timer := time.NewTimer(next)
		select {
		case <-q.wake:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		}
		timer.Stop()
	}
}

// take removes the first chunk that is due, or says when one will be.
func (q *chunkQueue) take() (*exportChunk, time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	next, now := time.Hour, time.Now()
	for i, c := range q.waiting {
		if wait := c.due.Sub(now); wait > 0 {
			next = min(next, wait)
			continue
		}
		q.waiting = append(q.waiting[:i], q.waiting[i+1:]...)
		q.busy++
		return c, 0
	}
	return nil, next
}

// finished is called after each chunk that was popped.
func (q *chunkQueue) finished() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.busy--
	q.total++
	if q.quiet() && q.empty != nil {
		close(q.empty)
		q.empty = nil
	}
}

func (q *chunkQueue) quiet() bool {
	if q.busy > 0 {
		return false
	}
	now := time.Now()
	for _, c := range q.waiting {
		if !c.due.After(now) {
			return false
		}
	}
	return true
}

func (q *chunkQueue) count() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.total
}

// drained is closed when nothing is left to read, once more chunks than before
// were finished.
func (q *chunkQueue) drained(before int) <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.empty == nil {
		q.empty = make(chan struct{})
	}
	empty := q.empty
	if q.total > before && q.quiet() {
		close(q.empty)
		q.empty = nil
	}
	return empty
}
