package ingest

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// However many messages grow step by step while they hold a part, all of them get
// to their end, and together they hold no more than the total and one message.
func TestMessageMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const total, largest = 100, 80
		m := newMessageMemory(total)
		var most atomic.Int64
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				dice := rand.New(rand.NewPCG(1, uint64(i)))
				h := held{from: m}
				for range 20 {
					for size := int64(5); size <= largest; size *= 2 {
						if err := h.grow(t.Context(), size); err != nil {
							t.Error(err)
						}
						m.mu.Lock()
						most.Store(max(most.Load(), m.used))
						m.mu.Unlock()
						if dice.IntN(4) == 0 {
							break
						}
					}
					h.release()
				}
			})
		}
		wg.Wait()
		if m.used != 0 || m.alone || most.Load() > total+largest || most.Load() < total/2 {
			t.Errorf("used %d, alone %v, at most %d", m.used, m.alone, most.Load())
		}
	})
}

func TestMessageMemoryEnds(t *testing.T) {
	m := newMessageMemory(10)
	a, b := held{from: m}, held{from: m}
	if err := a.grow(t.Context(), 50); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.grow(ctx, 5); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v while another has everything", err)
	}
	a.release()
	if err := b.grow(t.Context(), 5); err != nil {
		t.Error(err)
	}
}
