package handler

import (
	"context"
	"fmt"
	"time"

	"github.com/sluicelog/sluice/internal/teleport"
)

// Late events are found by searching the look-back again: its last few minutes
// every minute, all of it every ten, and never for more than a tenth of the
// time.
const (
	shortLook     = 5 * time.Minute
	shortInterval = time.Minute
	fullInterval  = 10 * time.Minute
	lookShare     = 10
)

type rescans struct {
	begun       bool // what an earlier process left unread is read
	short, full time.Time
	failed      int // looks in a row
}

// rescan looks for late events when it is time to. Called at the tail only:
// while old events are read, nothing comes late.
func (s *searchSource) rescan(ctx context.Context, deliver func(context.Context, *Read) error) error {
	now := time.Now()
	if s.cfg.lookBack <= 0 {
		return nil
	}
	if s.rescans.full.IsZero() {
		s.rescans.full, s.rescans.short = now.Add(fullInterval), now.Add(shortInterval)
	}
	switch {
	case !now.Before(s.rescans.full):
		s.mu.Lock()
		from := s.covered
		s.mu.Unlock()
		if err := s.look(ctx, from, s.passed(), deliver); err != nil {
			return err
		}
		s.mu.Lock()
		if began := now.Add(-s.cfg.lookBack); began.After(s.covered) {
			s.covered = began
		}
		s.mu.Unlock()
		s.rescans.full = afterLook(now, fullInterval)
		s.rescans.short = afterLook(now, shortInterval)
	case !now.Before(s.rescans.short):
		if err := s.look(ctx, s.passed().Add(-min(shortLook, s.cfg.lookBack)), s.passed(), deliver); err != nil {
			return err
		}
		s.rescans.short = afterLook(now, shortInterval)
	}
	return nil
}

// passed is the time up to which the ordinary reading brings nothing any more:
// that of its last event, or of its window's start when the windows before were
// left behind.
func (s *searchSource) passed() time.Time {
	if s.at.at.After(s.at.window) {
		return s.at.at
	}
	return s.at.window
}

// afterLook is when the next look may begin, after one that began at began and
// is over now.
func afterLook(began time.Time, interval time.Duration) time.Time {
	return began.Add(max(interval, lookShare*time.Since(began)))
}

// look is lookAgain, and says in /readyz when it fails again and again: new events
// are read meanwhile.
func (s *searchSource) look(ctx context.Context, from, to time.Time, deliver func(context.Context, *Read) error) error {
	err := s.lookAgain(ctx, from, to, deliver)
	switch {
	case err == nil:
		s.rescans.failed = 0
		s.cfg.health.passed(stuckLookBack, windowPart)
		return nil
	case ctx.Err() != nil:
		return err
	}
	err = fmt.Errorf("look for late events from %s to %s: %w", from.UTC().Format(time.RFC3339), to.UTC().Format(time.RFC3339), err)
	if s.rescans.failed++; s.rescans.failed >= stuckAfter {
		s.cfg.health.failingOne(stuckLookBack, windowPart, err)
	}
	return err
}

// lookAgain delivers what is new in a stretch that was read before.
func (s *searchSource) lookAgain(ctx context.Context, from, to time.Time, deliver func(context.Context, *Read) error) error {
	s.mu.Lock()
	if from.Before(s.covered) {
		from = s.covered // what is older is not remembered, so nobody could tell
	}
	s.mu.Unlock()
	return s.walk(ctx, from, to, func(e teleport.Event) error {
		if e.Time.Before(from) || e.Time.After(to) {
			return nil // some backends cut to whole seconds
		}
		_, err := s.takeOne(ctx, e, true, deliver)
		return err
	})
}
