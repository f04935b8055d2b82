package handler

import (
	"log/slog"
	"slices"
	"sync"
	"time"
)

// health is what /readyz and the logs say about the outside world: which parts
// do not work just now, since when, and why.
type health struct {
	log *slog.Logger // may be nil

	mu      sync.Mutex
	broken  map[string]trouble
	lastLog map[string]time.Time
	quiet   map[string]int
}

type trouble struct {
	since time.Time
	err   error
}

func newHealth() *health {
	return &health{broken: map[string]trouble{}, lastLog: map[string]time.Time{}, quiet: map[string]int{}}
}

func (h *health) ok(part string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.broken, part)
}

func (h *health) failing(part string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t, was := h.broken[part]
	if !was {
		t.since = time.Now()
	}
	t.err = err
	h.broken[part] = t
}

// problems lists what is broken, sorted.
func (h *health) problems() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []string
	for part, t := range h.broken {
		all = append(all, part+": "+t.err.Error()+" (since "+t.since.UTC().Format(time.RFC3339)+")")
	}
	slices.Sort(all)
	return all
}

// complain logs trouble that lasts, once per interval for each part.
func (h *health) complain(part string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.log == nil || time.Since(h.lastLog[part]) < retryLogInterval {
		return
	}
	h.lastLog[part] = time.Now()
	h.log.Error("Nothing goes on", "part", part, "error", err)
}

// retryLogInterval is how often one receiver's failures are logged.
const retryLogInterval = 10 * time.Second

// logRetry says once per interval that sending fails; the others are counted.
func (h *health) logRetry(log *slog.Logger, part string, attempt int, pause time.Duration, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Since(h.lastLog[part]) < retryLogInterval {
		h.quiet[part]++
		return
	}
	h.lastLog[part] = time.Now()
	log.Warn("Failed to send event, will try again", "url", part, "attempt", attempt+1, "retry_in", pause.Round(time.Millisecond), "error", err, "not_logged", h.quiet[part])
	h.quiet[part] = 0
}
