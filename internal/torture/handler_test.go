package torture

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/sluicelog/sluice/internal/buffer"
)

// window is how many events beyond the persisted cursor a handler reads.
const window = 60

// handlerState is what a handler has on its disk.
type handlerState struct {
	cursor int          // everything below is acknowledged
	beyond map[int]bool // acknowledged as well
	block  uint64       // of generations
}

// handler is one process of the model handler: it posts events in batches, again
// until each is acknowledged, and keeps the cursor and the generations as
// docs/guarantees.md says.
type handler struct {
	w     *world
	start uint64
	stop  context.CancelFunc
	wg    sync.WaitGroup

	mu          sync.Mutex
	gen, forget uint64
	next        int
	acked       map[int]bool
	sent        map[int]uint64 // the generation in which an event was first sent
	inherited   int            // events below may have been sent by an earlier process
	dirty       bool
}

func startHandler(w *world) *handler {
	w.state.block += 1000
	h := &handler{
		w: w, start: w.state.block, gen: w.state.block, next: w.state.cursor, dirty: true,
		acked: maps.Clone(w.state.beyond), sent: map[int]uint64{}, inherited: min(w.state.cursor+window, w.events),
	}
	ctx, stop := context.WithCancel(context.Background())
	h.stop = stop
	for range w.clients {
		h.wg.Go(func() { h.post(ctx) })
	}
	h.wg.Go(func() { h.persist(ctx) })
	return h
}

// kill ends the process. Its requests stay on their way.
func (h *handler) kill() {
	h.stop()
	h.wg.Wait()
}

func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

func (h *handler) post(ctx context.Context) {
	for ctx.Err() == nil {
		uids := h.take(1 + h.w.dice.n(20))
		if len(uids) == 0 {
			pause(ctx, 20*time.Millisecond)
			continue
		}
		for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
			err := h.send(ctx, uids)
			if ctx.Err() != nil {
				return
			}
			h.w.note("post %d..%d (%d): %v", uids[0], uids[len(uids)-1], len(uids), err)
			if err == nil {
				break
			}
			if errors.Is(err, buffer.ErrStaleSource) {
				h.w.fail("the newest handler was refused: %v", err)
			}
			if !pause(ctx, wait) {
				return
			}
		}
		h.ack(uids)
		pause(ctx, h.w.dice.upTo(h.w.pace))
	}
}

// take reads the next events, those left out that were acknowledged before.
func (h *handler) take(n int) (uids []int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for ; len(uids) < n && h.next < min(h.w.persisted()+window, h.w.events); h.next++ {
		if h.next >= h.w.persisted() && !h.acked[h.next] {
			h.sent[h.next] = h.gen
			uids = append(uids, h.next)
		}
	}
	return uids
}

func (h *handler) ack(uids []int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, uid := range uids {
		h.acked[uid] = true
		delete(h.sent, uid)
	}
	h.dirty = true
}

// send is one request with its network: it may be late, its answer may be lost,
// and it may arrive when its sender has long gone.
func (h *handler) send(ctx context.Context, uids []int) error {
	h.mu.Lock()
	src := &buffer.Source{ID: "handler", Generation: h.gen, Forget: h.forget, Start: h.start}
	h.mu.Unlock()
	if h.w.cfg.Dedup == "content" {
		src = nil // a client that says nothing
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	r := h.w.current()
	if r == nil {
		return errNetwork
	}
	answer := make(chan error, 1)
	h.w.orphans.Go(func() {
		d := h.w.dice
		late := d.upTo(5 * time.Millisecond)
		if h.w.zombies && d.oneIn(30) {
			late = d.upTo(40 * time.Second)
		}
		time.Sleep(late)
		err := r.post(ctx, src, uids)
		if late > 3*time.Second {
			h.w.note("a request arrives late, %d..%d of generation %v: %v", uids[0], uids[len(uids)-1], src, err)
		}
		time.Sleep(d.upTo(3 * time.Millisecond))
		if !d.oneIn(20) {
			answer <- err
		}
	})
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// persist writes the cursor at times; only then the relay may forget.
func (h *handler) persist(ctx context.Context) {
	for pause(ctx, 50*time.Millisecond+h.w.dice.upTo(time.Second)) {
		h.mu.Lock()
		if !h.dirty {
			h.mu.Unlock()
			continue
		}
		h.dirty = false
		h.gen++
		forget := h.gen
		for _, gen := range h.sent {
			forget = min(forget, gen)
		}
		s := handlerState{cursor: h.w.persisted(), beyond: map[int]bool{}, block: h.start}
		for h.acked[s.cursor] {
			delete(h.acked, s.cursor)
			s.cursor++
		}
		maps.Copy(s.beyond, h.acked)
		if s.cursor < h.inherited {
			forget = 0
		}
		h.mu.Unlock()
		h.w.save(s)
		h.mu.Lock()
		h.forget = max(h.forget, forget)
		h.mu.Unlock()
	}
}
