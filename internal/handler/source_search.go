package handler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sluicelog/sluice/internal/teleport"
)

// searchSource follows the audit log page by page. Time is cut into windows; in
// a window a page's cursor leads to the next page, and the last page, which has
// no next one, is asked for again and again, since new events appear behind its
// old ones. A window that lies in the past and has no further page is left for
// the next one, with a fresh cursor: one from another window finds nothing.
//
// An event may appear late, in front of what has been read. So nothing goes by
// position alone: an event is new when it is neither under way nor among those
// that were acknowledged lately (seen), and the look-back is searched through
// again from time to time (source_late.go).
type searchSource struct {
	cfg    sourceConfig
	ledger *ledger
	state  *searchState
	seen   *seenEvents

	main *lane // in order; its settled mark is what is written to disk
	late *lane // what was found behind the main lane's place

	// Where reading stands. Used by run alone.
	at      mark                    // behind the last event read
	recent  [2]map[fingerprint]bool // events of this page and the one before
	limit   int                     // events of a page
	idle    int                     // pages in a row that brought nothing
	failed  int                     // pages in a row that could not be read
	rescans rescans
	resumed bool
	found   mark // what was on disk
	ours    bool // and was written by us

	mu      sync.Mutex // guards what follows
	flying  map[fingerprint]bool
	covered time.Time // late events from here on are looked for
}

func openSearch(cfg sourceConfig, book *ledger) (*searchSource, error) {
	s := &searchSource{cfg: cfg, ledger: book, limit: cfg.batch, flying: map[fingerprint]bool{}}
	var err error
	if s.state, s.found, s.ours, err = openSearchState(cfg.dir); err != nil {
		return nil, err
	}
	if s.seen, err = openSeen(cfg.dir); err != nil {
		return nil, err
	}
	s.at = s.found
	if s.at.window.IsZero() {
		s.at.window = cfg.start // never from year 1
	}
	book.inherited = s.ours
	s.covered = s.at.window // what the former handler read before is not remembered
	if s.ours {
		s.covered = s.state.last.Covered
	}
	s.main, s.late = book.open(s.at), book.open(mark{})
	return s, nil
}

// run reads until ctx ends or an error; called again it goes on.
func (s *searchSource) run(ctx context.Context, deliver func(context.Context, *Read) error) error {
	if !s.resumed {
		if err := s.resume(ctx, deliver); err != nil {
			return err
		}
		s.resumed = true
	}
	for {
		next, err := s.step(ctx, deliver)
		switch {
		case err != nil:
			return err
		case next == again:
			continue
		case next == tail && s.cfg.exitOnLast:
			return nil
		case next == tail:
			s.ledger.caughtUp()
			if err := s.rescan(ctx, deliver); err != nil {
				return err
			}
		}
		if err := sleep(ctx, max(s.cfg.timeout, 10*time.Millisecond)); err != nil {
			return err
		}
	}
}

// What comes after a page.
type afterPage int

const (
	again afterPage = iota // there is more to read at once
	pause                  // the cluster gave nothing to go on with
	tail                   // everything was read
)

// step reads one page.
func (s *searchSource) step(ctx context.Context, deliver func(context.Context, *Read) error) (afterPage, error) {
	now := time.Now()
	s.cfg.checkClock(s.at.window)
	end := s.at.window.Add(s.cfg.window)
	last := end.After(now)
	if last {
		end = now
	}
	page, next, err := s.search(ctx, s.at.window, end, s.at.cursor)
	if teleport.IsBadRequest(err) && s.at.cursor != "" {
		s.cfg.log.Warn("The cluster does not take its old cursor any more, looking for the place again", "error", err)
		_, err := s.locate(ctx)
		return again, err
	}
	if err != nil {
		return pause, s.unread(err)
	}
	s.failed = 0
	s.cfg.health.passed(stuckWindows, windowPart)
	fresh, err := s.take(ctx, page, deliver)
	if err != nil {
		return pause, err
	}
	s.idle++
	if fresh > 0 {
		s.idle = 0
	}
	if next == s.at.cursor && next != "" { // it would be the same page for ever
		s.standsStill()
		return pause, nil
	}
	s.cfg.health.ok("search")
	switch {
	case next != "":
		s.turn(s.at.window, next)
		if s.idle > 50 {
			return pause, nil // empty pages are no reason to hammer the cluster
		}
		return again, nil
	case !last:
		s.turn(end, "")
		return again, nil
	}
	s.idle = 0
	return tail, nil
}

// windowPart is the name of what a search reads just now: there is one such place.
const windowPart = "reading"

// unread says where reading stands when a page can not be read.
func (s *searchSource) unread(err error) error {
	err = fmt.Errorf("page of the window of %s, behind event %.80q, cursor %.200q: %w", s.at.window.UTC().Format(time.RFC3339Nano), s.at.id, s.at.cursor, err)
	if s.failed++; s.failed >= stuckAfter {
		s.cfg.health.failingOne(stuckWindows, windowPart, err)
	}
	return err
}

// standsStill says that nothing more can be read, though the cluster answers.
func (s *searchSource) standsStill() {
	err := fmt.Errorf("the cluster leads from a page of the window of %s back to the same page: what is behind it can not be read", s.at.window.UTC().Format(time.RFC3339))
	s.cfg.health.failing("search", err)
	s.cfg.health.complain("search", err)
}

// search asks for one page, and for a smaller one when that is too large.
func (s *searchSource) search(ctx context.Context, from, to time.Time, cursor string) ([]teleport.Event, string, error) {
	return s.page(ctx, teleport.SearchRequest{From: from, To: to, Cursor: cursor}, &s.limit, s.cfg.batch)
}

