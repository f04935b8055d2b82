package output

import (
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

// retryState is how an output that fails waits: Fluentd's schedule, shared by
// all chunks of the output. Retry n (from 0) comes retry_wait * base^n after the
// attempt before it, at most retry_max_interval, times 1 ± 1/8 at random.
type retryState struct {
	cfg *Flush

	mu    sync.Mutex
	since time.Time // the first failure; zero when all is well
	next  time.Time
	steps int // retries that were scheduled before this one
}

// failed schedules the next attempt. began is when the failed attempt started: of
// several threads that fail on the same outage only the first moves the schedule.
// It returns the number of the retry and when it is due.
func (r *retryState) failed(began, now time.Time) (step int, next time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.since.IsZero():
		r.since, r.steps = now, 0
	case began.Before(r.next):
		return r.steps, r.next
	default:
		r.steps++
	}
	r.next = now.Add(r.cfg.wait(r.steps))
	if end := r.since.Add(r.cfg.RetryTimeout); !r.cfg.RetryForever && r.next.After(end) {
		r.next = end
	}
	return r.steps, r.next
}

// wait is the time before retry n, from 0.
func (f *Flush) wait(n int) time.Duration {
	w := float64(f.RetryWait)
	if f.RetryType == "exponential_backoff" {
		w *= math.Pow(f.RetryBase, float64(min(n, 62)))
	}
	if limit := float64(f.RetryMaxInterval); limit > 0 {
		w = min(w, limit)
	}
	if f.RetryRandomize {
		w *= 1 + (rand.Float64()-0.5)/4 //nolint:gosec // no secret
	}
	return time.Duration(min(w, float64(10*365*24*time.Hour)))
}

// succeeded ends the retry; it reports whether there was one.
func (r *retryState) succeeded() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	was := !r.since.IsZero()
	r.since, r.next, r.steps = time.Time{}, time.Time{}, 0
	return was
}

// due is when the next attempt may start; the zero time is at once.
func (r *retryState) due() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.next
}

// over reports whether retries have ended: n retries were made, or the time is up.
func (r *retryState) over(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.since.IsZero() || r.cfg.RetryForever:
		return false
	case r.cfg.RetryMaxTimes >= 0 && r.steps >= r.cfg.RetryMaxTimes:
		return true
	}
	return !now.Before(r.since.Add(r.cfg.RetryTimeout))
}

// secondary reports whether it is the secondary's turn.
func (r *retryState) secondary(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.since.IsZero() {
		return false
	}
	if r.cfg.RetryMaxTimes >= 0 {
		return float64(r.steps+1) > float64(r.cfg.RetryMaxTimes)*r.cfg.SecondaryFraction
	}
	return !now.Before(r.since.Add(time.Duration(float64(r.cfg.RetryTimeout) * r.cfg.SecondaryFraction)))
}

// snapshot is for status pages.
func (r *retryState) snapshot() (since, next time.Time, steps int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.since, r.next, r.steps
}
