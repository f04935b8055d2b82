package output

import (
	"context"
	"sync"
	"time"

	"github.com/sluicelog/sluice/internal/buffer"
)

// Run moves chunks out until ctx ends: one goroutine puts what is due into the
// queue, flush_thread_count others write. After ctx ended it sends the rest when
// flush_at_shutdown says so, once each, unless the next configuration takes the buffer
// over; what can not be sent stays on disk.
func (o *Buffered) Run(ctx context.Context) error {
	jobs := make(chan *buffer.Chunk)
	var writers sync.WaitGroup
	for range o.flush.Threads {
		writers.Go(func() {
			for c := range jobs {
				// A write that has begun is finished: the context of the signal
				// must not tear an upload whose outcome would then be unknown.
				o.write(context.WithoutCancel(ctx), c)
				o.poke()
			}
		})
	}
	o.dispatch(ctx, jobs)
	if o.flush.AtShutdown && !o.buf.Awaited() {
		o.drain(ctx, jobs)
	}
	close(jobs)
	writers.Wait()
	return nil
}

// dispatch hands chunks to the writers as they become due.
func (o *Buffered) dispatch(ctx context.Context, jobs chan<- *buffer.Chunk) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		now := time.Now()
		o.enqueue(now)
		c, wait := o.next(now)
		if c == nil {
			timer.Reset(wait)
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
			case <-o.wake:
			case <-o.buf.Ready():
			}
			continue
		}
		select {
		case jobs <- c:
		case <-ctx.Done():
			o.buf.TakeBack(c)
			return
		}
	}
}

// idleCheck is the longest that the dispatcher sleeps: clocks jump.
const idleCheck = 10 * time.Second

// enqueue queues what is due by the flush mode.
func (o *Buffered) enqueue(now time.Time) {
	switch o.flush.Mode {
	case "immediate":
		o.buf.EnqueueAll()
	case "interval":
		o.buf.EnqueueOlder(now.Add(-o.flush.Interval))
	}
	o.buf.EnqueueDue(now)
}

// next is a chunk that may be written now, or how long to wait for one.
func (o *Buffered) next(now time.Time) (*buffer.Chunk, time.Duration) {
	if due := o.retry.due(); due.After(now) {
		return nil, min(due.Sub(now), idleCheck)
	}
	c, soonest := o.own.pick(o.buf, now)
	if c != nil {
		return c, 0
	}
	wait := idleCheck
	if !soonest.IsZero() {
		wait = min(wait, soonest.Sub(now))
	}
	if due := o.nextEnqueue(now); !due.IsZero() {
		wait = min(wait, due.Sub(now))
	}
	return nil, max(wait, time.Millisecond)
}

// nextEnqueue is when the next staged chunk will be due.
func (o *Buffered) nextEnqueue(now time.Time) time.Time {
	due := o.buf.NextDue(now)
	if o.flush.Mode == "interval" {
		if oldest := o.buf.OldestStaged(); !oldest.IsZero() {
			if at := oldest.Add(o.flush.Interval); due.IsZero() || at.Before(due) {
				due = at
			}
		}
	}
	return due
}

// poke wakes the dispatcher; one pending poke is enough.
func (o *Buffered) poke() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// FlushNow queues everything, as SIGUSR1 asks.
func (o *Buffered) FlushNow() {
	if o.buf != nil {
		o.buf.EnqueueAll()
		o.poke()
	}
}

// drain sends what is left, each chunk once, until a write fails or time is up.
func (o *Buffered) drain(ctx context.Context, jobs chan<- *buffer.Chunk) {
	deadline := time.NewTimer(shutdownFlush)
	defer deadline.Stop()
	o.buf.EnqueueAll()
	for {
		since, _, _ := o.retry.snapshot()
		if !since.IsZero() {
			return // the store is away; the file buffer keeps the rest
		}
		c, ok := o.buf.Dequeue()
		if !ok {
			return
		}
		select {
		case jobs <- c:
		case <-deadline.C:
			o.buf.TakeBack(c)
			return
		}
	}
}

// shutdownFlush is how long flush_at_shutdown may take.
const shutdownFlush = 50 * time.Second
