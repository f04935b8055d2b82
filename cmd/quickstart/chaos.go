package main

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/sluicelog/sluice/internal/s3sink/s3test"
)

// wreak kills relay and handler, each as often as asked, at random moments while
// an upload is in flight, and lets one S3 request in five fail: some before the
// object is stored, some after.
func (s *stage) wreak(ctx context.Context) error {
	rng := rand.New(rand.NewPCG(s.o.seed, 1)) //nolint:gosec // reproducible, no secret
	puts := make(chan struct{}, 1)
	s.s3.SetFaults(s3test.Faults{
		FailBefore: 10, FailAfter: 10, // one in ten each
		Latency: 150 * time.Millisecond,
		OnPut: func() {
			select {
			case puts <- struct{}{}:
			default:
			}
		},
	})
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
			if err := wait(ctx, time.Duration(rng.IntN(140))*time.Millisecond); err != nil {
				return err
			}
			victim.kill()
		}
	}
	return nil
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
