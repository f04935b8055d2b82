package buffer

import (
	"context"
	"fmt"

	"github.com/sluicelog/sluice/internal/event"
)

// claim is one batch's hold on the ids of its new events. A nil claim is a batch
// without ids.
type claim struct {
	x      *index
	origin origin
	groups []kept
	saved  int64    // bytes of events that need not be written
	waits  []*claim // of other batches that are writing some of our events

	// Guarded by index.mu.
	newest uint64 // generation in which somebody sent some of it again
	done   bool   // written or given up
	err    error
	ticket Ticket
	ended  chan struct{} // closed when done; nil until somebody waits
}

// kept is what of a group is new.
type kept struct {
	body []byte
	ends []int
	ids  []event.ID // of each event; zero for one without
}

// claimPart is the ids that went into one frame.
type claimPart struct {
	claim *claim
	ids   []event.ID
	part  part
}

// skipped is the bytes of a batch that the buffer has already.
func (c *claim) skipped() int64 {
	if c == nil {
		return 0
	}
	return c.saved
}

func (c *claim) from() origin {
	if c == nil {
		return origin{}
	}
	return c.origin
}

func (c *claim) group(i int) *kept {
	if c == nil {
		return nil
	}
	return &c.groups[i]
}

func (c *claim) others() []*claim {
	if c == nil {
		return nil
	}
	return c.waits
}

// wait returns the result of the batch that holds the claim.
func (c *claim) wait(ctx context.Context) error {
	c.x.mu.Lock()
	if !c.done && c.ended == nil {
		c.ended = make(chan struct{})
	}
	done, ended := c.done, c.ended
	c.x.mu.Unlock()
	if !done {
		select {
		case <-ended:
		case <-ctx.Done():
			return fmt.Errorf("wait for the same events of another request: %w", ctx.Err())
		}
	}
	// What end wrote before it closed the channel is visible now.
	if c.err != nil {
		return c.err
	}
	return c.ticket.Wait(ctx)
}

// end tells those who wait. x.mu is held.
func (c *claim) end(t Ticket, err error) {
	c.done, c.ticket, c.err = true, t, err
	if c.ended != nil {
		close(c.ended)
	}
}
