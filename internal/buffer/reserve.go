package buffer

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/sluicelog/sluice/internal/event"
)

// Reservation is room for a batch. Exactly one of Write and Release ends it.
type Reservation struct {
	b     *Buffer
	batch *Batch
	room  int64  // bytes reserved
	claim *claim // nil when the batch has no ids
}

// Reserve checks that every event fits into a chunk and reserves room for all of
// them, or for none. Nothing is written. A full buffer does here what
// overflow_action says; with block it waits until ctx ends, or a little below 30
// seconds.
//
// Events that the buffer holds already, by their ids, need no room.
//
// Errors: [ErrTooLarge], [ErrFull], [ErrStaleSource], [ErrClosed], ctx's.
func (b *Buffer) Reserve(ctx context.Context, batch *Batch) (*Reservation, error) {
	if b.isClosed() {
		return nil, ErrClosed
	}
	if err := b.checkSizes(batch); err != nil {
		return nil, err
	}
	if err := b.awaitIDs(ctx, batch); err != nil {
		return nil, err
	}
	claim, err := b.index.claim(batch)
	if err != nil {
		return nil, err
	}
	n := batch.Bytes() - claim.skipped()
	if err := b.makeRoom(ctx, n); err != nil {
		b.index.release(claim, err)
		return nil, err
	}
	return &Reservation{b: b, batch: batch, room: n, claim: claim}, nil
}

func (b *Buffer) isClosed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}

// checkSizes refuses a batch that holds an event which no chunk can.
func (b *Buffer) checkSizes(batch *Batch) error {
	limit := min(b.config().ChunkLimitSize, maxFrame/2)
	for i := range batch.Groups {
		g, from := &batch.Groups[i], 0
		for j, end := range g.Ends {
			if end < from || end > len(g.Body) {
				return fmt.Errorf("append to the buffer: event %d ends at %d of %d", j, end, len(g.Body))
			}
			if int64(end-from) > limit {
				return &TooLargeError{Size: int64(end - from), Index: j, Limit: limit}
			}
			from = end
		}
		if from != len(g.Body) || len(g.IDs) != 0 && len(g.IDs) != len(g.Ends) {
			return fmt.Errorf("append to the buffer: %d events, %d ids, end at %d of %d", len(g.Ends), len(g.IDs), from, len(g.Body))
		}
	}
	return nil
}

// Release gives the room back; nothing was written.
func (r *Reservation) Release() {
	r.b.index.release(r.claim, nil)
	r.b.room.add(-r.room)
}

// Append reserves, writes and waits until the batch is durable.
func (b *Buffer) Append(ctx context.Context, batch *Batch) error {
	r, err := b.Reserve(ctx, batch)
	if err != nil {
		return err
	}
	t, err := r.Write()
	if err != nil {
		return err
	}
	return t.Wait(ctx)
}

// Write writes the batch into chunks, without waiting for the disk. After an
// error some groups may have been written; the sender has to send all again.
func (r *Reservation) Write() (Ticket, error) {
	b := r.b
	w := writer{b: b, claim: r.claim, origin: r.claim.from()}
	var err error
	for i := range r.batch.Groups {
		if err = w.group(i, &r.batch.Groups[i]); err != nil {
			break
		}
	}
	b.totals.bytes.Add(w.bytes)
	b.totals.events.Add(w.events)
	// What the packing saved, and what was not written, is given back.
	b.room.add(w.bytes - r.room)
	t := Ticket{b: b, first: w.first, more: w.more, waits: r.claim.others()}
	if w.first.chunk != nil {
		t.group = b.commit.join(w.first, w.more, w.claims)
	}
	b.index.written(r.claim, w.claims, t, err)
	for _, c := range w.full {
		b.sealLater(c)
	}
	if err != nil {
		b.commit.start() // nobody waits; but somebody may, for the ids of what was written
		if !errors.Is(err, ErrFull) && !errors.Is(err, ErrClosed) {
			b.health.fail(err)
		}
		return Ticket{}, fmt.Errorf("append to the buffer: %w", err)
	}
	return t, nil
}

// writer is the state of one Write.
type writer struct {
	b      *Buffer
	claim  *claim
	origin origin
	bytes  int64
	events int64
	first  part
	more   []part
	claims []*claimPart
	full   []*Chunk // to be sealed when all is written
}

// group writes one group, into as many chunks as it takes.
func (w *writer) group(i int, g *Group) error {
	rest := newRemainder(g, w.claim.group(i), w.b.config().Compress)
	for rest.events() > 0 {
		c, err := w.b.staged(&g.Meta)
		if err != nil {
			return err
		}
		if err := w.into(c, rest); err != nil {
			return err
		}
	}
	return nil
}

