package s3sink

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/sluicelog/sluice/internal/awsconf"
)

// verdict is what is known about the object of a plan's key.
type verdict uint8

const (
	isUnknown verdict = iota
	isOurs
	isForeign
	isAbsent
)

// quickTries is how often a request is repeated at once, without a log line,
// after what mostly passes in a second. The Ruby SDK does the same; the Go SDK's
// own retries are off, since every attempt must be known here.
const quickTries = 3

// send puts the object under the plan's key. An answer that is lost leaves the
// outcome unknown; the next round, or the next call, finds it out.
func (t *transfer) send(ctx context.Context, body *spool) (verdict, error) {
	for try := 0; ; try++ {
		if err := t.abandon(ctx); err != nil {
			return isUnknown, err
		}
		if found, err := t.lookFirst(ctx); found != isAbsent {
			return found, err
		}
		conditional := !t.replaces() && !t.plain && !t.proof().refuted()
		err := t.o.send(ctx, t.object(body, conditional))
		first := t.fresh
		t.fresh = false
		switch status := awsconf.Status(err); {
		case err == nil:
			t.accepted(conditional)
			return isOurs, nil
		case status == http.StatusPreconditionFailed:
			found, err := t.whose(ctx, true)
			var u *undecided
			if first && errors.As(err, &u) && !t.o.mayHead.Load() {
				return isForeign, nil // nothing of ours can be there yet
			}
			if found != isAbsent {
				return found, err
			}
			// It was there and is gone: put it again.
		case conditional && !t.proof().proved() && unknownHeader(err):
			t.plain = true
			continue
		case ctx.Err() != nil, !passing(err):
			return isUnknown, t.failed(err)
		}
		if try == quickTries {
			return isUnknown, t.failed(err)
		}
		if stopped := t.o.pause(ctx, try); stopped != nil {
			return isUnknown, errors.Join(t.failed(err), stopped)
		}
	}
}

func (t *transfer) failed(err error) error {
	return fmt.Errorf("put %s: %w", t.url(), awsconf.Brief(err))
}

// beside is an error of another request than the PUT. It hides the status: a 400, as
// Amazon answers a HEAD with expired credentials, does not mean that the object will
// never be taken.
func (t *transfer) beside(what string, err error) error {
	return &later{fmt.Errorf("%s %s: %w", what, t.url(), awsconf.Brief(err))}
}

// replaces says that an object of the key may be overwritten: the configuration
// wants it, by `overwrite true`, or by `check_object false` with keys that repeat.
func (t *transfer) replaces() bool {
	o := t.o
	if o.keys.checkObject {
		return o.keys.overwrite && !o.format.numbered
	}
	return !o.format.unique && !o.format.timed
}

// accepted draws the conclusions of a PUT that the store took.
func (t *transfer) accepted(conditional bool) {
	t.guarded = conditional
	if t.plain {
		t.proof().refute(t.o)
	}
}

// lookFirst is the HEAD before a repeated PUT to a store on which If-None-Match
// can not be relied upon: without it the PUT could overwrite a stranger, or store
// twice what is there. It also spares a large object a second upload that ends in a
// 412. isAbsent means: put.
func (t *transfer) lookFirst(ctx context.Context) (verdict, error) {
	proved := t.proof().proved()
	if t.replaces() || !t.o.keys.checkObject || proved && (t.fresh || !t.parts) {
		return isAbsent, nil
	}
	if !proved && t.fresh && !(t.parts && t.o.proof.proved()) {
		return isAbsent, nil // the key was looked for when it was chosen
	}
	found, err := t.whose(ctx, false)
	if err != nil && proved {
		return isAbsent, nil // the condition will tell
	}
	return found, err
}

// whose asks the store for the chunk id of the object under the plan's key.
// Where it may not ask, the key may tell, if it is known that an object exists:
// nobody else has a key with this chunk's id or random digits. Else the chunk is
// kept, and the cure is said.
func (t *transfer) whose(ctx context.Context, exists bool) (verdict, error) {
	owner, err := t.o.head(ctx, t.plan.key)
	switch {
	case err == nil && owner == t.id():
		return isOurs, nil
	case err == nil:
		return isForeign, nil
	case errors.Is(err, errAbsent):
		return isAbsent, nil
	case awsconf.Status(err) != http.StatusForbidden:
		return isUnknown, t.beside("look for", err)
	case !t.o.format.unique:
		return isUnknown, &undecided{url: t.url(), err: awsconf.Brief(err)}
	case exists:
		return isOurs, nil
	}
	return isAbsent, nil // the same bytes once more do no harm
}

// undecided is the state that only a person can mend.
type undecided struct {
	url string
	err error
}

func (u *undecided) Error() string {
	return fmt.Sprintf("an object %s is there, and whether it is this chunk's can not be found out: HEAD: %v; "+
		"allow s3:GetObject on the objects and s3:ListBucket on the bucket, or put ${chunk_id} into s3_object_key_format", u.url, u.err)
}

func (u *undecided) Unwrap() error { return u.err }

// unknownHeader recognises the answers of stores that do not know If-None-Match
// on a PUT.
func unknownHeader(err error) bool {
	switch awsconf.Status(err) {
	case http.StatusNotImplemented:
		return true
	case http.StatusBadRequest:
		switch awsconf.Code(err) {
		case "NotImplemented", "InvalidArgument", "InvalidRequest":
			return true
		}
	}
	return false
}

// passing recognises what is worth an immediate second try: the service is busy,
// another request for the key is under way (409), or the connection broke.
func passing(err error) bool {
	var broken *smithyhttp.RequestSendError
	switch awsconf.Status(err) {
	case 0:
		return errors.As(err, &broken) && !stalled(err)
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
		http.StatusTooManyRequests, http.StatusConflict, http.StatusRequestTimeout:
		return true
	}
	return awsconf.Code(err) == "RequestTimeout"
}

// stalled recognises a connection that made no progress: that took half a minute
// already.
func stalled(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}

// backOff waits 0.3, 0.6, 1.2 seconds, as the Ruby SDK does.
func backOff(ctx context.Context, try int) error {
	return wait(ctx, 300*time.Millisecond<<try)
}
