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
	after   func(context.Context, *Read) error // what a delivered event sets off: recordings, locks
	workers int
	log     *slog.Logger
	counts  *counts
	brake   brake
	dryRun  bool
}

// run sends what comes in until the channel is closed, and waits for what is in
// flight.
func (d *delivery) run(ctx context.Context, in <-chan *Read) error {
	var wg sync.WaitGroup
	errs := make(chan error, d.workers)
	for range d.workers {
		wg.Go(func() { errs <- d.work(ctx, in) })
	}
	wg.Wait()
	close(errs)
	var all []error
	for err := range errs {
		all = append(all, err)
	}
	return errors.Join(all...)
}

func (d *delivery) work(ctx context.Context, in <-chan *Read) error {
	for {
		batch, open := d.collect(ctx, in)
		if len(batch) > 0 {
			if err := d.deliver(ctx, batch); err != nil {
				return err
			}
		}
		if !open {
			return nil
		}
	}
}

// collect waits for one event and takes what else is there already.
func (d *delivery) collect(ctx context.Context, in <-chan *Read) (batch []*Read, open bool) {
	size := 0
	for {
		var r *Read
		if len(batch) == 0 {
			select {
			case r, open = <-in:
			case <-ctx.Done():
				return nil, false
			}
		} else {
			select {
			case r, open = <-in:
			default:
				return batch, true
			}
		}
		if !open {
			return batch, false
		}
		batch = append(batch, r)
		if size += len(r.Body); len(batch) >= d.sender.batchSize() || size >= d.sender.maxBytes {
			return batch, true
		}
	}
}

// deliver sends a batch. One that is refused for good is halved until the event
// that nobody wants stands alone.
func (d *delivery) deliver(ctx context.Context, batch []*Read) error {
	err := d.post(ctx, batch)
	final := new(refusal)
	switch {
	case err == nil:
		return d.settle(ctx, batch)
	case !errors.As(err, &final):
		return err
	case len(batch) > 1:
		half := len(batch) / 2
		if err := d.deliver(ctx, batch[:half]); err != nil {
			return err
		}
		return d.deliver(ctx, batch[half:])
	}
	return d.bury(ctx, batch[0], final)
}

func (d *delivery) post(ctx context.Context, batch []*Read) error {
	if d.dryRun {
		return nil
	}
	return d.sender.send(ctx, d.sender.url, bodyOf(batch), len(batch))
}

// bodyOf is one object, or an array of several.
func bodyOf(batch []*Read) []byte {
	if len(batch) == 1 {
		return batch[0].Body
	}
	n := 2
	for _, r := range batch {
		n += len(r.Body) + 1
	}
	body := make([]byte, 0, n)
	for i, r := range batch {
		body = append(body, ",["[boolInt(i == 0)])
		body = append(body, r.Body...)
	}
	return append(body, ']')
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
func (d *delivery) bury(ctx context.Context, r *Read, why *refusal) error {
	if err := d.brake.refused(ctx, d.sender.health, why, func() error { return d.post(ctx, []*Read{r}) }); err != nil {
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
	d.ack(r)
	return nil
}
