package cli

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Limit lets each of several things be said at most once an interval, and counts
// what was not said. Things are told apart by a key, for instance an error's text,
// so that a new error shows at once. The zero Limit is not useful; see [NewLimit].
type Limit struct {
	every time.Duration

	mu   sync.Mutex
	said map[string]*said
}

type said struct {
	at      time.Time
	skipped int
}

// maxKeys bounds what a Limit remembers: a text that differs each time must not
// fill the memory.
const maxKeys = 1000

// NewLimit makes a Limit of one saying per key and interval.
func NewLimit(every time.Duration) *Limit {
	return &Limit{every: every, said: map[string]*said{}}
}

// Allow reports whether key may be said now, and how often it was not since it
// was said last.
func (l *Limit) Allow(key string) (skipped int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	s := l.said[key]
	if s == nil {
		l.makeRoom(now)
		l.said[key] = &said{at: now}
		return 0, true
	}
	if now.Sub(s.at) < l.every {
		s.skipped++
		return 0, false
	}
	skipped, s.skipped, s.at = s.skipped, 0, now
	return skipped, true
}

// Log writes a record when its key may be said now; "repeated" is how often it
// was kept back since the last time.
func (l *Limit) Log(ctx context.Context, log *slog.Logger, level slog.Level, key, text string, args ...any) {
	skipped, ok := l.Allow(key)
	if !ok {
		return
	}
	if skipped > 0 {
		args = append(args[:len(args):len(args)], "repeated", skipped)
	}
	log.Log(ctx, level, text, args...)
}

// makeRoom forgets what may be said again; when that is nothing, everything.
func (l *Limit) makeRoom(now time.Time) {
	if len(l.said) < maxKeys {
		return
	}
	for key, s := range l.said {
		if now.Sub(s.at) >= l.every {
			delete(l.said, key)
		}
	}
	if len(l.said) >= maxKeys {
		clear(l.said)
	}
}
