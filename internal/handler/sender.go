package handler

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/sluicelog/sluice/internal/event"
)

// sender posts events to one relay or to several. Each request is sent again
// until it is acknowledged, with growing pauses; only a refusal that can never
// change (400, 413, 422) ends in the dead-letter file, one event alone.
type sender struct {
	relays   []*relay
	dialing  *dialing
	identity *identity
	slots    chan struct{} // requests in flight, shared by all senders
	maxBatch int           // 0: as offered
	maxBytes int
	patience time.Duration // how long a relay may be away before another stands in
	// permit waits until posting is allowed; nil: it always is.
	permit func(context.Context) error
	log    *slog.Logger
	counts *counts
	health *health
}

// home is where the events of a key belong.
func (s *sender) home(key string) *relay { return homeOf(s.relays, key) }

// batchSize is how many events may go into one request to a relay just now.
func (s *sender) batchSize(r *relay) int {
	switch {
	case s.maxBatch == 1:
		return 1
	case s.maxBatch > 1:
		return s.maxBatch
	}
	return r.offered()
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// send posts events until they are taken or refused for good, or ctx ends.
func (s *sender) send(ctx context.Context, home *relay, suffix string, batch []*Read) error {
	return s.sendUntil(ctx, home, suffix, batch, false)
}

// sendUntil is send, which with yields ends with [errTooMuch] also for one event
// that gets no answer.
func (s *sender) sendUntil(ctx context.Context, home *relay, suffix string, batch []*Read, yields bool) error {
	if home.portion.exceeded(batch) {
		return errTooMuch
	}
	at, moved, quiet := home.pick(s.patience), false, new(silence)
	defer s.heard(quiet, batch)
	for attempt := 0; ; attempt++ {
		err := s.try(ctx, at, suffix, batch)
		switch {
		case err == nil:
			s.taken(at, len(batch), moved || at != home)
			s.learn(at, batch, attempt == 0 && !moved)
			return nil
		case errors.As(err, new(*refusal)):
			at.worked()
			return err
		case errors.Is(err, errStale), ctx.Err() != nil:
			return err
		}
		s.counts.retries.Inc()
		s.health.failing(at.shown(), err)
		at.failed(s.patience)
		if quiet.met(err) {
			if err := s.unheard(at, quiet, batch, yields, err); err != nil {
				return err
			}
		}
		next := home.pick(s.patience)
		if next != at {
			s.announce(at, next, err)
			at, attempt, moved = next, -1, true
			continue
		}
		if err := s.pause(ctx, at, attempt, err); err != nil {
			return err
		}
	}
}

// taken notes who took events. Those that were tried at more than one relay, or
// that another than their own took, may be stored by both: by an attempt whose
// answer was lost, or by one after a restart.
func (s *sender) taken(at *relay, events int, elsewhere bool) {
	at.worked()
	s.health.ok(at.shown())
	if elsewhere {
		s.counts.elsewhere.Add(float64(events))
	}
}

// announce says once that another relay stands in.
func (s *sender) announce(away, instead *relay, err error) {
	if away.news() {
		s.log.Warn("A relay is away, another one gets its events; some may be stored twice", "url", away.shown(), "instead", instead.shown(), "error", err)
	}
}

func (s *sender) pause(ctx context.Context, at *relay, attempt int, err error) error {
	pause := backoff(attempt)
	if later := new(busy); errors.As(err, &later) {
		pause = max(pause, later.wait)
	}
	s.health.logRetry(s.log, at.shown(), attempt, pause, err)
	return sleep(ctx, pause)
}

// try is one request.
func (s *sender) try(ctx context.Context, at *relay, suffix string, batch []*Read) error {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if s.permit != nil {
		if err := s.permit(ctx); err != nil {
			return err
		}
	}
	return at.post(ctx, suffix, batch)
}

const (
	firstPause = 200 * time.Millisecond
	maxPause   = 10 * time.Second
)

// backoff doubles from firstPause to maxPause, less up to half at random, so
// that many senders do not come back at the same moment.
func backoff(attempt int) time.Duration {
	pause := min(firstPause<<min(attempt, 10), maxPause)
	return pause/2 + time.Duration(rand.Int64N(int64(pause/2)+1)) //nolint:gosec // no secret
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// identity is what our relay learns about the sender: the id of its state
// folder, the generation that rises with each start and each persisted cursor,
// and the generation below which nothing will ever be sent again.
type identity struct {
	source string
	shared bool // the files on disk do not last: forget waits for the bucket

	mu      sync.Mutex // guards what follows
	start   uint64
	gen     uint64
	forget  uint64 // what the relay is told
	settled uint64 // what the files on disk allow
}

// stamp puts it into a request's headers, describe into a message's option.
func (i *identity) stamp(h http.Header) {
	i.say(func(name string, value string) { h["Sluice-"+name] = []string{value} })
}

func (i *identity) describe(option *event.Record) {
	names := map[string]string{"Source": "sluice_source", "Start": "sluice_start", "Generation": "sluice_generation", "Forget": "sluice_forget"}
	i.say(func(name, value string) { option.Set(names[name], value) })
}

func (i *identity) say(word func(name, value string)) {
	if i == nil || i.source == "" {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	word("Source", i.source)
	word("Start", strconv.FormatUint(i.start, 10))
	word("Generation", strconv.FormatUint(i.gen, 10))
	word("Forget", strconv.FormatUint(i.forget, 10))
}
