package teleporttest

import (
	"context"
	"runtime"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, o Options) *Server {
	t.Helper()
	o.Dir = t.TempDir()
	srv, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close() })
	return srv
}

// TestMillionEventsAreSmall: bodies are made on demand.
func TestMillionEventsAreSmall(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	srv := start(t, Options{Seed: 1})
	srv.Generate(1_000_000)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 100<<20 {
		t.Errorf("a million events take %d MB", grown>>20)
	}
	if srv.Count() != 1_000_000 || srv.Handed() != 0 {
		t.Errorf("%d events, %d handed out", srv.Count(), srv.Handed())
	}
}

// TestChunksNeverChange: what was listed stays as it is; later events, also
// those of an old date, come as new chunks.
func TestChunksNeverChange(t *testing.T) {
	day := time.Date(2026, 1, 15, 0, 0, 0, 0, time.UTC)
	srv := start(t, Options{Mode: Bulk, Start: day.Add(time.Hour), ChunkSize: 100})
	srv.Generate(250)
	first := srv.Chunks(day)
	sizes := map[string]int{}
	for _, name := range first {
		seqs, _ := srv.log.chunk(day.Unix(), name)
		sizes[name] = len(seqs)
	}
	if err := srv.Append(Event{Type: "user.login", ID: "late", Time: day.Add(time.Minute)}); err != nil {
		t.Fatal(err)
	}
	srv.Generate(10)
	second := srv.Chunks(day)
	if len(first) != 3 || len(second) != 4 {
		t.Fatalf("%d chunks, then %d, want 3 and 4", len(first), len(second))
	}
	for name, size := range sizes {
		if seqs, ok := srv.log.chunk(day.Unix(), name); !ok || len(seqs) != size || !slices.Contains(second, name) {
			t.Errorf("chunk %s had %d events, has %d", name, size, len(seqs))
		}
	}
}

func TestBookIsInOrderOfTimeWithLateEvents(t *testing.T) {
	srv := start(t, Options{Start: time.Unix(1_700_000_000, 0)})
	srv.Generate(100)
	if err := srv.Append(Event{ID: "late", Time: time.Unix(1_700_000_000, 50_000_000)}); err != nil {
		t.Fatal(err)
	}
	srv.Generate(100)
	last, n, place := time.Time{}, 0, -1
	for line := range srv.Book() {
		if line.Time.Before(last) {
			t.Fatalf("line %d goes back in time", n)
		}
		if line.ID == "late" {
			place = n
		}
		last = line.Time
		n++
	}
	if n != 201 || place < 40 || place > 60 {
		t.Errorf("%d lines, the late one at %d", n, place)
	}
}

func TestLiveFollowsTheClock(t *testing.T) {
	srv := start(t, Options{Start: time.Now().Add(-2 * time.Second), Step: 10 * time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	srv.Live(ctx)
	// Start is cut to whole seconds, so 200 to 300 events and a few for the time
	// that passed meanwhile.
	if n := srv.Count(); n < 200 || n > 500 {
		t.Errorf("%d events in two seconds at 100 a second", n)
	}
	for line := range srv.Book() {
		if line.Time.After(time.Now()) {
			t.Errorf("an event of the future: %v", line.Time)
		}
	}
}
