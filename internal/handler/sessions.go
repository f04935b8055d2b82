package handler

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluicelog/sluice/internal/teleport"
)

// recordings is the part of Teleport that gives a session's events.
type recordings interface {
	SessionEvents(ctx context.Context, sid string, index int64) iter.Seq2[teleport.Event, error]
}

// sessions fetches the recordings of ended sessions and sends their events to
// the session URL, behind whose tag .<sid>.log goes. A session is written down before its upload event is
// acknowledged, so that none is forgotten; it is struck off when its last event
// was acknowledged. One whose recording is missing is asked for again, with
// growing pauses, until it is too old.
type sessions struct {
	teleport recordings
	sender   *sender
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

	pause func(attempt int) time.Duration // before a session is tried again
	wg    sync.WaitGroup

	mu      sync.Mutex      // guards what follows
	queued  map[string]bool // true: it rests, since its recording is missing or broken
	changed chan struct{}   // closed when that did
	warned  time.Time
}

// queueFactor times the recordings fetched at one time is how many sessions may be
// waiting, as upstream has it: beyond, events wait.
const queueFactor = 16

func newSessions(c *StartCmd, h *handler, sender *sender, dead *deadLetters) *sessions {
	return &sessions{
		teleport: h.teleport, sender: sender, dead: dead, state: newSessionState(h.dir), skip: c.SkipSessionTypes,
		maxAge: c.MissingRetry, log: h.log, counts: h.counts, slots: make(chan struct{}, c.Concurrency), pause: recordingPause,
		queued: map[string]bool{}, changed: make(chan struct{}),
	}
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
	if !usableSID(sid) {
		s.log.Warn("Upload event names no session, its recording can not be fetched", "sid", fmt.Sprintf("%.80q", sid))
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
	return s.room(ctx)
}

// room waits while too many sessions wait: else the log of years would put a file
// and a goroutine for every session of those years there.
func (s *sessions) room(ctx context.Context) error {
	for {
		s.mu.Lock()
		n, changed := s.count(), s.changed
		full := n > queueFactor*cap(s.slots)
		say := full && time.Since(s.warned) >= time.Minute
		if say {
			s.warned = time.Now()
		}
		s.mu.Unlock()
		if !full {
			return nil
		}
		if say {
			s.log.Warn("Too many recordings wait, events wait for them; a higher --concurrency fetches more at a time", "waiting", n, "concurrency", cap(s.slots))
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// usableSID refuses ids that can be no part of a file name or of a URL's path.
func usableSID(sid string) bool {
	return sid != "" && len(sid) <= 200 && !strings.ContainsFunc(sid, func(r rune) bool {
		return r <= ' ' || r == 0x7f || strings.ContainsRune(`/\?#%`, r)
	})
}

// begin follows a session until it is done. The hold is released when its last
// word is on disk; a process that ends before leaves it to the next one.
func (s *sessions) begin(ctx context.Context, p pendingSession, release func()) {
	s.mu.Lock()
	_, known := s.queued[p.SID]
	if !known {
		s.queued[p.SID] = false
	}
	s.mu.Unlock()
	if known {
		release()
		return
	}
	s.note(func() {})
	s.wg.Go(func() {
		if s.follow(ctx, p) {
			release()
		}
		s.note(func() { delete(s.queued, p.SID) })
	})
}

// note changes what is queued and tells who waits for it.
func (s *sessions) note(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	resting := 0
	for _, rests := range s.queued {
		resting += boolInt(rests)
	}
	s.counts.sessionsWaiting.Set(float64(len(s.queued) - resting))
	s.counts.missingNow.Set(float64(resting))
	close(s.changed)
	s.changed = make(chan struct{})
}

// waiting is how many sessions are to be sent now, those that rest left out.
func (s *sessions) waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count()
}

// count is waiting, under the lock.
func (s *sessions) count() (n int) {
	for _, rests := range s.queued {
		n += boolInt(!rests)
	}
	return n
}

// wait blocks until all sessions are done or rest, or ctx ends. A recording that
// is not there may take days: the next run takes it up.
func (s *sessions) wait(ctx context.Context) {
	for {
		s.mu.Lock()
		n, left, changed := s.count(), len(s.queued), s.changed
		s.mu.Unlock()
		if n == 0 && left > 0 {
			s.log.Warn("Recordings that are missing or broken are left to the next run", "recordings", left)
		}
		if n == 0 {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// follow tries a session until it is sent whole, given up, or ctx ends. It is true
// when that is on disk, so that nobody sends the session again.
func (s *sessions) follow(ctx context.Context, p pendingSession) bool {
	defer s.sender.health.passed(stuckRecordings, p.SID)
	for attempt := 0; ctx.Err() == nil; attempt++ {
		from := p.Index
		err := s.once(ctx, &p)
		if err == nil {
			return s.strike(ctx, p, func() error { return s.state.sentWhole(p.SID) })
		}
		if p.Index != from {
			s.park(p)
		}
		if ctx.Err() != nil || errors.Is(err, errStale) {
			return false
		}
		if s.tooOld(p, err) {
			return s.giveUp(ctx, p, err)
		}
		if teleport.IsNotFound(err) {
			s.missed(p)
			s.sender.health.passed(stuckRecordings, p.SID)
		} else {
			s.complain(p, err)
			s.stuck(attempt, p, err)
		}
		s.note(func() { s.queued[p.SID] = restsAfter(attempt, err) })
		if sleep(ctx, s.pause(attempt)) != nil {
			return false
		}
		s.note(func() { s.queued[p.SID] = false })
	}
	return false
}

// stuck shows a recording that is there and can not be sent, after a few minutes.
func (s *sessions) stuck(attempt int, p pendingSession, err error) {
	if attempt+1 >= stuckAfter {
		s.sender.health.failingOne(stuckRecordings, p.SID, fmt.Errorf("at event %d: %w", p.Index, err))
	}
}

// complain logs a failed attempt. A cluster that is away fails all sessions alike:
// that is said of one of them now and then.
func (s *sessions) complain(p pendingSession, err error) {
	if teleport.IsUnavailable(err) && !s.sender.health.due("recordings") {
		return
	}
	s.log.Warn("Failed processing session recording, will try again", "sid", p.SID, "index", p.Index, "error", err)
}

// park writes down where a session stands that nothing is sent of for a while, or
// that the next run goes on with: advance leaves the last second out.
func (s *sessions) park(p pendingSession) {
	if err := s.state.write(p); err != nil {
		s.log.Warn("Failed to note where a session stands, its last events may be sent again", "sid", p.SID, "index", p.Index, "error", err)
	}
}

// recordingPause grows from 3 s to 10 min. Each attempt makes the cluster write an
// event of its own.
func recordingPause(attempt int) time.Duration {
	return min(3*time.Second<<min(attempt, 8), 10*time.Minute)
}

// tooOld reports that a recording that is missing or broken has been tried for
// long enough. What the receiver or the way to the cluster is to blame for is
// tried for ever.
func (s *sessions) tooOld(p pendingSession, err error) bool {
	broken := new(brokenRecording)
	if !errors.As(err, &broken) || teleport.IsUnavailable(err) || teleport.IsAccessDenied(err) || teleport.IsExpired(err) {
		return false
	}
	return time.Since(p.Uploaded) > s.maxAge
}

// restsAfter reports that it is the recording that is to blame for an error: nobody
// waits for it then. A stream that breaks may have been the connection's fault.
func restsAfter(attempt int, err error) bool {
	broken := new(brokenRecording)
	return teleport.IsNotFound(err) || errors.As(err, &broken) && !teleport.IsUnavailable(err) && attempt >= 2
}

// brokenRecording is an error of a recording's stream.
type brokenRecording struct{ err error }

func (e *brokenRecording) Error() string { return e.err.Error() }
func (e *brokenRecording) Unwrap() error { return e.err }

// missed notes that a recording is not there.
func (s *sessions) missed(p pendingSession) {
	s.counts.missing.Inc()
	if err := s.state.missing(p); err != nil {
		s.log.Error("Failed to note a missing recording", "sid", p.SID, "error", err)
	}
	s.log.Info("Recording is not there yet", "sid", p.SID, "uploaded", p.Uploaded)
}

// once streams a recording from where the session stands to its end.
func (s *sessions) once(ctx context.Context, p *pendingSession) error {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	ctx, cancel := context.WithCancel(ctx) // a stream that is left early must end at the other side too
	defer cancel()
	var batch []*Read
	home := s.sender.home(p.SID)
	size, limit := 0, s.sender.batchSize(home)
	for e, err := range s.teleport.SessionEvents(ctx, p.SID, p.Index) {
		if err != nil {
			if sendErr := s.flush(ctx, p, &batch); sendErr != nil {
				return sendErr
			}
			return &brokenRecording{err}
		}
		if slices.Contains(s.skip, e.Type) {
			continue
		}
		batch = append(batch, &Read{Type: e.Type, ID: e.ID, Time: e.Time, Index: e.Index, SID: p.SID, Body: e.AppendJSON(nil)})
		if size += len(batch[len(batch)-1].Body); len(batch) >= limit || size >= s.sender.batchBytes(home) {
			size, limit = 0, s.sender.batchSize(home)
			if err := s.flush(ctx, p, &batch); err != nil {
				return err
			}
		}
	}
	if err := s.flush(ctx, p, &batch); err != nil {
		return err
	}
	s.counts.deliveredWhole()
	return nil
}

// recordingGrace is how long a recording's post that is in flight may take when
// nothing else is: together with drainTime less than a stop may take.
const recordingGrace = 8 * time.Second

// flush sends a batch and moves the session's index behind it. A post that is in
// flight outlives ctx: one whose outcome is not known would be sent again after the
// next start.
func (s *sessions) flush(ctx context.Context, p *pendingSession, batch *[]*Read) error {
	if len(*batch) == 0 {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	posting, release := drainContext(ctx, recordingGrace)
	defer release()
	if err := s.deliver(posting, p.SID, *batch); err != nil {
		return err
	}
	p.Index = (*batch)[len(*batch)-1].Index + 1
	*batch = (*batch)[:0]
	return s.state.advance(*p)
}

func (s *sessions) deliver(ctx context.Context, sid string, batch []*Read) error {
	home, suffix := s.sender.home(sid), "."+sid+".log"
	err := s.sender.send(ctx, home, suffix, batch)
	final := new(refusal)
	switch {
	case err == nil:
		s.brake.taken()
		for _, r := range batch {
			s.counts.deliveredSession(r)
			s.log.Debug("Event sent", "id", r.ID, "index", r.Index, "ts", r.Time, "type", r.Type, "sid", sid)
		}
		return nil
	case halvable(batch, err):
		half := len(batch) / 2
		if err := s.deliver(ctx, sid, batch[:half]); err != nil {
			return err
		}
		return s.deliver(ctx, sid, batch[half:])
	case !errors.As(err, &final):
		return err
	}
	return s.bury(ctx, home, suffix, batch[0], final)
}

// bury writes an event that is refused for good to the dead-letter file.
func (s *sessions) bury(ctx context.Context, home *relay, suffix string, r *Read, why *refusal) error {
	again := func() error { return s.sender.send(ctx, home, suffix, []*Read{r}) }
	if err := s.brake.refused(ctx, s.sender.health, why, again); err != nil {
		if !errors.Is(err, errTaken) {
			return err
		}
		s.brake.taken()
		s.counts.deliveredSession(r)
		return nil
	}
	if err := s.dead.write(r, why); err != nil {
		return err
	}
	s.counts.dead.Inc()
	s.log.Error("Event refused by the receiver, set aside", "id", r.ID, "type", r.Type, "sid", r.SID, "status", why.status, "reason", why.text, "file", s.dead.path)
	return nil
}
