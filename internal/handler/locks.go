package handler

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/sluicelog/sluice/internal/teleport"
)

// locker is the part of Teleport that locks users.
type locker interface {
	UpsertLock(ctx context.Context, l teleport.Lock) error
}

// locks locks a user after too many failed logins. Failures count per user and
// by the time of the event: a backlog of old failures locks nobody today. The call
// is made beside the stream of events: one that is slow or fails is logged and
// counted, and never holds up or repeats an event.
type locks struct {
	teleport locker
	attempts int
	period   time.Duration
	lockFor  time.Duration // 0: for ever
	log      *slog.Logger
	counts   *counts
	calls    sync.WaitGroup

	mu       sync.Mutex // guards what follows
	failures map[string][]time.Time
	locking  map[string]bool // a call for this user is under way
}

const (
	// lockFailures bounds the users that are watched at the same time.
	lockFailures = 100_000
	// staleFailure is the age from which a failed login is history: the log of a
	// cluster in the cloud is minutes behind, a backlog is hours or days.
	staleFailure = time.Hour
	lockTimeout  = 30 * time.Second
)

func newLocks(c *StartCmd, h *handler) *locks {
	return &locks{
		teleport: h.teleport, attempts: max(c.LockFailedAttemptsCount, 1), period: c.LockPeriod, lockFor: c.LockFor,
		log: h.log, counts: h.counts, failures: map[string][]time.Time{}, locking: map[string]bool{},
	}
}

// observe counts a failed login and asks for a lock when there were too many.
func (l *locks) observe(ctx context.Context, r *Read) {
	if l == nil || r.Type != "user.login" || !r.Login.Failed {
		return
	}
	who := r.Login.User
	if who == "" {
		who = r.Login.Login
	}
	if who == "" || !l.tooMany(who, r.Time) || time.Since(r.Time) > max(l.period, staleFailure) || !l.begin(who) {
		return
	}
	l.calls.Go(func() {
		defer l.end(who)
		ctx, cancel := context.WithTimeout(ctx, lockTimeout)
		defer cancel()
		l.lock(ctx, r.Login)
	})
}

// wait blocks until the calls under way are over.
func (l *locks) wait() {
	if l != nil {
		l.calls.Wait()
	}
}

// begin reports whether a call for a user may be made: there is one at a time.
func (l *locks) begin(who string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.locking[who] {
		return false
	}
	l.locking[who] = true
	return true
}

func (l *locks) end(who string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.locking, who)
}

// tooMany counts a failure; it is true from the one on that goes beyond the
// attempts which are let pass within a period.
func (l *locks) tooMany(who string, at time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.failures) > lockFailures {
		clear(l.failures)
	}
	kept := l.failures[who][:0]
	for _, t := range l.failures[who] {
		if at.Sub(t) < l.period {
			kept = append(kept, t)
		}
	}
	l.failures[who] = append(kept, at)
	return len(l.failures[who]) > l.attempts
}

func (l *locks) lock(ctx context.Context, who Login) {
	lock := teleport.Lock{
		Name: "event-handler-auto-lock-" + who.User + "-" + who.Login, User: who.User, Login: who.Login,
		Message: "User is locked due to too many failed login attempts",
	}
	if l.lockFor > 0 {
		lock.Expires = time.Now().Add(l.lockFor)
	}
	if err := l.teleport.UpsertLock(ctx, lock); err != nil {
		l.counts.locks.WithLabelValues("failed").Inc()
		l.log.Error("Failed to lock a user", "user", who.User, "error", err)
		return
	}
	l.counts.locks.WithLabelValues("locked").Inc()
	l.log.Info("User login is locked", "user", who.User, "login", who.Login)
}
