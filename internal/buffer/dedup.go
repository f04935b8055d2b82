package buffer

import (
	"fmt"
	"sync"
	"time"

	"github.com/sluicelog/sluice/internal/event"
)

// index remembers which events the buffer has, so that a request which is sent
// again is answered and not stored again. docs/guarantees.md tells what for.
//
// An id is pending from Reserve until the commit that covers its event: a repeat
// waits for that commit and shares its result. Only what is durable is seen. If
// an append fails its ids are forgotten, else the retry of a failed append would
// be answered 200 and stored nowhere.
type index struct {
	b *Buffer

	mu      sync.Mutex
	pending map[pendingKey]*claim
	others  *window // ids that came without a source
	fields  *window // ids of fields, to count conflicts; nil without dedup_key
	sources map[uint64]*sourceIDs
	files   seenFiles
	warned  time.Duration // when the short window was last warned about

	unreadFiles  error // why some file of ids could not be read yet
	unreadChunks error // why some staged chunk could not
}

type pendingKey struct {
	source uint64
	id     event.ID
}

func newIndex(b *Buffer) *index {
	x := &index{
		b: b, pending: map[pendingKey]*claim{}, sources: map[uint64]*sourceIDs{},
		others: newWindow(b.config().DedupMaxKeys, b.config().DedupWindow),
	}
	if _, keyed := b.config().DedupField(); keyed {
		x.fields = newWindow(b.config().DedupMaxKeys, b.config().DedupWindow)
	}
	x.files.b = b
	return x
}

