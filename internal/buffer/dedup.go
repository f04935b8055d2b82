package buffer

import (
	"context"
	"time"

	"github.com/sluicelog/sluice/internal/event"
)

type index struct{ b *Buffer }
type claim struct{}
type claimPart struct {
	claim *claim
	ids   []event.ID
	part  part
}
type kept struct {
	body []byte
	ends []int
	ids  []event.ID
}

func newIndex(b *Buffer) *index                        { return &index{b} }
func (x *index) claim(batch *Batch) (*claim, error)    { return nil, nil }
func (x *index) release(c *claim, err error)           {}
func (x *index) written(c *claim, t Ticket, err error) {}
func (x *index) settle([]*claimPart)                   {}
func (x *index) load() error                           { return nil }
func (x *index) remember([]origin, []event.ID)         {}
func (x *index) size() (int, time.Duration)            { return 0, 0 }
func (x *index) close() error                          { return nil }
func (c *claim) skipped() int64                        { return 0 }
func (c *claim) from() origin                          { return origin{} }
func (c *claim) group(int) *kept                       { return nil }
func (c *claim) others() []*claim                      { return nil }
func (c *claim) wait(context.Context) error            { return nil }
func (b *Buffer) keepIDs(*Chunk) error                 { return nil }
func (b *Buffer) keepIDsOf(*Chunk) error               { return nil }
