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
	appends  []pending
	after    []func(context.Context) error
	relabels int
	lenient  bool           // inside IgnoreErrors
	source   *buffer.Source // nil unless one of our handlers sent the request
	room     [1]pending     // of appends: most requests go into one buffer
}

type pending struct {
	buf     *buffer.Buffer
	batch   *buffer.Batch
	lenient bool
	onDrop  func(error)
	res     *buffer.Reservation
	ticket  buffer.Ticket
	written bool
	done    func(error)
}

// Append plans to write a batch to a buffer. done, when not nil, is told how it
// ended and may reuse the batch's memory.
func (tx *Tx) Append(b *buffer.Buffer, batch *buffer.Batch, done func(error)) {
	tx.appends = append(tx.appends, pending{buf: b, batch: batch, lenient: tx.lenient, done: done})
}

// After plans what a direct output does once all buffers are durable.
func (tx *Tx) After(emit func(context.Context) error) {
	if tx.lenient {
		strict := emit
		emit = func(ctx context.Context) error { _ = strict(ctx); return nil }
	}
	tx.after = append(tx.after, emit)
}

// IgnoreErrors runs plan so that what it plans may fail without failing the
// request, as <store ignore_error> asks. dropped is told each such error.
func (tx *Tx) IgnoreErrors(plan func() error, dropped func(error)) {
	was, from := tx.lenient, len(tx.appends)
	tx.lenient = true
	err := plan()
	tx.lenient = was
	for i := range tx.appends[from:] {
		tx.appends[from+i].onDrop = dropped
	}
	if err != nil {
		dropped(err)
	}
}

// Commit reserves, writes, waits, and then runs the direct outputs. Its error is
// the first refusal, or what the disk said.
func (tx *Tx) Commit(ctx context.Context) error {
	err := tx.reserve(ctx)
	if err == nil {
		err = errors.Join(tx.write(), tx.wait(ctx))
	}
	for _, p := range tx.appends {
		if p.done != nil {
			p.done(err)
		}
	}
	for _, emit := range tx.after {
		if err != nil {
			return err
		}
		err = emit(ctx)
	}
	return err
}

// Abort tells every planned append that it will not happen.
func (tx *Tx) Abort(err error) {
	for _, p := range tx.appends {
		if p.done != nil {
			p.done(err)
		}
	}
}

func (tx *Tx) reserve(ctx context.Context) error {
	for i := range tx.appends {
		p := &tx.appends[i]
		res, err := p.buf.Reserve(ctx, p.batch)
		switch {
		case err == nil:
			p.res = res
		case p.lenient:
			p.onDrop(err)
		default:
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
func (tx *Tx) write() error {
	var first error
	for i := range tx.appends {
		p := &tx.appends[i]
		if p.res == nil {
			continue
		}
		ticket, err := p.res.Write()
		if err == nil {
			p.ticket, p.written = ticket, true
		} else if !p.lenient {
			first = errors.Join(first, err)
		} else {
			p.onDrop(err)
		}
	}
	return first
}

func (tx *Tx) wait(ctx context.Context) error {
	var first error
	if len(tx.appends) > 1 {
		for _, p := range tx.appends {
			p.ticket.Start() // all disks at the same time
		}
	}
	for _, p := range tx.appends {
		if !p.written {
			continue
		}
		if err := p.ticket.Wait(ctx); err != nil && !p.lenient {
			first = errors.Join(first, err)
		} else if err != nil {
			p.onDrop(err)
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
