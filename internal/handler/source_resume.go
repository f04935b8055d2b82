package handler

import (
	"context"
	"errors"
	"time"

	"github.com/sluicelog/sluice/internal/teleport"
)

// resume brings reading to where the state on disk says it was.
//
// Our own state is exact: the page is asked for again, what was seen is left out,
// and events that came late meanwhile are looked for once. Upstream's state is a
// place by position: everything up to the event it names was sent. It is learnt
// as seen, so that from then on late events are told apart.
func (s *searchSource) resume(ctx context.Context, deliver func(context.Context, *Read) error) error {
	switch {
	case s.ours:
		s.rescans.begun = true
		return s.lookAgain(ctx, s.covered, s.passed(), deliver)
	case s.found == mark{}:
		s.rescans.begun = true
		return nil
	}
	s.cfg.log.Info("Taking over the state of the former event handler", "window_time", s.found.window, "id", s.found.id)
	page, err := s.locate(ctx)
	if err != nil {
		return err
	}
	if len(page) > 0 {
		if err := s.learn(ctx, s.at.at.Add(-s.cfg.lookBack), s.at.at); err != nil {
			return err
		}
	}
	for _, e := range page {
		s.learnOne(e)
	}
	s.rescans.begun = true
	return nil
}

// locate finds the last event's page anew, in the window it was in or in a later
// one, and returns the page up to that event. When nobody knows the event any
// more, reading goes on at the cursor, or else at the window's start, and some
// events may be sent again.
func (s *searchSource) locate(ctx context.Context) ([]teleport.Event, error) {
	at, page, err := s.findLast(ctx)
	if err != nil && !errors.Is(err, errNoPlace) {
		return nil, err
	}
	if err != nil {
		at = s.at
		at.page = time.Time{}
		if s.stale(ctx) {
			at.cursor = ""
			s.cfg.log.Warn("The place in the log is lost, some events may be sent again", "id", at.id, "from", at.window)
		}
	}
	s.at = at
	s.main.pass(s.at)
	return page, nil
}

// findLast tries the page that the cursor names, then the window, then all that
// follow it up to now.
func (s *searchSource) findLast(ctx context.Context) (mark, []teleport.Event, error) {
	if s.at.id == "" {
		return mark{}, nil, errNoPlace
	}
	now := time.Now()
	if s.at.cursor != "" {
		page, _, err := s.search(ctx, s.at.window, now, s.at.cursor)
		if err == nil {
			for i, e := range page {
				if e.ID == s.at.id {
					m := s.at
					m.at, m.page = e.Time, page[0].Time
					return m, page[:i+1], nil
				}
			}
		}
		if err == nil && len(page) > 0 {
			return mark{}, nil, errNoPlace // the cursor is good; the event ends the page before it
		}
		if err != nil && !teleport.IsBadRequest(err) {
			return mark{}, nil, err
		}
	}
	for from := s.at.window; from.Before(now); from = from.Add(s.cfg.window) {
		to := from.Add(s.cfg.window)
		if to.After(now) {
			to = now
		}
		m, page, err := s.find(ctx, from, to, "", s.at.id)
		if !errors.Is(err, errNoPlace) {
			return m, page, err
		}
	}
	return mark{}, nil, errNoPlace
}

// stale reports that a cursor leads nowhere: it is refused, or brings nothing
// although there is more.
func (s *searchSource) stale(ctx context.Context) bool {
	if s.at.cursor == "" {
		return false
	}
	page, next, err := s.search(ctx, s.at.window, time.Now(), s.at.cursor)
	return teleport.IsBadRequest(err) || err == nil && len(page) == 0 && next == ""
}

// learn takes a stretch of the log as sent, without sending it.
func (s *searchSource) learn(ctx context.Context, from, to time.Time) error {
	if from.Before(s.cfg.start) {
		from = s.cfg.start
	}
	err := s.walk(ctx, from, to, func(e teleport.Event) error {
		if e.Time.Before(to) && !e.Time.Before(from) {
			s.learnOne(e)
		}
		return nil
	})
	if err == nil {
		s.mu.Lock()
		s.covered = from
		s.mu.Unlock()
	}
	return err
}

func (s *searchSource) learnOne(e teleport.Event) {
	s.seen.add(fingerprintOf(e.ID, e.AppendJSON(nil)), e.Time)
}

// walkPage is how many events a page has of what was read before: nothing waits to be
// sent of those, and a handler that takes over goes on only when it has seen them.
const walkPage = 500

// walk goes through all events of a stretch of time, both ends included. Some
// backends cut to whole seconds, so it asks for those; what is outside is the
// caller's to leave out.
func (s *searchSource) walk(ctx context.Context, from, to time.Time, each func(teleport.Event) error) error {
	if from.After(to) {
		return nil
	}
	from, to = from.Truncate(time.Second), to.Truncate(time.Second).Add(time.Second)
	most := max(s.cfg.batch, walkPage)
	for cursor, limit := "", most; ; {
		page, next, err := s.page(ctx, teleport.SearchRequest{From: from, To: to, Cursor: cursor}, &limit, most)
		if err != nil {
			return err
		}
		for _, e := range page {
			if err := each(e); err != nil {
				return err
			}
		}
		if next == "" || next == cursor {
			return nil
		}
		cursor = next
	}
}
