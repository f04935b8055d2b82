package s3sink

import (
	"container/list"
	"slices"
	"sync"
)

// rememberSlots bounds the memory of indexes; what is forgotten is found again
// by asking the store, as Fluentd does for every chunk.
const rememberSlots = 1024

// indexes remembers the next free index of each slice's keys, so that a slice
// with many objects is not asked about from 0 for each of them, and so that two
// threads never choose the same key.
type indexes struct {
	mu    sync.Mutex
	slots map[string]*list.Element // of *slot
	used  list.List                // most lately used first
}

type slot struct {
	name  string
	next  int
	freed []int // given back, below next
	// probed means that the store was asked, or has taken an object: what is
	// below next is in use, so next is worth trying without asking.
	probed bool
}

// take reserves the lowest index that is not known to be in use.
func (x *indexes) take(name string) (index int, probed bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := x.get(name)
	if len(s.freed) > 0 {
		index = slices.Min(s.freed)
		s.freed = slices.DeleteFunc(s.freed, func(i int) bool { return i == index })
		return index, s.probed
	}
	s.next++
	return s.next - 1, s.probed
}

// giveBack frees an index under which nothing was sent.
func (x *indexes) giveBack(name string, index int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if s := x.get(name); index < s.next {
		s.freed = append(s.freed, index)
	}
}

// confirm says that the store has answered for an index of the slot.
func (x *indexes) confirm(name string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.get(name).probed = true
}

// doubt says that somebody else writes into the slot: ask again.
func (x *indexes) doubt(name string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.get(name).probed = false
}

func (x *indexes) get(name string) *slot {
	if e, ok := x.slots[name]; ok {
		x.used.MoveToFront(e)
		return e.Value.(*slot)
	}
	if x.slots == nil {
		x.slots = map[string]*list.Element{}
	}
	s := &slot{name: name}
	x.slots[name] = x.used.PushFront(s)
	if x.used.Len() > rememberSlots {
		oldest := x.used.Remove(x.used.Back()).(*slot)
		delete(x.slots, oldest.name)
	}
	return s
}
