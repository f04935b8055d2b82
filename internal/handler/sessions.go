package handler

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/sluicelog/sluice/internal/teleport"
)

// recordings is the part of Teleport that gives a session's events.
type recordings interface {
	SessionEvents(ctx context.Context, sid string, index int64) iter.Seq2[teleport.Event, error]
}

// sessions fetches the recordings of ended sessions and sends their events to
// the session URL. A session is written down before its upload event is
// acknowledged, so that none is forgotten; it is struck off when its last event
// was acknowledged. One whose recording is missing is asked for again, with
// growing pauses, until it is too old.
type sessions struct {
	teleport recordings
	sender   *sender
	url      string // .<sid>.log goes behind it
	dead     *deadLetters
	state    *sessionState
	skip     []string
	maxAge   time.Duration // of a recording that is missing
	log      *slog.Logger
	counts   *counts
	brake    brake
	slots    chan struct{}
	// hold keeps the relay from forgetting what a recording sends while its index
	// may still go back; inherited says that an earlier process began it.
	hold func(inherited bool) (release func())

	mu     sync.Mutex
	queued map[string]bool
	wg     sync.WaitGroup
	idle   chan struct{} // poked when a session ends
}

// resume takes up what an earlier process left, its own or upstream's.
func (s *sessions) resume(ctx context.Context) error {
	pending, err := s.state.load()
	if err != nil {
		return err
	}
	for _, p := range pending {
		s.begin(ctx, p, s.hold(true))
	}
	return nil
}

// add registers the session of an upload event; the event is acknowledged only
// after that.
func (s *sessions) add(ctx context.Context, sid string, uploaded time.Time) error {
	if sid == "" {
		s.log.Warn("Upload event names no session, its recording can not be fetched")
		return nil
	}
	p := pendingSession{SID: sid, Uploaded: uploaded}
	// Held before the upload event is acknowledged: from then on the cursor no
	// longer stands for this session.
	release := s.hold(false)
	if known, err := s.state.register(p); err != nil || known {
		release()
		return err
	}
	s.begin(ctx, p, release)
	return nil
}

// begin follows a session until it is done. The hold is released when its last
// word is on disk; a process that ends before leaves it to the next one.
func (s *sessions) begin(ctx context.Context, p pendingSession, release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.queued[p.SID] {
		release()
		return
	}
	s.queued[p.SID] = true
	s.counts.sessionsWaiting.Set(float64(len(s.queued)))
	s.wg.Go(func() {
		s.follow(ctx, p)
		release()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.queued, p.SID)
		s.counts.sessionsWaiting.Set(float64(len(s.queued)))
		select {
		case s.idle <- struct{}{}:
		default:
		}
	})
}

// wait blocks until all sessions are done, or ctx ends.
func (s *sessions) wait(ctx context.Context) {
	for {
		s.mu.Lock()
		n := len(s.queued)
		s.mu.Unlock()
		if n == 0 {
			return
		}
		select {
		case <-s.idle:
		case <-ctx.Done():
			return
		}
	}
}

// follow tries a session until it is sent whole, given up, or ctx ends.
func (s *sessions) follow(ctx context.Context, p pendingSession) {
	for attempt := 0; ctx.Err() == nil; attempt++ {
		done, err := s.once(ctx, &p)
		switch {
		case done || ctx.Err() != nil:
			return
		case teleport.IsNotFound(err):
			if s.giveUp(p, err) {
				return
			}
		default:
			s.log.Warn("Failed processing session recording, will try again", "sid", p.SID, "index", p.Index, "error", err)
		}
		if sleep(ctx, recordingPause(attempt)) != nil {
			return
		}
	}
}

// recordingPause grows from 3 s to 10 min.
func recordingPause(attempt int) time.Duration {
	return min(3*time.Second<<min(attempt, 8), 10*time.Minute)
}

// giveUp notes that the recording is missing; it reports true when it has been
// missing for too long.
func (s *sessions) giveUp(p pendingSession, err error) bool {
	s.counts.missing.Inc()
	if time.Since(p.Uploaded) <= s.maxAge {
		if err := s.state.missing(p); err != nil {
			s.log.Error("Failed to note a missing recording", "sid", p.SID, "error", err)
		}
		s.log.Info("Recording is not there yet", "sid", p.SID, "uploaded", p.Uploaded)
		return false
	}
	s.counts.givenUp.Inc()
	s.log.Error("Recording is missing for too long, given up", "sid", p.SID, "uploaded", p.Uploaded, "error", err)
	if err := s.state.remove(p.SID); err != nil {
		s.log.Error("Failed to strike off a session", "sid", p.SID, "error", err)
	}
	return true
}

// once streams a recording from where the session stands. done means that
// nothing is left to do for it.
func (s *sessions) once(ctx context.Context, p *pendingSession) (done bool, err error) {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	ctx, cancel := context.WithCancel(ctx) // a stream that is left early must end at the other side too
	defer cancel()
	var batch []*Read
	for e, err := range s.teleport.SessionEvents(ctx, p.SID, p.Index) {
		if err != nil {
			return false, errors.Join(err, s.flush(ctx, p, &batch))
		}
		if slices.Contains(s.skip, e.Type) {
			continue
		}
		batch = append(batch, &Read{Type: e.Type, ID: e.ID, Time: e.Time, Index: e.Index, SID: p.SID, Body: e.AppendJSON(nil)})
		if len(batch) >= s.sender.batchSize() {
			if err := s.flush(ctx, p, &batch); err != nil {
				return false, err
			}
		}
	}
	if err := s.flush(ctx, p, &batch); err != nil {
		return false, err
	}
	s.counts.sessions.Inc()
	return true, s.state.remove(p.SID)
}

// flush sends a batch and moves the session's index behind it.
func (s *sessions) flush(ctx context.Context, p *pendingSession, batch *[]*Read) error {
	if len(*batch) == 0 {
		return nil
	}
	if err := s.deliver(ctx, p.SID, *batch); err != nil {
		return err
	}
	p.Index = (*batch)[len(*batch)-1].Index + 1
	*batch = (*batch)[:0]
	return s.state.advance(*p)
}

func (s *sessions) deliver(ctx context.Context, sid string, batch []*Read) error {
	url := s.url + "." + sid + ".log"
	err := s.sender.send(ctx, url, bodyOf(batch), len(batch))
	final := new(refusal)
	switch {
	case err == nil:
		s.brake.taken()
		for _, r := range batch {
			s.counts.deliveredSession(r)
			s.log.Debug("Event sent", "id", r.ID, "index", r.Index, "ts", r.Time, "type", r.Type, "sid", sid)
		}
		return nil
	case !errors.As(err, &final):
		return err
	case len(batch) > 1:
		half := len(batch) / 2
		if err := s.deliver(ctx, sid, batch[:half]); err != nil {
			return err
		}
		return s.deliver(ctx, sid, batch[half:])
	}
	again := func() error { return s.sender.send(ctx, url, bodyOf(batch), 1) }
	if err := s.brake.refused(ctx, s.sender.health, final, again); err != nil {
		if errors.Is(err, errTaken) {
			return nil
		}
		return err
	}
	s.counts.dead.Inc()
	return s.dead.write(batch[0], final)
}
