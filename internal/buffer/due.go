package buffer

import (
	"container/heap"
	"container/list"
	"maps"
	"slices"
	"sync"
	"time"
)

// lateWait is how long a chunk that is late from its first event on waits for
// more of them: without it a backfill would make one object for each event.
const lateWait = 10 * time.Second

// wallJump is how far the wall clock may stray from the monotonic one before all
// that is staged is looked at anew.
const wallJump = time.Second

// schedule knows the staged chunks by age and by when they are due, so that
// neither costs more with ten thousand chunks in the stage. Guarded by Buffer.mu.
type schedule struct {
	byAge *list.List // of *Chunk, oldest first
	byDue dueHeap
	wall  time.Time // what the wall clock should show at elapsed 0
}

type dueChunk struct {
	at    time.Duration // by the monotonic clock; the chunk is not due before
	chunk *Chunk
}

type dueHeap []dueChunk

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].at < h[j].at }
func (h dueHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *dueHeap) Push(x any)        { *h = append(*h, x.(dueChunk)) }
func (h *dueHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = dueChunk{}
	*h = old[:len(old)-1]
	return last
}

// dueIn is how long until a staged chunk leaves by its timekey; ok is false when
// it has none. At its end the slice waits timekey_wait. But never longer than a
// chunk of the present would: an event dated 2100, or a clock that was set back,
// must not stay for ever, and for that only the monotonic clock can be believed.
func (b *Buffer) dueIn(c *Chunk, now time.Time, elapsed time.Duration) (d time.Duration, ok bool) {
	if !c.meta.HasTimekey || b.config().Timekey <= 0 {
		return 0, false
	}
	longest := c.born + b.config().Timekey + b.config().TimekeyWait - elapsed
	end := time.Unix(c.meta.Timekey, 0).Add(b.config().Timekey + b.config().TimekeyWait)
	d = end.Sub(now.Round(0))
	if d <= 0 && !c.resumed && !c.created.Before(end) {
		d = time.Duration(c.lastAppend.Load()) + lateWait - elapsed
	}
	return min(d, longest), true
}

// addStaged puts a chunk on the schedule. b.mu is held.
func (b *Buffer) addStaged(c *Chunk) {
	s := &b.schedule
	first := s.byAge.Len() == 0
	c.elem = s.byAge.PushBack(c)
	now, elapsed := b.now(), b.elapsed()
	if d, ok := b.dueIn(c, now, elapsed); ok {
		heap.Push(&s.byDue, dueChunk{elapsed + d, c})
		first = first || s.byDue[0].chunk == c
	}
	if first {
		b.signal() // a flusher that sleeps must wake earlier
	}
}

// reschedule begins anew when the wall clock has jumped. b.mu is held.
func (b *Buffer) reschedule(now time.Time, elapsed time.Duration) {
	s := &b.schedule
	wall := now.Round(0).Add(-elapsed)
	if off := wall.Sub(s.wall); off.Abs() < wallJump {
		return
	}
	s.wall, s.byDue = wall, s.byDue[:0]
	for e := s.byAge.Front(); e != nil; e = e.Next() {
		if d, ok := b.dueIn(e.Value.(*Chunk), now, elapsed); ok {
			s.byDue = append(s.byDue, dueChunk{elapsed + d, e.Value.(*Chunk)})
		}
	}
	heap.Init(&s.byDue)
}

// NextDue is when the next staged chunk will be due by its timekey, or earlier;
// the zero time when none will. Ready tells when it may have become earlier.
func (b *Buffer) NextDue(now time.Time) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	elapsed := b.elapsed()
	b.reschedule(now, elapsed)
	s := &b.schedule
	for len(s.byDue) > 0 && s.byDue[0].chunk.where != inStage {
		heap.Pop(&s.byDue)
	}
	if len(s.byDue) == 0 {
		return time.Time{}
	}
	return now.Add(s.byDue[0].at - elapsed)
}

// OldestStaged is when the oldest staged chunk was made; the zero time when
// there is none.
func (b *Buffer) OldestStaged() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.schedule.byAge.Front(); e != nil {
		return e.Value.(*Chunk).created
	}
	return time.Time{}
}

// EnqueueDue queues the staged chunks whose slice of time is over, unless
// queued_chunks_limit_size chunks wait already. Like its sisters it returns when
// they are in the queue.
func (b *Buffer) EnqueueDue(now time.Time) {
	b.mu.Lock()
	elapsed := b.elapsed()
	b.reschedule(now, elapsed)
	s := &b.schedule
	var leaving []*Chunk
	for !b.queueFull(len(leaving)) && len(s.byDue) > 0 && s.byDue[0].at <= elapsed {
		c := heap.Pop(&s.byDue).(dueChunk).chunk
		if c.where != inStage {
			continue // it was full
		}
		if d, _ := b.dueIn(c, now, elapsed); d > 0 {
			heap.Push(&s.byDue, dueChunk{elapsed + d, c}) // it was late, and got another event
			continue
		}
		leaving = append(leaving, c)
	}
	b.mu.Unlock()
	b.enqueueAll(leaving)
}

// EnqueueOlder queues the staged chunks that were made before t, as flush_mode
// interval asks.
func (b *Buffer) EnqueueOlder(t time.Time) {
	b.mu.Lock()
	var leaving []*Chunk
	for e := b.schedule.byAge.Front(); e != nil && !b.queueFull(len(leaving)); e = e.Next() {
		c := e.Value.(*Chunk)
		if !c.created.Before(t) {
			break
		}
		leaving = append(leaving, c)
	}
	b.mu.Unlock()
	b.enqueueAll(leaving)
}

// EnqueueAll queues everything that is staged, and waits for the chunks that
// were full and are on their way.
func (b *Buffer) EnqueueAll() {
	b.mu.Lock()
	var leaving []*Chunk
	for e := b.schedule.byAge.Front(); e != nil; e = e.Next() {
		leaving = append(leaving, e.Value.(*Chunk))
	}
	b.mu.Unlock()
	b.enqueueAll(leaving)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range slices.Collect(maps.Keys(b.sealing)) {
		for b.sealing[c] {
			b.queuedOne.Wait()
		}
	}
}

// queueFull says that time alone queues no more than the n chunks that are on
// their way. b.mu is held.
func (b *Buffer) queueFull(n int) bool {
	limit := b.config().QueuedChunksLimit
	return limit > 0 && b.queue.Len()+n >= limit
}

func (b *Buffer) enqueueAll(chunks []*Chunk) {
	mine := chunks[:0]
	for _, c := range chunks {
		c.mu.Lock()
		c.takes = false
		c.mu.Unlock()
		if b.unstage(c) {
			mine = append(mine, c)
		}
	}
	if len(mine) < 2 {
		for _, c := range mine {
			b.retire(c)
		}
		return
	}
	next := make(chan *Chunk)
	var wg sync.WaitGroup
	for range min(len(mine), sealersAtOnce) {
		wg.Go(func() {
			for c := range next {
				b.retire(c)
			}
		})
	}
	for _, c := range mine {
		next <- c
	}
	close(next)
	wg.Wait()
}
