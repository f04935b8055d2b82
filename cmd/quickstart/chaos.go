package main

import (
	"context"
	"math/rand/v2"
	"net/http"
	"syscall"
	"time"

	"github.com/sluicelog/sluice/internal/s3sink/s3test"
)

// wreak kills relay and handler, each as often as asked, at random moments while
// an upload is in flight, and lets one S3 request in five fail: some before the
// object is stored, some after.
func (s *stage) wreak(ctx context.Context) error {
	rng := rand.New(rand.NewPCG(s.o.seed, 1)) //nolint:gosec // reproducible, no secret
	puts := make(chan struct{}, 1)
	s.s3.SetScript(failing(puts))
	for i := 0; i < s.o.kills; i++ {
		for _, victim := range []*child{s.relay, s.handler} {
			if err := wait(ctx, time.Duration(rng.IntN(400))*time.Millisecond); err != nil {
				return err
			}
			// Now a PUT is being answered slowly, and POSTs come meanwhile.
			select {
			case <-puts:
			case <-time.After(3 * time.Second):
			case <-ctx.Done():
				return ctx.Err()
			}
			// Half of the kills meet a relay that goes from one configuration to the next.
			if rng.IntN(2) == 0 {
				s.relay.signal(syscall.SIGHUP)
			}
			if err := wait(ctx, time.Duration(rng.IntN(140))*time.Millisecond); err != nil {
				return err
			}
			victim.kill()
		}
	}
	return nil
}

// failing lets one PUT in five fail: in turn before the object is stored, after it
// with an error, and after it with no answer at all. Each PUT takes a while, so
// that kills meet it, and tells when it begins.
func failing(puts chan<- struct{}) func(*http.Request) s3test.Fault {
	n := 0
	return func(r *http.Request) s3test.Fault {
		if r.Method != http.MethodPut {
			return s3test.Fault{}
		}
		n++
		f := s3test.Fault{Before: func() {
			select {
			case puts <- struct{}{}:
			default:
			}
			time.Sleep(150 * time.Millisecond)
		}}
		switch n % 15 {
		case 3:
			f.Status = http.StatusServiceUnavailable
		case 8:
			f.Status, f.Stored = http.StatusInternalServerError, true
		case 13:
			f.Drop, f.Stored = true, true
		}
		return f
	}
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
