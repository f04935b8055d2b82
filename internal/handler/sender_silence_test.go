package handler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluicelog/sluice/internal/metrics"
)

// mute is a forward receiver that says nothing to what it does not take.
type mute struct {
	takes   func(batch []*Read) bool
	silence time.Duration // 0: it closes the connection

	mu       sync.Mutex
	taken    []string
	sizes    []int
	ignored  int
	attempts int
}

func (m *mute) offered() int { return forwardBatch }

func (m *mute) post(ctx context.Context, _ string, batch []*Read) error {
	m.mu.Lock()
	m.attempts++
	takes := m.takes(batch)
	if !takes {
		m.ignored++
	}
	m.mu.Unlock()
	if !takes {
		if err := sleep(ctx, m.silence); err != nil {
			return err
		}
		return &unanswered{errors.New("silence")}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sizes = append(m.sizes, bytesOf(batch))
	for _, r := range batch {
		m.taken = append(m.taken, r.ID)
	}
	return nil
}

// got is what was taken so far.
func (m *mute) got() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.taken)
}

func (m *mute) delivery(t *testing.T) *testDelivery {
	t.Helper()
	numbers := metrics.New()
	h := &handler{dir: t.TempDir(), log: slog.New(slog.DiscardHandler), counts: newCounts(numbers), health: newHealth()}
	s := &sender{
		relays: newRelays([]*relay{{receiver: m, url: "forward://relay/t"}}), slots: make(chan struct{}, 4), maxBytes: 1 << 20,
		patience: time.Minute, log: h.log, counts: h.counts, health: h.health,
	}
	d := &testDelivery{h: h, numbers: numbers}
	d.delivery = &delivery{
		sender: s, dead: newDeadLetters(h.dir), workers: 2, log: h.log, counts: h.counts,
		ack:   func(r *Read) { d.mu.Lock(); defer d.mu.Unlock(); d.acked = append(d.acked, r.ID) },
		after: func(context.Context, *Read) error { return nil },
	}
	return d
}

// A receiver with a limit of its own that says nothing to what is larger gets all the
// same, in smaller requests, and from then on no larger ones.
func TestSilentLimit(t *testing.T) {
	for _, silence := range []time.Duration{0, requestTimeout} {
		synctest.Test(t, func(t *testing.T) {
			const limit = 2000
			m := &mute{silence: silence, takes: func(b []*Read) bool { return bytesOf(b) <= limit }}
			d := m.delivery(t)
			d.sendAll(t, numbered("e", 3000)...)
			sameSet(t, "taken", m.taken, numbered("e", 3000))
			if slices.Max(m.sizes) > limit || d.metric(t, "handler_dead_letters_total") != 0 {
				t.Errorf("largest %d, set aside %v", slices.Max(m.sizes), d.metric(t, "handler_dead_letters_total"))
			}
			if m.ignored > 30 {
				t.Errorf("%d of %d requests were too large", m.ignored, m.attempts)
			}
			time.Sleep(portionTime)
			if got := d.sender.batchBytes(d.sender.relays[0]); got != 1<<20 {
				t.Errorf("after an hour: %d bytes", got)
			}
		})
	}
}

// A receiver that takes nothing for hours costs no event, makes no dead letter, and
// teaches nothing about sizes.
func TestSilentForHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		m := &mute{takes: func([]*Read) bool { return time.Since(began) > 3*time.Hour }}
		d := m.delivery(t)
		d.sendAll(t, numbered("e", 3000)...)
		sameSet(t, "taken", m.taken, numbered("e", 3000))
		if d.metric(t, "handler_dead_letters_total") != 0 || d.sender.batchBytes(d.sender.relays[0]) != 1<<20 {
			t.Errorf("set aside %v, bytes %d", d.metric(t, "handler_dead_letters_total"), d.sender.batchBytes(d.sender.relays[0]))
		}
		if problems := d.h.health.problems(); len(problems) != 0 {
			t.Errorf("problems %q", problems)
		}
	})
}

// An event that stands in a batch of its own with one that gets no answer is not held
// up by it for long, though nobody else shows that others are taken.
func TestSilentEventYields(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		m := &mute{takes: func(b []*Read) bool { return time.Since(began) > time.Hour || b[0].ID != "e0" }}
		d := m.delivery(t)
		d.workers = 1
		done := make(chan error)
		go func() { done <- d.deliver(t.Context(), d.sender.relays[0], []*Read{testEvent("e0"), testEvent("e1")}) }()
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if got := m.got(); !slices.Equal(got, []string{"e1"}) {
			t.Errorf("took %q", got)
		}
		if err := <-done; err != nil || !slices.Equal(d.acked, []string{"e1", "e0"}) {
			t.Errorf("acknowledged %q: %v", d.acked, err)
		}
	})
}

// One event that gets no answer holds up none beside it, is tried for ever, and is
// named while others are taken.
func TestSilentEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		m := &mute{takes: func(b []*Read) bool {
			return time.Since(began) > time.Hour || !slices.ContainsFunc(b, func(r *Read) bool { return r.ID == "e77" })
		}}
		d := m.delivery(t)
		events := make(chan *Read)
		done := make(chan error)
		go func() { done <- d.run(t.Context(), t.Context(), events) }()
		for i := range 500 {
			events <- testEvent(fmt.Sprint("e", i))
		}
		time.Sleep(10 * time.Minute)
		events <- testEvent("e500")
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if got := m.got(); len(got) != 500 || slices.Contains(got, "e77") {
			t.Errorf("%d of 500 were taken", len(got))
		}
		if got := strings.Join(d.h.health.problems(), "\n"); !strings.Contains(got, "events: 1 failing again and again, for longest e77: it gets no answer from forward://relay/t, of ") {
			t.Errorf("problems: %s", got)
		}
		time.Sleep(time.Hour)
		close(events)
		if err := <-done; err != nil {
			t.Error(err)
		}
		sameSet(t, "taken", m.taken, numbered("e", 501))
		if got := d.h.health.problems(); len(got) != 0 || d.metric(t, "handler_dead_letters_total") != 0 {
			t.Errorf("problems: %q", got)
		}
	})
}
