package handler

import (
	"context"
	"errors"
	"log/slog"
	"sync"
)

// delivery takes events from a source, puts as many into a request as the
// receiver likes, keeps several requests in flight, and acknowledges each event
// when its fate is sealed: taken, or in the dead-letter file.
type delivery struct {
	sender  *sender
	dead    *deadLetters
	ack     func(*Read)
	after   func(context.Context, *Read) error // what an event sets off once it was taken or set aside: recordings, locks
	workers int                                // requests in flight to one relay
	ordered bool                               // one request in flight in all
	log     *slog.Logger
	counts  *counts
	brake   brake
	dryRun  bool
}

// run sends what comes in until the channel is closed, or until begin ends, and
// waits for what is in flight. What was not begun by then is left: it is not
// acknowledged, so it is read again. The first error ends the beginning, too.
func (d *delivery) run(ctx, begin context.Context, in <-chan *Read) error {
	begin, end := context.WithCancelCause(begin)
	defer end(nil)
	queues, fill := d.queues(begin, in)
	var workers, filler sync.WaitGroup
	filler.Go(fill)
	for _, q := range queues {
		for range d.workersOf() {
			workers.Go(func() {
				// A copy: what is held is the worker's own.
				if err := d.work(ctx, &queue{in: q.in, stop: begin.Done()}); err != nil {
					end(err)
				}
			})
		}
	}
	workers.Wait()
	err := context.Cause(begin)
	end(nil)
	filler.Wait()
	return err
}

func (d *delivery) workersOf() int {
	if d.ordered {
		return 1
	}
	return d.workers
}

func (d *delivery) work(ctx context.Context, q *queue) error {
	for {
		batch, home := d.collect(ctx, q)
		if len(batch) == 0 {
			return nil
		}
		if err := d.deliver(ctx, home, batch); err != nil {
			return err
		}
	}
}

// collect waits for one event and takes what else is there already for the same
// relay. No batch is the end.
func (d *delivery) collect(ctx context.Context, q *queue) (batch []*Read, home *relay) {
	r := q.wait(ctx)
	if r == nil {
		return nil, nil
	}
	home = d.sender.home(r.ID)
	limit := d.sender.batchSize(home)
	most := d.sender.batchBytes(home)
	batch = append(make([]*Read, 0, min(limit, 256)), r)
	for size := len(r.Body); len(batch) < limit; {
		if r = q.more(); r == nil {
			break
		}
		if size += len(r.Body); size > most || d.sender.home(r.ID) != home {
			q.held = r
			break
		}
		batch = append(batch, r)
	}
	return batch, home
}

// deliver sends a batch, and in the end what got no answer while others did.
func (d *delivery) deliver(ctx context.Context, home *relay, batch []*Read) error {
	var late []*Read
	if err := d.part(ctx, home, batch, &late); err != nil {
		return err
	}
	for i := range late {
		if err := d.part(ctx, home, late[i:i+1], nil); err != nil {
			return err
		}
	}
	return nil
}

// part sends some of a batch. What is refused for good, or gets no answer, is halved
// until the event that nobody wants stands alone. One that gets no answer goes to
// late, where there is one, and holds up its neighbours no longer.
func (d *delivery) part(ctx context.Context, home *relay, batch []*Read, late *[]*Read) error {
	err := d.post(ctx, home, batch, late != nil && !d.ordered)
	final := new(refusal)
	switch {
	case err == nil:
		return d.settle(ctx, batch)
	case halvable(batch, err):
		half := len(batch) / 2
		if err := d.part(ctx, home, batch[:half], late); err != nil {
			return err
		}
		return d.part(ctx, home, batch[half:], late)
	case errors.Is(err, errTooMuch):
		*late = append(*late, batch...)
		return nil
	case !errors.As(err, &final):
		return err
	}
	return d.bury(ctx, home, batch[0], final)
}

func (d *delivery) post(ctx context.Context, home *relay, batch []*Read, yields bool) error {
	if d.dryRun {
		return nil
	}
	return d.sender.sendUntil(ctx, home, "", batch, yields)
}

func (d *delivery) settle(ctx context.Context, batch []*Read) error {
	d.brake.taken()
	for _, r := range batch {
		d.counts.delivered(r)
		d.log.Debug("Event sent", "id", r.ID, "index", r.Index, "ts", r.Time, "type", r.Type)
		if err := d.after(ctx, r); err != nil {
			return err
		}
		d.ack(r)
	}
	return nil
}

// bury writes an event that is refused for good to the dead-letter file. After
// twenty in a row it is the configuration that is wrong and not the event: the
// cursor stays, and the handler says so until it is mended.
func (d *delivery) bury(ctx context.Context, home *relay, r *Read, why *refusal) error {
	if err := d.brake.refused(ctx, d.sender.health, why, func() error { return d.post(ctx, home, []*Read{r}, false) }); err != nil {
		if errors.Is(err, errTaken) {
			return d.settle(ctx, []*Read{r})
		}
		return err
	}
	if err := d.dead.write(r, why); err != nil {
		return err
	}
	d.counts.dead.Inc()
	d.log.Error("Event refused by the receiver, set aside", "id", r.ID, "type", r.Type, "status", why.status, "reason", why.text, "file", d.dead.path)
	// The recording that an upload event tells of is none the less there.
	if err := d.after(ctx, r); err != nil {
		return err
	}
	d.ack(r)
	return nil
}
