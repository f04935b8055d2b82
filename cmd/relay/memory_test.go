package main

import (
	"math"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
	"time"
)

func TestLimitFor(t *testing.T) {
	for _, c := range []struct{ alive, machine, want int64 }{
		{5 << 20, 1 << 40, quietHeap},
		{72 << 20, 1 << 40, 90 << 20},
		{1 << 30, 1 << 40, 5 << 28},
		{1 << 30, 500 << 20, 500 << 20},
		{0, 30 << 20, 30 << 20},
	} {
		if got := limitFor(c.alive, c.machine); got != c.want {
			t.Errorf("%d alive on %d: %d, want %d", c.alive, c.machine, got, c.want)
		}
	}
	if got := alive(); got <= 0 {
		t.Errorf("%d bytes are alive", got)
	}
}

// TestLimitFollows: the limit is set anew after each collection, however many small
// things the program keeps. Where it stopped following, a relay with much in its memory
// collected without end.
func TestLimitFollows(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1))
	keepHeapLow(math.MaxInt64)
	var kept [4][]*int8
	for round := range 200 {
		var wg sync.WaitGroup
		for i := range kept {
			wg.Go(func() { kept[i] = append(kept[i], new(int8), new(int8), new(int8)) })
		}
		wg.Wait()
		debug.SetMemoryLimit(quietHeap + 1)
		for late := time.Now().Add(5 * time.Second); debug.SetMemoryLimit(-1) == quietHeap+1; {
			runtime.GC() // which tells on a goroutine of its own
			if time.Now().After(late) {
				t.Fatalf("nobody sets the limit after %d rounds", round)
			}
		}
	}
	runtime.KeepAlive(kept)
}
