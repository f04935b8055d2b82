package output

import (
	"sync"
	"time"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/event"
)

// ownRetries keeps a back-off for each chunk that failed, so that one which
// always fails goes behind the others instead of holding them up. The limits of
// retries hold for it, too: each success of another one ends the output's retry.
type ownRetries struct {
	mu     sync.Mutex
	chunks map[event.ChunkID]*ownRetry
}

type ownRetry struct {
	since    time.Time // its first failure
	failures int
	next     time.Time
}

func (r *ownRetries) failed(f *Flush, id event.ChunkID, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.chunks == nil {
		r.chunks = map[event.ChunkID]*ownRetry{}
	}
	own := r.chunks[id]
	if own == nil {
		own = &ownRetry{since: now}
		r.chunks[id] = own
	}
	own.next = now.Add(f.wait(own.failures))
	if end := own.since.Add(f.RetryTimeout); !f.RetryForever && own.next.After(end) {
		own.next = end
	}
	own.failures++
}

// over reports whether a chunk has had all of its retries.
func (r *ownRetries) over(f *Flush, id event.ChunkID, now time.Time) bool {
	return !f.RetryForever && r.past(f, id, now, 1)
}

// secondary reports whether it is the secondary's turn for a chunk.
func (r *ownRetries) secondary(f *Flush, id event.ChunkID, now time.Time) bool {
	return r.past(f, id, now, f.SecondaryFraction)
}

// past reports whether that part of a chunk's retries was made.
func (r *ownRetries) past(f *Flush, id event.ChunkID, now time.Time, part float64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	own := r.chunks[id]
	switch {
	case own == nil:
		return false
	case f.RetryMaxTimes >= 0:
		return float64(own.failures) > float64(f.RetryMaxTimes)*part
	}
	return !now.Before(own.since.Add(time.Duration(float64(f.RetryTimeout) * part)))
}

func (r *ownRetries) forget(id event.ChunkID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.chunks, id)
}

// pick dequeues the first chunk whose own back-off is over; else it says when
// the first one will be.
func (r *ownRetries) pick(b *buffer.Buffer, now time.Time) (*buffer.Chunk, time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var soonest time.Time
	c, _ := b.DequeueFunc(func(id event.ChunkID) bool {
		own := r.chunks[id]
		if own == nil || !own.next.After(now) {
			return true
		}
		if soonest.IsZero() || own.next.Before(soonest) {
			soonest = own.next
		}
		return false
	})
	return c, soonest
}
