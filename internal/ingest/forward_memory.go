package ingest

import (
	"context"
	"sync"
)

// messageMemory bounds what the messages of all connections may take together
// beyond the little that each connection has of its own. How long a message will
// be is not known before it is there, so a connection asks for more while it holds
// some. That no two wait for each other for ever is sure because one message at a
// time may go beyond the total: it never waits, and gives everything back.
type messageMemory struct {
	total int64

	mu    sync.Mutex
	used  int64
	alone bool          // somebody goes beyond the total
	freed chan struct{} // closed when something is given back
}

func newMessageMemory(total int64) *messageMemory {
	return &messageMemory{total: total, freed: make(chan struct{})}
}

// held is what one connection's message holds.
type held struct {
	from  *messageMemory
	bytes int64
	alone bool
}

// grow waits until the message may hold size bytes, or ctx ends.
func (h *held) grow(ctx context.Context, size int64) error {
	for {
		freed, ok := h.try(size)
		if ok {
			return nil
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (h *held) try(size int64) (freed <-chan struct{}, ok bool) {
	m := h.from
	m.mu.Lock()
	defer m.mu.Unlock()
	more := size - h.bytes
	if more > 0 && m.used+more > m.total && !h.alone {
		if m.alone {
			return m.freed, false
		}
		m.alone, h.alone = true, true
	}
	if more > 0 {
		m.used += more
		h.bytes = size
	}
	return nil, true
}

// release gives everything back.
func (h *held) release() {
	if h.bytes == 0 {
		return
	}
	m := h.from
	m.mu.Lock()
	defer m.mu.Unlock()
	m.used -= h.bytes
	if h.alone {
		m.alone = false
	}
	h.bytes, h.alone = 0, false
	close(m.freed)
	m.freed = make(chan struct{})
}
