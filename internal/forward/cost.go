package forward

import (
	"bytes"

	"github.com/sluicelog/sluice/internal/event"
)

// A few bytes can become a record of a hundred times their size: what reading takes
// is reckoned before, asked for, and bounded.
const (
	valueCost = 64  // a value within another
	mapCost   = 192 // a map, or an event
	// largestCost is up to what memory a value is read; else it stays bytes.
	largestCost = 128 << 20
	// largestOption is the longest option that is looked at; none is longer than a
	// few hundred bytes.
	largestOption = 64 << 10
	// freeCost is what a message may take without asking, and payStep what is asked
	// for at once.
	freeCost = 16 << 10
	payStep  = 1 << 20
)

// costOf is about what reading a msgpack value takes, that of its event included.
func costOf(raw []byte) int64 {
	values, maps := event.CountMsgpack(raw)
	return int64(len(raw)) + valueCost*int64(values) + mapCost*int64(maps+1)
}

// jsonCost is costOf of a JSON text.
func jsonCost(raw []byte) int64 {
	maps := int64(bytes.Count(raw, []byte{'{'}))
	others := int64(bytes.Count(raw, []byte{','}) + bytes.Count(raw, []byte{'['}))
	return int64(len(raw)) + (valueCost+mapCost)*maps + valueCost*others
}

// purse asks for memory as values are read.
type purse struct {
	grow  func(size int64) error // nil: nobody counts
	base  int64                  // what the message holds as bytes
	spent int64                  // since the last batch
	paid  int64
}

// spend accounts for cost bytes more.
func (p *purse) spend(cost int64) error {
	p.spent += cost
	if p.grow == nil || p.spent <= p.paid || p.base+p.spent <= freeCost {
		return nil
	}
	p.paid = max(p.spent, p.paid+payStep)
	return p.grow(p.base + p.paid)
}

// value reads a value, if that is not too much.
func (p *purse) value(raw []byte) (any, error) {
	cost := costOf(raw)
	if cost > largestCost {
		cost = int64(len(raw))
	}
	if err := p.spend(cost); err != nil {
		return nil, err
	}
	return valueOf(raw), nil
}
