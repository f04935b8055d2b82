package handler

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/sluicelog/sluice/internal/s3state"
)

// leaseBucket is where the object lies that handlers agree by.
type leaseBucket interface {
	Get(ctx context.Context, name string) (data []byte, version string, err error)
	// Put replaces the object with that version ("": there is none); it fails with
	// [s3state.ErrChanged] when it is another.
	Put(ctx context.Context, name string, data []byte, version string) (string, error)
	Version(ctx context.Context, name string) (string, error)
}

// leaseName is the object's name.
const leaseName = "state"

// manifest is the object: the state, and with it the word of who holds it. It is
// gzipped JSON.
type manifest struct {
	Holder   string       `json:"holder"` // of one process's life
	Beat     uint64       `json:"beat"`   // rises with each write, so that no two are alike
	Released bool         `json:"released,omitempty"`
	Files    []sharedFile `json:"files"`
}

func (m *manifest) pack() ([]byte, error) {
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	if err := json.NewEncoder(zw).Encode(m); err != nil {
		return nil, err
	}
	if err := zw.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func unpackManifest(data []byte) (*manifest, error) {
	zr, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("read shared state: %w", err)
	}
	m := &manifest{}
	if err := json.NewDecoder(zr).Decode(m); err != nil {
		return nil, fmt.Errorf("read shared state: %w", err)
	}
	return m, nil
}

// lease is the right to work on a shared state. Its holder writes the object
// again and again; who waits takes over when the object has not changed for the
// lease's time by the waiter's own clock. No clock is compared with another's.
//
// Every write is conditional on the object being the one that was written before.
// So a holder that was paused, and whose place was taken, can neither write nor
// believe that it still holds the lease: it looks at its own clock before each
// post, and that clock runs on while the machine sleeps.
type lease struct {
	bucket leaseBucket
	holder string
	ttl    time.Duration
	clock  func() time.Duration
	log    *slog.Logger

	mu      sync.Mutex // guards what follows
	version string     // of the object as we wrote it
	beat    uint64
	until   time.Duration // by the clock
	lost    bool
	changed chan struct{} // closed when something did
}

func newLease(b leaseBucket, ttl time.Duration, log *slog.Logger) *lease {
	return &lease{bucket: b, holder: newSourceID(), ttl: ttl, clock: bootClock, log: log, changed: make(chan struct{})}
}

// pollEvery is how often who waits looks.
func (l *lease) pollEvery() time.Duration { return min(l.ttl/20, time.Second) }

// watch is what a waiter has seen of the object.
type watch struct {
	version string
	since   time.Duration // when it was seen first, by the clock
	began   time.Duration
	tries   map[uint64]time.Duration // own writes whose outcome is unknown: when they began
}

// acquire waits until the lease is ours and returns the state at that moment.
func (l *lease) acquire(ctx context.Context) (*manifest, error) {
	w := &watch{began: l.clock(), tries: map[uint64]time.Duration{}}
	said := false
	for {
		m, err := l.attempt(ctx, w)
		switch {
		case m != nil:
			l.log.Info("Holding the shared state", "waited", (l.clock() - w.began).Round(time.Millisecond))
			return m, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			l.log.Warn("Failed to look at the shared state, will try again", "error", err)
		case !said:
			said = true
			l.log.Info("Standing by: another handler holds the shared state", "takes_over_after", l.ttl)
		}
		if err := sleep(ctx, l.pollEvery()); err != nil {
			return nil, err
		}
	}
}

// attempt looks once; a manifest means that the lease is ours.
func (l *lease) attempt(ctx context.Context, w *watch) (*manifest, error) {
	version, err := l.bucket.Version(ctx, leaseName)
	if err != nil {
		return nil, err
	}
	now := l.clock()
	if version == "" {
		return l.take(ctx, w, &manifest{}, "")
	}
	expired := version == w.version && now-w.since >= l.ttl
	if version == w.version && !expired {
		return nil, nil
	}
	data, version, err := l.bucket.Get(ctx, leaseName)
	if err != nil {
		return nil, err
	}
	m, err := unpackManifest(data)
	if err != nil {
		return nil, err
	}
	if began, ours := w.tries[m.Beat]; ours && m.Holder == l.holder {
		l.renewed(version, m.Beat, began) // the answer was lost, not the write
		return m, nil
	}
	if m.Released || expired && version == w.version {
		return l.take(ctx, w, m, version)
	}
	if version != w.version {
		w.version, w.since = version, l.clock()
	}
	return nil, nil
}

// take puts our name into the object.
func (l *lease) take(ctx context.Context, w *watch, m *manifest, version string) (*manifest, error) {
	began := l.clock()
	mine := &manifest{Holder: l.holder, Beat: m.Beat + 1, Files: m.Files}
	data, err := mine.pack()
	if err != nil {
		return nil, err
	}
	w.tries[mine.Beat] = began
	version, err = l.bucket.Put(ctx, leaseName, data, version)
	if errors.Is(err, s3state.ErrChanged) {
		return nil, nil // somebody was faster, or it was an earlier try of ours
	}
	if err != nil {
		return nil, err
	}
	l.renewed(version, mine.Beat, began)
	return mine, nil
}

// renewed notes a write that began at a time.
func (l *lease) renewed(version string, beat uint64, began time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.version, l.beat = version, max(l.beat, beat)
	l.until = max(l.until, began+l.ttl-l.ttl/10)
	l.notify()
}

// notify wakes who waits; l.mu is held.
func (l *lease) notify() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// write puts the state, and so renews the lease. [errStale] is the end: another
// one holds it. Any other error leaves open whether it was written.
func (l *lease) write(ctx context.Context, files []sharedFile, release bool) error {
	for {
		began := l.clock()
		l.mu.Lock()
		l.beat++
		m, version := &manifest{Holder: l.holder, Beat: l.beat, Files: files, Released: release}, l.version
		l.mu.Unlock()
		data, err := m.pack()
		if err != nil {
			return err
		}
		version, err = l.bucket.Put(ctx, leaseName, data, version)
		if err == nil {
			l.renewed(version, m.Beat, began)
			return nil
		}
		if !errors.Is(err, s3state.ErrChanged) {
			return err
		}
		if err := l.again(ctx); err != nil {
			return err
		}
	}
}

// again finds out why the object is another than expected: an earlier write of
// ours whose answer was lost, and then the next one can follow it, or somebody
// else's.
func (l *lease) again(ctx context.Context) error {
	data, version, err := l.bucket.Get(ctx, leaseName)
	if err != nil && !errors.Is(err, s3state.ErrAbsent) {
		return err
	}
	if err == nil {
		m, err := unpackManifest(data)
		if err == nil && m.Holder == l.holder {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.version = version
			return nil
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost = true
	l.notify()
	return errStale
}

// permit waits until posting is allowed: at once while the lease holds; while it
// could not be renewed, until it is again; never when it is lost.
func (l *lease) permit(ctx context.Context) error {
	for {
		l.mu.Lock()
		held, lost, changed := l.clock() < l.until, l.lost, l.changed
		l.mu.Unlock()
		switch {
		case lost:
			return errStale
		case held:
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
