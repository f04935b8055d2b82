package handler

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluicelog/sluice/internal/metrics"
	"github.com/sluicelog/sluice/internal/teleport"
)

// gate is the cluster's side of locks.
type gate struct {
	mu    sync.Mutex
	locks []teleport.Lock
	err   error
	slow  time.Duration
}

func (g *gate) UpsertLock(ctx context.Context, l teleport.Lock) error {
	if err := sleep(ctx, g.slow); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.locks = append(g.locks, l)
	return g.err
}

func (g *gate) users() (all []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l := range g.locks {
		all = append(all, l.User)
	}
	return all
}

func newGate(count int, lockFor time.Duration) (*gate, *locks) {
	g := &gate{}
	c := &StartCmd{LockFailedAttemptsCount: count, LockPeriod: time.Minute, LockFor: lockFor}
	l := newLocks(c, &handler{log: slog.New(slog.DiscardHandler), counts: newCounts(metrics.New())})
	l.teleport = g
	return g, l
}

func failedLogin(user string, at time.Time) *Read {
	return &Read{Type: "user.login", Time: at, Login: Login{Failed: true, User: user}}
}

// TestLocks: the count of failures within the period, by the time of the events, is
// let pass; the next one locks that user, and nobody else.
func TestLocks(t *testing.T) {
	type fail struct {
		user string
		ago  time.Duration
	}
	several := func(user string, n int, ago, step time.Duration) (all []fail) {
		for i := range n {
			all = append(all, fail{user, ago - time.Duration(i)*step})
		}
		return all
	}
	for name, c := range map[string]struct {
		count int
		fails []fail
		want  int
	}{
		"as many as are let pass":   {3, several("eve", 3, time.Minute, time.Second), 0},
		"one more":                  {3, several("eve", 4, time.Minute, time.Second), 1},
		"one more, far apart":       {3, several("eve", 4, 10*time.Minute, 21*time.Second), 0},
		"four users":                {3, []fail{{"a", 0}, {"b", 0}, {"c", 0}, {"d", 0}}, 0},
		"a backlog of yesterday":    {3, several("eve", 9, 24*time.Hour, time.Second), 0},
		"minutes late, as in cloud": {3, several("eve", 4, 10*time.Minute, time.Second), 1},
		"no user":                   {3, several("", 9, 0, 0), 0},
		"a count of 0 is one":       {0, several("eve", 2, time.Minute, time.Second), 1},
		"a count of 0, one failure": {0, several("eve", 1, time.Minute, time.Second), 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, l := newGate(c.count, 0)
				now := time.Now()
				for _, f := range c.fails {
					l.observe(t.Context(), failedLogin(f.user, now.Add(-f.ago)))
					l.wait()
				}
				if got := g.users(); len(got) != c.want {
					t.Errorf("locked %q, want %d", got, c.want)
				}
			})
		})
	}
}

func TestLockOnlyFailedLogins(t *testing.T) {
	g, l := newGate(1, 0)
	for range 5 {
		l.observe(t.Context(), &Read{Type: "user.login", Time: time.Now(), Login: Login{User: "u"}})
		l.observe(t.Context(), &Read{Type: "auth", Time: time.Now(), Login: Login{User: "u", Failed: true}})
	}
	l.wait()
	if len(g.users()) > 0 {
		t.Errorf("locked %q", g.users())
	}
	var none *locks
	none.observe(t.Context(), failedLogin("u", time.Now())) // not enabled
	none.wait()
}

// TestLockIsAsUpstreamNamesIt, and ends when it shall.
func TestLockIsAsUpstreamNamesIt(t *testing.T) {
	for lockFor, expires := range map[time.Duration]bool{0: false, time.Hour: true} {
		g, l := newGate(1, lockFor)
		for range 2 {
			r := failedLogin("eve", time.Now())
			r.Login.Login = "root"
			l.observe(t.Context(), r)
		}
		l.wait()
		if len(g.locks) != 1 {
			t.Fatalf("%d locks", len(g.locks))
		}
		got := g.locks[0]
		if got.Name != "event-handler-auto-lock-eve-root" || got.User != "eve" || got.Login != "root" || got.Expires.IsZero() == expires {
			t.Errorf("%+v", got)
		}
	}
}

// TestSlowLockHoldsUpNobody: observe returns while the call is under way, and there
// is one call at a time for a user.
func TestSlowLockHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, l := newGate(1, 0)
		g.slow, g.err = time.Hour, errors.New("no lock permission")
		began := time.Now()
		for i := range 100 {
			l.observe(t.Context(), failedLogin("eve"+strconv.Itoa(i%2), time.Now()))
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("observe took %v", took)
		}
		l.wait()
		if took := time.Since(began); took != lockTimeout {
			t.Errorf("the calls took %v, want %v", took, lockTimeout)
		}
	})
}
