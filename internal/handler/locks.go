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
// by the time of the event: a backlog of old failures locks nobody today. A lock
// call that fails is logged and counted; it never holds up or repeats an event.
type locks struct {
	teleport locker
	attempts int
	period   time.Duration
	lockFor  time.Duration // 0: for ever
	log      *slog.Logger
	counts   *counts

	mu       sync.Mutex
	failures map[string][]time.Time
}

// lockFailures bounds the users that are watched at the same time.
const lockFailures = 100_000

func (l *locks) observe(ctx context.Context, r *Read) {
	if l == nil || r.Type != "user.login" || !r.Login.Failed {
		return
	}
	who := r.Login.User
	if who == "" {
		who = r.Login.Login
	}
	if who == "" || !l.tooMany(who, r.Time) || time.Since(r.Time) > max(l.period, l.lockFor) && l.lockFor > 0 {
		return
	}
	l.lock(ctx, r.Login)
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
