package handler

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"time"
)

// A forward receiver that can not take a message says nothing: Fluentd drops one
// above its chunk_size_limit without a word, others close the connection. A receiver
// that is busy, or a network that is torn, looks the same. So several events that get
// no answer are sent in halves, which is right in either case: each event is sent
// until it is acknowledged, and one that stands alone is never given up.

const (
	// silentAttempts is after how many requests without an answer a batch is halved.
	silentAttempts = 3
	// yieldAttempts is after how many one event lets others pass, though nobody knows
	// whether those fare better.
	yieldAttempts = 10
	// portionTime is how long what was learnt of a receiver holds.
	portionTime = time.Hour
)

// silence is what one batch has met with.
type silence struct {
	attempts int
	since    time.Time
	said     bool
}

// met notes how a request failed. It is true when the batch was left without an
// answer often enough.
func (q *silence) met(err error) bool {
	if !errors.As(err, new(*unanswered)) {
		return false
	}
	if q.attempts++; q.attempts == 1 {
		q.since = time.Now()
	}
	return q.attempts >= silentAttempts
}

// unheard is what to do about a batch that gets no answer: halve it, or go on when
// it is one event. If it is that event's own fault, since others are taken, it says
// so until the event is taken, too. With yields an event goes behind those that were
// in a batch with it.
func (s *sender) unheard(at *relay, q *silence, batch []*Read, yields bool, err error) error {
	size := bytesOf(batch)
	if len(batch) > 1 {
		at.portion.failed(size)
		s.log.Debug("Several events get no answer, trying fewer", "url", at.shown(), "events", len(batch), "bytes", size, "error", err)
		return fmt.Errorf("%w: %w", errTooMuch, err)
	}
	at.portion.forget()
	others := at.tookSince(q.since)
	if yields && (others || q.attempts >= yieldAttempts) {
		return fmt.Errorf("%w: %w", errTooMuch, err)
	}
	if !others {
		return nil
	}
	err = fmt.Errorf("it gets no answer from %s, of %d bytes, while others are taken; it is tried for ever. If it is above the receiver's chunk_size_limit, raise that, or leave the event out by handler state skip --event: %w", at.shown(), size, err)
	s.health.failingOne(stuckEvents, batch[0].ID, err)
	if !q.said {
		q.said = true
		s.log.Error("An event gets no answer", "id", batch[0].ID, "type", batch[0].Type, "error", err)
	}
	return nil
}

// learn notes that a batch was taken, at its first attempt or later.
func (s *sender) learn(at *relay, batch []*Read, atOnce bool) {
	if !atOnce {
		return
	}
	if most := at.portion.taken(bytesOf(batch)); most > 0 {
		s.log.Warn("The receiver leaves larger requests without an answer and takes smaller ones, sending those for an hour; raise its chunk_size_limit, or lower --fluentd-max-batch-bytes", "url", at.shown(), "bytes", most)
	}
}

// heard ends what unheard said.
func (s *sender) heard(q *silence, batch []*Read) {
	if q.said {
		s.health.passed(stuckEvents, batch[0].ID)
	}
}

// batchBytes is how many bytes of events may go into one request to a relay.
func (s *sender) batchBytes(r *relay) int { return r.portion.most(s.maxBytes) }

func bytesOf(batch []*Read) (n int) {
	for _, r := range batch {
		n += len(r.Body)
	}
	return n
}

// portion learns how large a request a receiver answers: one that was left
// unanswered although its half was taken at once was too large. What is learnt is
// forgotten after a while, since chance can look the same.
type portion struct {
	mu    sync.Mutex // guards what follows
	doubt int        // size of the smallest batch that got no answer; 0: there is none
	limit int
	until time.Time
}

func (p *portion) failed(size int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.doubt == 0 || size < p.doubt {
		p.doubt = size
	}
}

// forget is called when one event alone gets no answer: then it is not the size.
func (p *portion) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.doubt = 0
}

// taken notes a batch that was taken at its first attempt. It returns the size that
// was learnt from that, 0 when nothing was.
func (p *portion) taken(size int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.doubt == 0 || size >= p.doubt || size < p.doubt/4 {
		return 0
	}
	p.limit, p.until, p.doubt = max(p.doubt/2, 1), time.Now().Add(portionTime), 0
	return p.limit
}

// exceeded reports that several events are more than what was learnt.
func (p *portion) exceeded(batch []*Read) bool {
	return len(batch) > 1 && bytesOf(batch) > p.most(math.MaxInt)
}

// most is the largest request, usual when nothing was learnt.
func (p *portion) most(usual int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Now().Before(p.until) {
		return p.limit
	}
	return usual
}