// page asks for limit events, for fewer while those are too much, and in the end for
// most again.
func (s *searchSource) page(ctx context.Context, r teleport.SearchRequest, limit *int, most int) ([]teleport.Event, string, error) {
	for {
		r.Types, r.Limit = s.cfg.types, *limit
		page, next, err := s.cfg.teleport.Search(ctx, r)
		if teleport.IsTooLarge(err) && *limit > 1 {
			*limit = (*limit + 1) / 2
			continue
		}
		if err == nil {
			s.cfg.health.ok("teleport")
			*limit = min(*limit*2, most)
		}
		return page, next, err
	}
}

// turn goes on to another page. Also when nothing of this one was new, reading
// need not begin at it again.
func (s *searchSource) turn(window time.Time, cursor string) {
	s.at.window, s.at.cursor, s.at.page = window, cursor, time.Time{}
	s.main.pass(s.at)
	s.recent[1], s.recent[0] = s.recent[0], nil
}

// take delivers what is new of a page. What stands in front of the last event
// read is late: it goes a way of its own, since the position on disk can not
// tell it from its neighbours.
func (s *searchSource) take(ctx context.Context, page []teleport.Event, deliver func(context.Context, *Read) error) (fresh int, err error) {
	if len(page) == 0 {
		return 0, nil
	}
	if s.at.page.IsZero() {
		s.at.page = page[0].Time
	}
	behind := 0 // place of the last event read
	for i, e := range slices.Backward(page) {
		if e.ID == s.at.id {
			behind = i + 1
			break
		}
	}
	for i, e := range page {
		took, err := s.takeOne(ctx, e, i < behind, deliver)
		if err != nil {
			return fresh, err
		}
		fresh += took
	}
	s.follow()
	return fresh, nil
}

func (s *searchSource) takeOne(ctx context.Context, e teleport.Event, late bool, deliver func(context.Context, *Read) error) (int, error) {
	body := e.AppendJSON(nil)
	print := fingerprintOf(e.ID, body)
	if s.knows(print) {
		return 0, nil
	}
	if s.recent[0] == nil {
		s.recent[0] = map[fingerprint]bool{}
	}
	skip := s.cfg.leaveOut(e)
	if late {
		if skip {
			return 0, nil
		}
		return 1, s.deliver(ctx, s.late, entry{print: print, at: e.Time, size: len(body)}, readOf(e, body), deliver)
	}
	s.recent[0][print] = true
	s.at.id, s.at.at = e.ID, e.Time
	if skip {
		s.main.pass(s.at)
		return 1, nil
	}
	return 1, s.deliver(ctx, s.main, entry{mark: s.at, print: print, at: e.Time, size: len(body)}, readOf(e, body), deliver)
}

// knows reports that an event was read before, as far as we remember.
func (s *searchSource) knows(print fingerprint) bool {
	if s.recent[0][print] || s.recent[1][print] {
		return true
	}
	s.mu.Lock()
	flying := s.flying[print]
	s.mu.Unlock()
	return flying || s.seen.has(print)
}

func (s *searchSource) deliver(ctx context.Context, l *lane, e entry, r *Read, deliver func(context.Context, *Read) error) error {
	p, err := l.admit(ctx, e)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.flying[e.print] = true
	s.mu.Unlock()
	r.place = p
	return deliver(ctx, r)
}

// acked moves an event from under way to seen.
func (s *searchSource) acked(p *place) {
	s.seen.add(p.print, p.at)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.flying, p.print)
}

// follow lets the look-back's beginning come along while old events are read:
// what was read long after it happened is not late.
func (s *searchSource) follow() {
	if !s.rescans.begun || s.at.at.After(time.Now().Add(-s.cfg.lookBack)) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at.at.After(s.covered) {
		s.covered = s.at.at
	}
}

// save writes how far everything is acknowledged. The seen events go first: the
// position may be behind events that only they remember.
func (s *searchSource) save() error {
	forget, changed := s.ledger.rise()
	if !changed {
		return nil
	}
	// Before the lanes: a look that ends meanwhile moves it past events that it has
	// put there.
	s.mu.Lock()
	covered := s.covered
	s.mu.Unlock()
	main, late := s.main.view(), s.late.view()
	if !late.oldest.IsZero() && late.oldest.Before(covered) {
		covered = late.oldest // it is found again only by looking there
	}
	err := s.seen.flush()
	if err == nil {
		err = s.state.save(main.settled, covered)
	}
	if err != nil {
		s.ledger.failed()
		return err
	}
	s.cfg.identity.mayForget(forget)
	return s.prune(main.settled, covered)
}

// prune drops seen events that can not be met again: neither in the look-back
// nor in the page that reading would begin at.
func (s *searchSource) prune(settled mark, covered time.Time) error {
	bound := covered
	for _, t := range []time.Time{settled.page, settled.at} {
		if !t.IsZero() && t.Before(bound) {
			bound = t
		}
	}
	return s.seen.prune(bound.Add(-time.Minute))
}

// errNoPlace says that the place could not be found again.
var errNoPlace = errors.New("no such event")

// find looks for an event by its id from a cursor on, and returns the page's
// cursor and the page up to and with the event.
func (s *searchSource) find(ctx context.Context, from, to time.Time, cursor, id string) (window mark, page []teleport.Event, err error) {
	for {
		page, next, err := s.search(ctx, from, to, cursor)
		if err != nil {
			return mark{}, nil, err
		}
		for i, e := range page {
			if e.ID == id {
				return mark{window: from, cursor: cursor, id: id, at: e.Time, page: page[0].Time}, page[:i+1], nil
			}
		}
		if next == "" || next == cursor {
			return mark{}, nil, fmt.Errorf("find %s: %w", id, errNoPlace)
		}
		cursor = next
	}
}
