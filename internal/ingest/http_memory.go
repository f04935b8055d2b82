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
	waste atomic.Int64 // bytes of large bodies that were let go since the last collection
}

func newMemory(total int64, wait time.Duration) *memory {
	return &memory{total: total, wait: wait, sem: semaphore.NewWeighted(total)}
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

func (l *loan) release() {
	if l.n == 0 {
		return
	}
	l.memory.sem.Release(l.n)
	l.memory.collect(l.n)
	l.n = 0
}

const (
	largeLoan = 1 << 20
	muchWaste = 32 << 20
)

// collect runs the garbage collector when large bodies have left much behind. With
// the few megabytes that live here it would wait until several times as much had
// gathered.
func (m *memory) collect(n int64) {
	if n < largeLoan {
		return
	}
	if waste := m.waste.Add(n); waste > muchWaste && m.waste.CompareAndSwap(waste, 0) {
		runtime.GC()
	}
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
