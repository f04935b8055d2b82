package handler

import (
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// health is what /readyz and the logs say about the outside world: which parts
// do not work just now, since when, and why.
type health struct {
	log   *slog.Logger         // may be nil
	stuck *prometheus.GaugeVec // how many of each group; may be nil

	mu      sync.Mutex
	broken  map[string]trouble
	groups  map[string]map[string]trouble // of many alike, those that fail again and again
	lastLog map[string]time.Time
	quiet   map[string]int
}

type trouble struct {
	since time.Time
	err   error
}

func newHealth() *health {
	return &health{broken: map[string]trouble{}, groups: map[string]map[string]trouble{}, lastLog: map[string]time.Time{}, quiet: map[string]int{}}
}

func (h *health) ok(part string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.broken, part)
}

func (h *health) failing(part string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	note(h.broken, part, err)
}

func note(all map[string]trouble, name string, err error) {
	t, was := all[name]
	if !was {
		t.since = time.Now()
	}
	t.err = err
	all[name] = t
}

// What fails again and again while others of its kind go on.
const (
	stuckChunks     = "chunks"     // of bulk export
	stuckWindows    = "windows"    // of a search
	stuckLookBack   = "look-back"  // the search for late events
	stuckRecordings = "recordings" // tried again and neither missing nor given up
	stuckEvents     = "events"     // that a receiver leaves without an answer
)

// failingOne says that one of a group fails again and again, until passed names it.
func (h *health) failingOne(group, name string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.groups[group] == nil {
		h.groups[group] = map[string]trouble{}
	}
	note(h.groups[group], name, err)
	h.count(group)
}

// passed takes back what failingOne said.
func (h *health) passed(group, name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, was := h.groups[group][name]; was {
		delete(h.groups[group], name)
		h.count(group)
	}
}

// count is called under the lock.
func (h *health) count(group string) {
	if h.stuck != nil {
		h.stuck.WithLabelValues(group).Set(float64(len(h.groups[group])))
	}
}

// shownOf is a group in one line: how many there are, and the one that has failed for
// longest.
func shownOf(group string, all map[string]trouble) string {
	first := ""
	for name, t := range all {
		if since := all[first].since; first == "" || t.since.Before(since) || t.since.Equal(since) && name < first {
			first = name
		}
	}
	return fmt.Sprintf("%s: %d failing again and again, for longest %.200s: %v (since %s)", group, len(all), first, all[first].err, all[first].since.UTC().Format(time.RFC3339))
}

// problems lists what is broken, sorted.
func (h *health) problems() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []string
	for part, t := range h.broken {
		all = append(all, part+": "+t.err.Error()+" (since "+t.since.UTC().Format(time.RFC3339)+")")
	}
	for group, some := range h.groups {
		if len(some) > 0 {
			all = append(all, shownOf(group, some))
		}
	}
	slices.Sort(all)
	return all
}

// due reports that trouble of a part may be logged again.
func (h *health) due(part string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Since(h.lastLog[part]) < retryLogInterval {
		return false
	}
	h.lastLog[part] = time.Now()
	return true
}

// complain logs trouble that lasts, once per interval for each part.
func (h *health) complain(part string, err error) {
	if h.log == nil || !h.due(part) {
		return
	}
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
