package handler

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// brakeAfter is how many refusals in a row stop the cursor.
const brakeAfter = 20

// errTaken says that an event which was refused has been taken after all.
var errTaken = errors.New("taken")

// brake counts refusals in a row, over all senders.
type brake struct {
	mu  sync.Mutex
	run int
}

func (b *brake) taken() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.run = 0
}

func (b *brake) holds() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.run > brakeAfter
}

// refused returns nil when the event may be set aside. Once the brake holds it
// tries the same event again at intervals, since nothing may be set aside while
// everything is refused, and returns errTaken when the receiver took it. When it
// takes another's event meanwhile, it is this one that nobody wants.
func (b *brake) refused(ctx context.Context, h *health, why *refusal, again func() error) error {
	b.mu.Lock()
	b.run++
	b.mu.Unlock()
	for attempt := 0; b.holds(); attempt++ {
		err := fmt.Errorf("the receiver refused %d events in a row (last: %w): the configuration is wrong, not the events; nothing is set aside and the cursor stays until it takes them", brakeAfter, why)
		h.failing("receiver", err)
		h.complain("receiver", err)
		if err := sleep(ctx, min(backoff(attempt+4), 30*time.Second)); err != nil {
			return err
		}
		if err = again(); err == nil {
			h.ok("receiver")
			return errTaken
		}
		if !errors.As(err, new(*refusal)) {
			return err
		}
	}
	h.ok("receiver")
	return nil
}
