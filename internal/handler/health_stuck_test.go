package handler

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sluicelog/sluice/internal/metrics"
	"github.com/sluicelog/sluice/internal/teleport"
)

// sickLog is an audit log of which parts can not be read.
type sickLog struct {
	chunks map[string]error // of today, nil: it has one event
	search func(teleport.SearchRequest) error
	well   atomic.Bool // everything can be read
}

func (l *sickLog) Search(_ context.Context, r teleport.SearchRequest) ([]teleport.Event, string, error) {
	if err := l.search(r); err != nil && !l.well.Load() {
		return nil, "", err
	}
	return nil, "", nil
}

func (l *sickLog) ExportChunks(_ context.Context, date time.Time) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for name := range l.chunks {
			if date.Format(time.DateOnly) == time.Now().UTC().Format(time.DateOnly) && !yield(name, nil) {
				return
			}
		}
	}
}

func (l *sickLog) ExportChunk(_ context.Context, _ time.Time, chunk, cursor string) iter.Seq2[teleport.Exported, error] {
	return func(yield func(teleport.Exported, error) bool) {
		if err := l.chunks[chunk]; err != nil && !l.well.Load() {
			yield(teleport.Exported{}, err)
			return
		}
		if cursor == "" {
			yield(teleport.Exported{Event: teleport.Event{ID: chunk, Type: "t", Time: time.Now()}, Cursor: "1"}, nil)
		}
	}
}

// stuckTest runs a source and returns what /readyz and the metric say of a group.
func stuckTest(t *testing.T, log *sickLog, bulk bool) (shown func(group string) (string, float64)) {
	t.Helper()
	numbers := metrics.New()
	cfg := testConfig(t.TempDir(), log)
	cfg.start, cfg.exitOnLast, cfg.timeout, cfg.health.stuck = time.Now(), false, 5*time.Second, newCounts(numbers).stuck
	src := openTest(t, cfg)
	if !bulk {
		src.reader, _ = openSearch(src.cfg, newLedger(cfg.identity))
		src.ledger = src.reader.(*searchSource).ledger
	}
	h := &handler{source: src, health: cfg.health, log: cfg.log, counts: newCounts(metrics.New())}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	events := make(chan *Read, 100)
	go func() { defer close(done); _ = h.read(ctx, events) }()
	t.Cleanup(func() { stop(); <-done })
	return func(group string) (line string, n float64) {
		for _, p := range cfg.health.problems() {
			if strings.HasPrefix(p, group+": ") {
				line = p
			}
		}
		return line, gauge(t, numbers, group)
	}
}

// gauge is handler_stuck of a group.
func gauge(t *testing.T, m *metrics.Registry, what string) float64 {
	t.Helper()
	all, err := m.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		for _, s := range f.GetMetric() {
			if f.GetName() == "handler_stuck" && s.GetLabel()[0].GetValue() == what {
				return s.GetGauge().GetValue()
			}
		}
	}
	t.Fatalf("there is no handler_stuck of %s", what)
	return 0
}

// Chunks that fail again and again make the handler not ready, with their names, until
// they are read.
func TestStuckChunksAreShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sick := errors.New("broken parquet")
		log := &sickLog{chunks: map[string]error{"good": nil, "bad": sick, "worse": sick}}
		shown := stuckTest(t, log, true)
		time.Sleep(10 * time.Second)
		if line, n := shown(stuckChunks); line != "" || n != 0 {
			t.Errorf("after seconds: %s", line)
		}
		time.Sleep(3 * time.Minute)
		line, n := shown(stuckChunks)
		if !strings.Contains(line, "2 failing again and again, for longest 2000-01-01/") || !strings.Contains(line, "broken parquet") || n != 2 {
			t.Errorf("after minutes: %q, %v", line, n)
		}
		log.well.Store(true)
		time.Sleep(3 * time.Minute)
		if line, n := shown(stuckChunks); line != "" || n != 0 {
			t.Errorf("in the end: %q, %v", line, n)
		}
	})
}

// A page that can not be read is shown with its place.
func TestStuckWindowIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &sickLog{search: func(teleport.SearchRequest) error { return status.Error(codes.Internal, "query failed") }}
		shown := stuckTest(t, log, false)
		time.Sleep(3 * time.Minute)
		if line, n := shown(stuckWindows); !strings.Contains(line, "page of the window of 2000-01-01T00:00:00Z, behind event \"\", cursor \"\": ") || n != 1 {
			t.Errorf("after minutes: %q, %v", line, n)
		}
		log.well.Store(true)
		time.Sleep(time.Minute)
		if line, n := shown(stuckWindows); line != "" || n != 0 {
			t.Errorf("in the end: %q, %v", line, n)
		}
	})
}

// So is a look-back that can not be searched, while new events are read.
func TestStuckLookBackIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := map[time.Time]bool{}
		log := &sickLog{search: func(r teleport.SearchRequest) error {
			if seen[r.To] { // the tail is asked for up to now
				return errors.New("query failed")
			}
			seen[r.To] = true
			return nil
		}}
		shown := stuckTest(t, log, false)
		time.Sleep(25 * time.Hour) // something is to be looked at only when a window was left behind
		line, n := shown(stuckLookBack)
		if !strings.Contains(line, "look for late events from ") || n != 1 {
			t.Errorf("after a day: %q, %v", line, n)
		}
		log.well.Store(true)
		time.Sleep(time.Hour)
		if line, n := shown(stuckLookBack); line != "" || n != 0 {
			t.Errorf("in the end: %q, %v", line, n)
		}
	})
}

// brokenRecordings have streams that always break.
type brokenRecordings struct{ well atomic.Bool }

func (b *brokenRecordings) SessionEvents(_ context.Context, sid string, _ int64) iter.Seq2[teleport.Event, error] {
	return func(yield func(teleport.Event, error) bool) {
		if !b.well.Load() {
			yield(teleport.Event{}, fmt.Errorf("stream session %s: access denied", sid))
		}
	}
}

// A recording that is there and can not be sent is shown, and no longer once it is.
func TestStuckRecordingIsShown(t *testing.T) {
	from := &brokenRecordings{}
	b := newBooth(t, t.TempDir(), from)
	var got string
	b.pause = func(attempt int) time.Duration {
		if attempt == stuckAfter {
			got = strings.Join(b.sender.health.problems(), "\n")
			from.well.Store(true)
		}
		return time.Millisecond
	}
	if err := b.add(t.Context(), "sid1", time.Now()); err != nil {
		t.Fatal(err)
	}
	b.finish(t)
	if !strings.Contains(got, "recordings: 1 failing again and again, for longest sid1: at event 0: stream session sid1: access denied") {
		t.Errorf("problems: %s", got)
	}
	if got := b.sender.health.problems(); len(got) != 0 {
		t.Errorf("in the end: %s", got)
	}
}
