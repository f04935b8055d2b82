package plugin

import (
	"context"
	"errors"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/event"
)

// Acceptor is where the router hands events to: a buffered output, a direct
// output, or one that passes them on (copy, relabel). Accept formats and plans;
// nothing is written before the transaction commits.
type Acceptor interface {
	Accept(tx *Tx, tag string, es event.Stream) error
}

// Tx is one request's way through the outputs, in the two phases of
// docs/guarantees.md: format everything and reserve room in every buffer; when
// all agreed, write to all and wait until all is on disk. A refusal releases
// every reservation and nothing was written.
//
// A Tx is used by one goroutine, once.
type Tx struct {
	appends  []*pending
	after    []step
	relabels int
	dropped  func(error) error // inside IgnoreErrors; nil: what fails refuses the request
	source   *buffer.Source    // nil unless one of our handlers sent the request

	// Most requests go into one buffer: the first append lies here.
	first pending
	room  [1]*pending
}

type pending struct {
	buf     *buffer.Buffer
	batch   *buffer.Batch
	dropped func(error) error
	failed  error // what it was dropped for
	res     *buffer.Reservation
	ticket  buffer.Ticket
	written bool
	done    func(error)
}

// step is what a direct output does.
type step struct {
	emit    func(context.Context) error
	dropped func(error) error
}

// Append plans to write a batch to a buffer. done, when not nil, is told how it
// ended and may reuse the batch's memory.
func (tx *Tx) Append(b *buffer.Buffer, batch *buffer.Batch, done func(error)) {
	p := &tx.first
	if tx.first.buf != nil { // taken, perhaps by a round that is under way
		p = new(pending)
	}
	*p = pending{buf: b, batch: batch, dropped: tx.dropped, done: done}
	tx.appends = append(tx.appends, p)
}

// After plans what a direct output does once all buffers are durable.
func (tx *Tx) After(emit func(context.Context) error) {
	tx.after = append(tx.after, step{emit, tx.dropped})
}

// IgnoreErrors runs plan so that what it plans may fail without failing the
// request, as <store ignore_error> asks. dropped is told each such error, now or
// during Commit; it may plan something in its place, and the error that it
// returns is one of the request.
func (tx *Tx) IgnoreErrors(plan func() error, dropped func(error) error) error {
	outer := tx.dropped
	fate := func(err error) error {
		inner := tx.dropped
		tx.dropped = outer // what is planned now stands outside
		err = dropped(err)
		tx.dropped = inner
		if err != nil && outer != nil {
			return outer(err)
		}
		return err
	}
	tx.dropped = fate
	err := plan()
	tx.dropped = outer
	if err != nil {
		return fate(err)
	}
	return nil
}

// Commit reserves, writes, waits, and then runs the direct outputs. Its error is
// the first refusal, or what the disk said. What is planned meanwhile, in place of
// something that was dropped, has its turn too.
func (tx *Tx) Commit(ctx context.Context) error {
	err := tx.store(ctx)
	for err == nil && len(tx.after) > 0 {
		next := tx.after[0]
		tx.after = tx.after[1:]
		if err = next.emit(ctx); err != nil && next.dropped != nil {
			err = next.dropped(err)
		}
		if err == nil {
			err = tx.store(ctx)
		}
	}
	return err
}

// store makes durable what is planned for buffers.
func (tx *Tx) store(ctx context.Context) error {
	for len(tx.appends) > 0 {
		err := tx.reserve(ctx)
		round := tx.appends
		tx.appends = nil
		if err == nil {
			err = errors.Join(write(round), wait(ctx, round))
		}
		settle(round, err)
		if err != nil {
			tx.Abort(err)
			return err
		}
	}
	return nil
}

// errElsewhere is what an append hears that fell with another one.
var errElsewhere = errors.New("another output refused the request")

// settle tells each append how it ended.
func settle(round []*pending, err error) {
	for _, p := range round {
		switch {
		case p.done == nil:
		case p.failed != nil:
			p.done(p.failed)
		case err != nil:
			p.done(errElsewhere)
		default:
			p.done(nil)
		}
	}
}

// drop gives up an append that may fail; without one that may it is the error of
// the request.
func (p *pending) drop(err error) error {
	p.failed = err
	if p.dropped == nil {
		return err
	}
	return p.dropped(err)
}

// Abort tells every planned append that it will not happen.
func (tx *Tx) Abort(err error) {
	for _, p := range tx.appends {
		if p.done != nil {
			p.done(err)
		}
	}
}

// reserve takes in what is planned while it goes: the room for what takes the
// place of a full buffer is reserved before anything is written.
func (tx *Tx) reserve(ctx context.Context) error {
	for i := 0; i < len(tx.appends); i++ {
		p := tx.appends[i]
		res, err := p.buf.Reserve(ctx, p.batch)
		if err == nil {
			p.res = res
			continue
		}
		if err := p.drop(err); err != nil {
			for _, reserved := range tx.appends[:i] {
				if reserved.res != nil {
					reserved.res.Release()
				}
			}
			return err
		}
	}
	return nil
}

// write goes on after an error: what the other buffers were promised they get,
// so that a sender's retry meets ids that they already know.
func write(round []*pending) error {
	var first error
	for _, p := range round {
		if p.res == nil {
			continue
		}
		ticket, err := p.res.Write()
		if err != nil {
			first = errors.Join(first, p.drop(err))
			continue
		}
		p.ticket, p.written = ticket, true
	}
	return first
}

func wait(ctx context.Context, round []*pending) error {
	var first error
	if len(round) > 1 {
		for _, p := range round {
			p.ticket.Start() // all disks at the same time
		}
	}
	for _, p := range round {
		if !p.written {
			continue
		}
		if err := p.ticket.Wait(ctx); err != nil {
			first = errors.Join(first, p.drop(err))
		}
	}
	return first
}

// DirectAcceptor makes an Acceptor of a direct output.
func DirectAcceptor(d Direct) Acceptor { return direct{d} }

type direct struct{ d Direct }

func (a direct) Accept(tx *Tx, tag string, es event.Stream) error {
	tx.After(func(ctx context.Context) error { return a.d.Emit(ctx, tag, es) })
	return nil
}

// maxRelabels is more than a sensible configuration chains.
const maxRelabels = 64

// Deeper counts a hand-over to another label; a cycle ends in an error before
// it ends the memory.
func (tx *Tx) Deeper() error {
	if tx.relabels++; tx.relabels > maxRelabels {
		return errors.New("labels hand events to each other in a circle")
	}
	return nil
}

// Begin starts a transaction for a request; ctx may carry the [buffer.Source]
// that sent it.
func Begin(ctx context.Context) *Tx {
	src, _ := ctx.Value(sourceKey{}).(*buffer.Source)
	tx := &Tx{source: src}
	tx.appends = tx.room[:0]
	return tx
}

type sourceKey struct{}

// WithSource says which of our handlers sent the request, and how far it has
// got, so that buffers can forget the ids that it will never send again.
func WithSource(ctx context.Context, src *buffer.Source) context.Context {
	return context.WithValue(ctx, sourceKey{}, src)
}

// Source is the handler that sent the request; nil for anybody else.
func (tx *Tx) Source() *buffer.Source { return tx.source }
