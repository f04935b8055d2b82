package handler

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// receiver is one address that takes events, over HTTP or by the forward
// protocol.
type receiver interface {
	// post sends a request once and waits for the answer: nil when the events are
	// taken, a [refusal] when they never will be, [errStale], or what may pass. The
	// suffix goes behind the tag.
	post(ctx context.Context, suffix string, batch []*Read) error
	// offered is how many events it wants in one request: 1 when it said nothing.
	offered() int
}

// errStale is what the relay answers to a handler that another one has replaced.
var errStale = errors.New("another handler has taken over this state; this one stops")

// refusal is an answer that will never change for this body.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string { return fmt.Sprintf("refused with %d: %s", r.status, r.text) }

// busy is an answer that asks for patience.
type busy struct {
	wait time.Duration // at least so long; 0: it did not say
	err  error
}

func (b *busy) Error() string { return b.err.Error() }
func (b *busy) Unwrap() error { return b.err }
