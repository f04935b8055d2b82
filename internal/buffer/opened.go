package buffer

import (
	"container/list"
	"sync"
)

// opened knows which chunks hold a descriptor, and closes idle ones beyond
// max_open: a tag per Teleport session makes thousands of chunks.
//
// Only a clean file is closed. The error of a write that the kernel does later
// is told to the descriptor that is open; after close and open it is lost, and
// the fsync that should have failed answers success.
type opened struct {
	mu    sync.Mutex
	limit int
	order *list.List // of *Chunk; the front is the next to be looked at
	at    map[*Chunk]*list.Element
}

func newOpened(limit int) *opened {
	return &opened{limit: limit, order: list.New(), at: map[*Chunk]*list.Element{}}
}

// add counts a chunk whose file was just opened. c.mu is held.
func (o *opened) add(c *Chunk) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, there := o.at[c]; !there {
		o.at[c] = o.order.PushBack(c)
	}
}

// remove forgets a chunk whose file was closed. c.mu is held.
func (o *opened) remove(c *Chunk) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if e, there := o.at[c]; there {
		o.order.Remove(e)
		delete(o.at, c)
	}
}

// evict closes clean files until the limit holds, looking at each at most once.
// The caller holds no chunk's lock.
func (o *opened) evict() {
	for tries := o.len(); tries > 0 && o.len() > o.limit; tries-- {
		c := o.rotate()
		if c == nil {
			return
		}
		c.evict()
	}
}

// evict closes the file if the chunk is idle and clean. A chunk that is busy is no
// candidate; waiting for it could deadlock. Without io a seal, a note or an fsync
// may be under way, whose bytes c.end does not tell of yet.
func (c *Chunk) evict() {
	if !c.io.TryLock() {
		return
	}
	defer c.io.Unlock()
	if !c.mu.TryLock() {
		return
	}
	defer c.mu.Unlock()
	if c.file != nil && c.synced.Load() >= c.end && c.failed == nil {
		c.closeFile()
	}
}

func (o *opened) len() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.order.Len()
}

// rotate moves the front to the back and returns it.
func (o *opened) rotate() *Chunk {
	o.mu.Lock()
	defer o.mu.Unlock()
	e := o.order.Front()
	if e == nil {
		return nil
	}
	o.order.MoveToBack(e)
	return e.Value.(*Chunk)
}
