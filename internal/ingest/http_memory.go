package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

// memory bounds what all requests under way may hold together: heads, bodies as
// sent and unpacked, and what is made of them. A request takes what it says that it
// needs once, before it reads, and waits for it then. What turns out later to be
// needed it gets at once or not at all: nobody waits while holding some, so no two
// can starve each other.
type memory struct {
	total int64
	wait  time.Duration // how long a request waits for its share
	sem   *semaphore.Weighted
	heavy chan struct{} // a slot for each large body that may be worked on
	waste atomic.Int64  // bytes of large bodies that were let go since the last collection
}

func newMemory(total int64, wait time.Duration) *memory {
	return &memory{total: total, wait: wait, sem: semaphore.NewWeighted(total), heavy: make(chan struct{}, (runtime.GOMAXPROCS(0)+1)/2)}
}

// errMemory asks the client to come again.
var errMemory = errors.New("the requests under way fill request_memory_limit")

// freeBody is what a request may hold without asking: as many requests as there
// may be connections hold little of it, and a small event never waits behind
// large ones that somebody sends slowly.
const freeBody = 4 << 10

// loan is one request's part of the memory.
type loan struct {
	memory *memory
	n      int64
}

// take waits for room for n bytes; a body larger than everything is taken alone.
func (l *loan) take(ctx context.Context, n int64) error {
	if n <= freeBody {
		return nil
	}
	n = min(n, l.memory.total)
	if l.memory.sem.TryAcquire(n) {
		l.n = n
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, l.memory.wait)
	defer cancel()
	err := l.memory.sem.Acquire(ctx, n)
	switch {
	case err == nil:
		l.n = n
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return errMemory
	}
	return err
}

// grow makes the loan n bytes in all, if there is room just now.
func (l *loan) grow(n int64) error {
	if n <= max(l.n, freeBody) {
		return nil
	}
	if n > l.memory.total {
		return &tooMuchError{n, l.memory.total}
	}
	if !l.memory.sem.TryAcquire(n - l.n) {
		return errMemory
	}
	l.n = n
	return nil
}

// shrink gives back what is over n bytes; nothing may refer to it any more.
func (l *loan) shrink(n int64) {
	if l.n > n {
		l.memory.collect(l.n - n)
		l.memory.sem.Release(l.n - n)
		l.n = n
	}
}

func (l *loan) release() { l.shrink(0) }

const (
	largeLoan = 1 << 20
	muchWaste = 8 << 20
)

// collect runs the garbage collector when large bodies have left much behind, before
// others may use the room: what is let go still fills the memory until then.
func (m *memory) collect(n int64) {
	if n < largeLoan {
		return
	}
	if waste := m.waste.Add(n); waste > muchWaste && m.waste.CompareAndSwap(waste, 0) {
		runtime.GC()
	}
}

// heavyBody is what takes a processor milliseconds to unpack and read.
const heavyBody = 256 << 10

// work runs f, large bodies a few at a time: small events must not wait for a
// processor behind them. Who has a slot waits for nothing.
func (m *memory) work(size int64, f func() error) error {
	if size < heavyBody {
		return f()
	}
	m.heavy <- struct{}{}
	defer func() { <-m.heavy }()
	return f()
}

// tooMuchError is a request that even alone does not fit.
type tooMuchError struct{ need, limit int64 }

func (e *tooMuchError) Error() string {
	return fmt.Sprintf("the request needs about %d bytes of memory, request_memory_limit is %d", e.need, e.limit)
}

// Rough sizes of what is made of a body, for the worst that a client can send: an
// array of empty objects costs eighty times its text.
const (
	objectCost = 192 // a record and its event
	valueCost  = 64  // a value within it, when it is looked at
)

// canonicalCost is what is made of a JSON text that can stay as it is.
func canonicalCost(text []byte) int64 {
	return objectCost * int64(bytes.Count(text, []byte{'{'}))
}

// generalCost is what more is made of one that must be read value by value.
func generalCost(text []byte) int64 {
	values := bytes.Count(text, []byte{','}) + bytes.Count(text, []byte{'['}) + bytes.Count(text, []byte{'{'})
	return int64(len(text)) + valueCost*int64(values)
}

// formCost is what more a form takes than its text.
func formCost(text []byte) int64 {
	return int64(len(text)) + 2*valueCost*int64(bytes.Count(text, []byte{'&'}))
}