// into writes what fits into one chunk; nothing when the chunk has just been
// closed to data, or has no room left, in which case it is closed here.
func (w *writer) into(c *Chunk, rest *remainder) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	if c.takes {
		n = w.b.fits(c, rest)
	}
	var err error
	if n > 0 {
		err = w.write(c, rest, n)
	}
	if n == 0 || !c.takes || w.b.isFull(c) {
		c.takes = false
		if w.b.unstage(c) {
			w.full = append(w.full, c)
		}
	}
	return err
}

func (w *writer) write(c *Chunk, rest *remainder, n int) error {
	p, err := rest.piece(n, w.origin)
	if err != nil {
		return err
	}
	before := c.bytes
	err = c.append(p)
	switch {
	case err == nil:
		w.bytes += c.bytes - before
		w.events += int64(n)
		w.wrote(part{c, c.end}, rest.took(n))
	case c.doubt.Load(): // the frame may be there all the same
		w.wrote(part{c, math.MaxInt64}, rest.took(n))
	}
	return err
}

// wrote adds a part to what the next commit has to settle.
func (w *writer) wrote(made part, ids []event.ID) {
	if w.first.chunk == nil {
		w.first = made
	} else {
		w.more = append(w.more, made)
	}
	if len(ids) > 0 {
		w.claims = append(w.claims, &claimPart{claim: w.claim, ids: ids, part: made})
	}
}

// fits is how many of the remaining events the chunk can take. The first event
// of a chunk always fits: its size has been checked.
func (b *Buffer) fits(c *Chunk, rest *remainder) int {
	n := min(rest.events(), maxFrame/2/len(event.ID{})-originSize)
	if limit := b.config().ChunkLimitRecords; limit > 0 {
		n = min(n, max(limit-int(c.events), 0))
	}
	return rest.within(n, min(b.config().ChunkLimitSize-c.bytes, maxFrame/2))
}

func (b *Buffer) isFull(c *Chunk) bool {
	full := b.config().ChunkFullThreshold
	return float64(c.bytes) >= full*float64(b.config().ChunkLimitSize) ||
		b.config().ChunkLimitRecords > 0 && float64(c.events) >= full*float64(b.config().ChunkLimitRecords)
}

// staged is the chunk that takes events of meta; it is made when there is none.
func (b *Buffer) staged(meta *event.Meta) (*Chunk, error) {
	key := keyOf(meta)
	b.mu.Lock()
	c, closed := b.stage[key], b.closed
	b.mu.Unlock()
	if c != nil {
		return c, nil
	}
	if closed {
		return nil, ErrClosed
	}
	return b.newChunk(key, meta)
}

// newChunk makes a chunk and stages it. One at a time: at the turn of a slice all
// requests want the same new chunk at once.
func (b *Buffer) newChunk(key stageKey, meta *event.Meta) (*Chunk, error) {
	b.making.Lock()
	defer b.making.Unlock()
	b.mu.Lock()
	other, closed, fingerprint := b.stage[key], b.closed, b.fingerprint
	b.mu.Unlock()
	if other != nil {
		return other, nil
	}
	if closed {
		return nil, ErrClosed
	}
	now := b.now()
	c := &Chunk{
		b: b, id: event.NewChunkID(now), key: key, salt: rand.Uint32(), created: now, born: b.elapsed(),
		meta: cloneMeta(meta), fingerprint: fingerprint,
	}
	c.lastAppend.Store(int64(c.born))
	c.cut.Store(math.MaxInt64)
	c.meta.ChunkID = c.id
	c.key.tag = c.meta.Tag // the caller's may be overwritten
	c.path = b.chunkPath(staged, c.id)
	b.opened.evict()
	b.mu.Lock()
	if b.mine != nil {
		b.mine[c.id] = true // before the file is there, or its name is taken for another process's
	}
	b.mu.Unlock()
	if err := c.create(); err != nil {
		return nil, err
	}
	b.mu.Lock()
	b.stage[c.key], b.live[c.id] = c, c
	b.addStaged(c)
	b.mu.Unlock()
	b.opened.add(c)
	return c, nil
}

// cloneMeta copies what would otherwise point into a request's memory.
func cloneMeta(m *event.Meta) event.Meta {
	clone := *m
	clone.Tag = string([]byte(m.Tag))
	clone.Variables = nil
	for _, v := range m.Variables {
		clone.Variables = append(clone.Variables, event.Variable{Key: string([]byte(v.Key)), Value: cloneVariable(v.Value)})
	}
	return clone
}

// cloneVariable goes through msgpack, which is how a variable is kept.
func cloneVariable(v any) any {
	if clone, _, err := event.ReadMsgpack(event.AppendMsgpack(nil, v)); err == nil {
		return clone
	}
	return event.Text(v)
}

// unstage takes a chunk out of the stage: later events of its key get a new one.
// Whoever is answered true has to seal the chunk.
func (b *Buffer) unstage(c *Chunk) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.where != inStage {
		return false
	}
	if b.stage[c.key] == c {
		delete(b.stage, c.key)
	}
	b.schedule.byAge.Remove(c.elem)
	c.elem, c.where = nil, inSealing
	b.sealing[c] = true
	return true
}
