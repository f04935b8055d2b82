// Package plugin holds the small interfaces through which the relay's parts
// know each other, and what they are given.
//
// An event comes in at an [Input], which hands it to an [Emitter] (the router).
// Filters may change it. It ends in an [Output], which says how an event is
// written into a buffer (Format) and how a chunk leaves (Write), or in a
// [Direct] output, which has no buffer. Parsers and Formatters serve inputs and
// outputs; they get them from [Env], never by import.
//
// Every plugin declares its parameters in Params. Beyond that it may have:
//
//	Check() error                   rules between parameters; no I/O
//	Start(ctx) error                I/O before the first event: open, connect
//	Listen(ctx) error               an Input opens its port, when everything has started
//	Close(ctx) error                the last thing called
//	BufferDefaults(*buffer.Config)  an Output's own defaults for <buffer>
//	Ready() error                   why it can not work just now; /readyz shows it
package plugin

import (
	"context"
	"errors"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
)

// Input takes events in. Run blocks until ctx ends or the input can not go on;
// it has answered everything that it accepted before it returns.
type Input interface {
	Params(*param.Set)
	Run(ctx context.Context, e Emitter) error
}

// Emitter takes events on. When Emit returns nil they are durable in every
// file-buffered output on their way; an error means that none was taken, or
// that the sender must send again. The stream's records may be reused by the
// caller after Emit returned.
type Emitter interface {
	Emit(ctx context.Context, tag string, es event.Stream) error
}

// Filter turns an event into none, one or several. An error sends the event,
// as it came, to <label @ERROR>.
type Filter interface {
	Params(*param.Set)
	Filter(tag string, e event.Event, emit func(event.Event)) error
}

// Output writes chunks. Format appends an event as it shall stand in the chunk.
// Write delivers a whole chunk; an error means it will be tried again, unless it
// is [Permanent].
type Output interface {
	Params(*param.Set)
	Format(dst []byte, tag string, e event.Event) ([]byte, error)
	Write(ctx context.Context, c *buffer.Chunk) error
}

// Direct is an output without a buffer. It is called after the event is durable
// in the buffered outputs of the same request.
type Direct interface {
	Params(*param.Set)
	Emit(ctx context.Context, tag string, es event.Stream) error
}

// Parser makes events of text. It yields each event, and stops at the first
// error, its own or that of yield.
type Parser interface {
	Params(*param.Set)
	Parse(text []byte, yield func(event.Event) error) error
}

// Formatter makes text of an event.
type Formatter interface {
	Params(*param.Set)
	Format(dst []byte, tag string, e event.Event) ([]byte, error)
}

// Permanent marks an error of Write that no retry can mend: the chunk goes to
// the secondary or to the backup folder at once.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanent{err}
}

// IsPermanent reports whether err, or what it wraps, was marked by [Permanent].
func IsPermanent(err error) bool {
	var p *permanent
	return errors.As(err, &p)
}

type permanent struct{ err error }

func (p *permanent) Error() string { return p.err.Error() }
func (p *permanent) Unwrap() error { return p.err }

// FormatError is a record that an output can not write down: sending it again
// does not help, but it is not the client's fault either.
type FormatError struct{ Err error }

func (e *FormatError) Error() string { return e.Err.Error() }
func (e *FormatError) Unwrap() error { return e.Err }