// claim looks up the ids of a batch and makes those that are new pending.
func (x *index) claim(batch *Batch) (*claim, error) {
	if !x.b.config().WantIDs(batch.Source) {
		return nil, nil
	}
	n := 0
	for i := range batch.Groups {
		n += len(batch.Groups[i].IDs)
	}
	from, err := x.admit(batch.Source)
	if err != nil || n == 0 {
		return nil, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.ready(); err != nil {
		return nil, err
	}
	c := &claim{x: x, origin: from, groups: make([]kept, len(batch.Groups))}
	ids := make([]event.ID, 0, n)
	for i := range batch.Groups {
		g := &batch.Groups[i]
		if len(g.IDs) == 0 {
			c.groups[i] = kept{body: g.Body, ends: g.Ends}
			continue
		}
		ids = x.claimGroup(c, i, g, ids)
	}
	return c, nil
}

// claimGroup decides for each event of a group whether it is new. x.mu is held.
func (x *index) claimGroup(c *claim, at int, g *Group, ids []event.ID) []event.ID {
	k := &c.groups[at]
	begin, from := len(ids), 0
	whole := true // so far nothing was left out
	for i, end := range g.Ends {
		id := x.idOf(&g.IDs[i])
		if x.isNew(c, id, &g.IDs[i]) {
			ids = append(ids, id)
			if !whole {
				k.body = append(k.body, g.Body[from:end]...)
				k.ends = append(k.ends, len(k.body))
			}
		} else {
			if whole {
				whole = false
				k.body = append([]byte(nil), g.Body[:from]...)
				k.ends = append([]int(nil), g.Ends[:i]...)
			}
			c.saved += int64(end - from)
			x.b.meters.duplicates.Inc()
		}
		from = end
	}
	if whole {
		k.body, k.ends = g.Body, g.Ends
	}
	k.ids = ids[begin:len(ids):len(ids)]
	return ids
}

// idOf is what an event is remembered by: its content, which says more than the
// field that names it. Zero when it has no id.
func (x *index) idOf(e *EventID) event.ID {
	if e.ID == (event.ID{}) || e.Content == (event.ID{}) {
		return e.ID
	}
	return e.Content
}

// isNew looks an event up, and makes it pending when it is new.
func (x *index) isNew(c *claim, id event.ID, e *EventID) bool {
	if id == (event.ID{}) {
		x.b.meters.unnamed.Inc()
		return true
	}
	if x.seen(c.origin, id) {
		if c.origin.source != 0 {
			x.sources[c.origin.source].again(c.origin.generation, id)
		}
		return false
	}
	key := pendingKey{c.origin.source, id}
	if other := x.pending[key]; other != nil {
		other.newest = max(other.newest, c.origin.generation)
		// The same event twice in one batch needs no wait.
		if other != c && (len(c.waits) == 0 || c.waits[len(c.waits)-1] != other) {
			c.waits = append(c.waits, other)
		}
		return false
	}
	x.pending[key] = c
	if x.fields != nil && e.ID != e.Content {
		if x.fields.has(e.ID) {
			x.b.meters.conflicts.Inc()
		}
		x.fields.add(e.ID, x.b.elapsed())
	}
	return true
}

// seen reports whether an event is durable in the buffer, or was delivered.
func (x *index) seen(from origin, id event.ID) bool {
	if from.source == 0 {
		return x.others.has(id)
	}
	return x.sources[from.source].has(id)
}

// release gives a claim up before anything was written; cause, which may be nil,
// is what those get who wait for it.
func (x *index) release(c *claim, cause error) {
	if c == nil {
		return
	}
	if cause == nil {
		cause = fmt.Errorf("%w: the request that held the same events was given up", ErrFull)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.drop(c, nil)
	c.end(Ticket{}, cause)
}

// written ends the writing of a claim: parts is what was written of it. err is
// not nil when that is not all.
func (x *index) written(c *claim, parts []*claimPart, t Ticket, err error) {
	if c == nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if err != nil {
		x.drop(c, parts)
	}
	t.waits = nil // whoever waits for us waits for our events only
	c.end(t, err)
}

// drop forgets the pending ids of a claim, but for those in parts, which the
// commit settles. x.mu is held.
func (x *index) drop(c *claim, parts []*claimPart) {
	kept := map[event.ID]bool{}
	for _, p := range parts {
		for _, id := range p.ids {
			kept[id] = true
		}
	}
	for _, g := range c.groups {
		for _, id := range g.ids {
			if key := (pendingKey{c.origin.source, id}); !kept[id] && x.pending[key] == c {
				delete(x.pending, key)
			}
		}
	}
}

// settle turns the ids of a commit from pending to seen, or forgets them when
// their events were not made durable. As long as nobody knows whether they were
// they stay pending: whoever sends them again is told the same.
func (x *index) settle(parts []*claimPart) {
	for _, p := range parts {
		durable := p.part.chunk.durable(p.part.end)
		x.mu.Lock()
		doubtful := !durable && p.part.chunk.doubt.Load()
		if doubtful {
			p.part.chunk.claimed = append(p.part.chunk.claimed, p)
		}
		for _, id := range p.ids {
			if id == (event.ID{}) {
				continue
			}
			if durable {
				x.add(origin{p.claim.origin.source, max(p.claim.origin.generation, p.claim.newest)}, id)
			}
			if !durable && doubtful {
				continue
			}
			if key := (pendingKey{p.claim.origin.source, id}); x.pending[key] == p.claim {
				delete(x.pending, key)
			}
		}
		x.mu.Unlock()
	}
	if len(parts) > 0 {
		x.report()
	}
}

// free forgets the ids that were pending because of a chunk's doubt. c.mu is held.
func (x *index) free(c *Chunk) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, p := range c.claimed {
		for _, id := range p.ids {
			if key := (pendingKey{p.claim.origin.source, id}); x.pending[key] == p.claim {
				delete(x.pending, key)
			}
		}
	}
	c.claimed = nil
}

// add remembers an event that is durable. x.mu is held.
func (x *index) add(from origin, id event.ID) {
	if from.source == 0 {
		x.others.add(id, x.b.elapsed())
		return
	}
	x.source(from.source).add(from.generation, id, x.b)
}

// remember adds what was found in a chunk of an earlier process.
func (x *index) remember(origins []origin, ids []event.ID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i, id := range ids {
		if id != (event.ID{}) {
			x.add(origins[i], id)
		}
	}
}

// shortWindowEvery is how often a window that memory does not cover is warned of.
const shortWindowEvery = time.Hour

// report sets the gauges, and warns when memory covers less than it should.
func (x *index) report() {
	keys, _ := x.size()
	x.mu.Lock()
	covers, short := x.others.covers(x.b.elapsed())
	x.b.meters.dedupKeys.Set(float64(keys))
	x.b.meters.dedupWindow.Set(covers.Seconds())
	due := short && (x.warned == 0 || x.b.elapsed()-x.warned > shortWindowEvery)
	if due {
		x.warned = x.b.elapsed()
	}
	x.mu.Unlock()
	if due {
		x.b.log.Warn("dedup_max_keys covers less time than dedup_window", "covers", covers, "dedup_window", x.b.config().DedupWindow)
	}
}

// size is how many ids are remembered, and how far back those without a source
// reach.
func (x *index) size() (keys int, window time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	keys = x.others.len()
	for _, s := range x.sources {
		keys += len(s.ids)
	}
	window, _ = x.others.covers(x.b.elapsed())
	return keys, window
}
