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
	// taken, a [refusal] when they never will be, [errStale], an [unanswered] when
	// they went out and nobody said anything, or what else may pass. The suffix goes
	// behind the tag.
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

// unanswered is that a request went out, or a part of it, and the connection was
// closed or silent from then on. The forward protocol has no other word for "too
// large" than that, nor has it another for "busy", and trouble in the network looks
// the same.
type unanswered struct{ err error }

func (u *unanswered) Error() string { return u.err.Error() }
func (u *unanswered) Unwrap() error { return u.err }

// errTooMuch says that events got no answer so often that fewer should be tried, or
// others.
var errTooMuch = errors.New("events get no answer")

// halvable reports that a batch which failed is to be tried in halves.
func halvable(batch []*Read, err error) bool {
	return len(batch) > 1 && (errors.As(err, new(*refusal)) || errors.Is(err, errTooMuch))
}

// busy is an answer that asks for patience.
type busy struct {
	wait time.Duration // at least so long; 0: it did not say
	err  error
}

func (b *busy) Error() string { return b.err.Error() }
func (b *busy) Unwrap() error { return b.err }
