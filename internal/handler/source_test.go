package handler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/sluicelog/sluice/internal/teleport"
	"github.com/sluicelog/sluice/internal/teleport/teleporttest"
)

// begin is the first generated event's time: not long ago, so that what is added
// later is not late beyond measure, and far enough that dates change.
var begin = time.Now().UTC().Truncate(time.Hour).Add(-48 * time.Hour)

// cluster starts a simulated cluster and connects to it.
func cluster(t *testing.T, o teleporttest.Options) (*teleporttest.Server, *teleport.Client) {
	t.Helper()
	o.Dir = t.TempDir()
	if o.Start.IsZero() {
		o.Start = begin
	}
	srv, err := teleporttest.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close() })
	c, err := teleport.Dial(t.Context(), teleport.Config{Addr: srv.Addr(), Identity: srv.IdentityPath()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return srv, c
}

func testConfig(dir string, log auditLog) sourceConfig {
	return sourceConfig{
		log: slog.New(slog.DiscardHandler), health: newHealth(), teleport: log, dir: dir, identity: &identity{source: "s", gen: 1 << 32},
		batch: 50, timeout: time.Millisecond, window: 24 * time.Hour, lookBack: time.Hour, workers: 3, exitOnLast: true, start: begin.Add(-time.Hour),
	}
}

func openTest(t *testing.T, cfg sourceConfig) *auditSource {
	t.Helper()
	start := cfg.start
	src, err := openSource(cfg, &start)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// readAll runs a one-shot source, acknowledges each event at once, and returns
// the ids in order of delivery.
func readAll(t *testing.T, cfg sourceConfig) []string {
	t.Helper()
	src := openTest(t, cfg)
	var mu sync.Mutex
	var ids []string
	err := src.Run(t.Context(), func(_ context.Context, r *Read) error {
		mu.Lock()
		ids = append(ids, r.ID)
		mu.Unlock()
		src.Ack(r)
		return nil
	})
	if err := errors.Join(err, src.Close()); err != nil {
		t.Fatal(err)
	}
	return ids
}

func uids(srv *teleporttest.Server) []string { return slices.Collect(srv.UIDs()) }

// sameSet compares without order; doubles count.
func sameSet(t *testing.T, what string, got, want []string) {
	t.Helper()
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if slices.Equal(got, want) {
		return
	}
	missing, extra := difference(want, got), difference(got, want)
	t.Errorf("%s: %d events, want %d; %d missing %.3q, %d too many %.3q", what, len(got), len(want), len(missing), missing, len(extra), extra)
}

func difference(a, b []string) (only []string) {
	count := map[string]int{}
	for _, id := range b {
		count[id]++
	}
	for _, id := range a {
		if count[id]--; count[id] < 0 {
			only = append(only, id)
		}
	}
	return only
}

// modes are both backends; each test that is about the contract runs on both.
var modes = map[string]teleporttest.Mode{"search": teleporttest.Search, "bulk": teleporttest.Bulk}

func TestSourceDeliversEachEventOnce(t *testing.T) {
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			// Three dates, and windows of one hour: 48 of them.
			srv, c := cluster(t, teleporttest.Options{Seed: 1, Mode: mode, Step: 90 * time.Second, ChunkSize: 70})
			srv.Generate(1800)
			cfg := testConfig(t.TempDir(), c)
			cfg.window, cfg.lookBack = time.Hour, 6*time.Hour // the third run's events are late
			sameSet(t, "first run", readAll(t, cfg), uids(srv))
			sameSet(t, "second run", readAll(t, cfg), nil)
			srv.Generate(100)
			sameSet(t, "third run", readAll(t, cfg), uids(srv)[1800:])
			for _, name := range map[string][]string{"search": {"start_time", "window_time", "id"}, "bulk": {"start_time", "cursor_v2"}}[name] {
				if _, err := os.Stat(filepath.Join(cfg.dir, name)); err != nil {
					t.Errorf("upstream's %s: %v", name, err)
				}
			}
		})
	}
}

// TestSourceIsSettledAfterRun: answers that come after reading has ended are
// written down too.
func TestSourceIsSettledAfterRun(t *testing.T) {
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			srv, c := cluster(t, teleporttest.Options{Seed: 1, Mode: mode, ChunkSize: 70})
			srv.Generate(500)
			cfg := testConfig(t.TempDir(), c)
			src := openTest(t, cfg)
			var mu sync.Mutex
			var held []*Read
			err := src.Run(t.Context(), func(_ context.Context, r *Read) error {
				mu.Lock()
				defer mu.Unlock()
				held = append(held, r)
				return nil
			})
			if err != nil || len(held) != 500 {
				t.Fatalf("%d events: %v", len(held), err)
			}
			var senders sync.WaitGroup
			for part := range slices.Chunk(held, 50) {
				senders.Go(func() {
					for _, r := range part {
						src.Ack(r)
					}
				})
			}
			senders.Wait()
			sameSet(t, "second run", readAll(t, cfg), nil)
		})
	}
}

func TestSourceFilters(t *testing.T) {
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			srv, c := cluster(t, teleporttest.Options{Seed: 1, Mode: mode})
			srv.Generate(2000)
			if err := srv.Append(teleporttest.Event{Type: "exec", ID: "last", Time: begin.Add(time.Minute)}); err != nil {
				t.Fatal(err)
			}
			cfg := testConfig(t.TempDir(), c)
			cfg.types, cfg.skip = []string{"user.login", "session.upload", "exec"}, []string{"exec"}
			cfg.start, cfg.window = begin.Add(time.Second), 72*time.Hour
			var want []string
			for line := range srv.Book() {
				if (line.Type == "user.login" || line.Type == "session.upload") && !line.Time.Before(cfg.start) {
					want = append(want, line.ID)
				}
			}
			sameSet(t, "filtered", readAll(t, cfg), want)
			if u, err := readUpstreamMark(cfg.dir); name == "search" && (err != nil || u.ID != lastOf(srv, cfg.types)) {
				t.Errorf("the place is behind %q (%v), not behind the last event, which is skipped", u.ID, err)
			}
			sameSet(t, "again", readAll(t, cfg), nil)
		})
	}
}

func lastOf(srv *teleporttest.Server, types []string) (id string) {
	for line := range srv.Book() {
		if slices.Contains(types, line.Type) {
			id = line.ID
		}
	}
	return id
}

func TestReadCarriesWhatOthersNeed(t *testing.T) {
	srv, c := cluster(t, teleporttest.Options{Seed: 1})
	srv.Generate(640)
	cfg := testConfig(t.TempDir(), c)
	src := openTest(t, cfg)
	sids, failed, logins := map[string]bool{}, 0, 0
	err := src.Run(t.Context(), func(_ context.Context, r *Read) error {
		if !strings.HasPrefix(string(r.Body), "{") || r.Type == "" || r.Time.IsZero() {
			t.Errorf("incomplete: %+v", r)
		}
		switch r.Type {
		case "session.upload":
			sids[r.SID] = true
		case "user.login":
			logins++
			if r.Login.Failed {
				failed++
			}
			if r.Login.Cluster != "teleport.example.com" {
				t.Errorf("login %+v", r.Login)
			}
		}
		src.Ack(r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for s := range srv.Sessions() {
		if !sids[s.ID] {
			t.Errorf("nobody was told of session %s", s.ID)
		}
	}
	if failed == 0 || failed == logins {
		t.Errorf("%d of %d logins failed", failed, logins)
	}
}

func TestStartTimeIsFixed(t *testing.T) {
	dir := t.TempDir()
	at := time.Date(2026, 1, 1, 12, 0, 0, 500, time.FixedZone("", 5*3600+1800))
	first, err := startTime(dir, &at, time.Time{}, time.Now())
	if err != nil || !first.Equal(at.Truncate(time.Second)) {
		t.Fatalf("first run: %v %v", first, err)
	}
	// Upstream's handler refuses a time in another zone than the one on disk.
	if text, err := os.ReadFile(filepath.Join(dir, "start_time")); err != nil || string(text) != "2026-01-01T12:00:00+05:30" {
		t.Errorf("on disk is %s %v", text, err)
	}
	same := at.UTC()
	if again, err := startTime(dir, &same, time.Time{}, time.Now()); err != nil || !again.Equal(first) {
		t.Errorf("the same instant in another zone: %v %v", again, err)
	}
	if again, err := startTime(dir, nil, time.Time{}, time.Now()); err != nil || !again.Equal(first) {
		t.Errorf("nothing asked: %v %v", again, err)
	}
	other := at.Add(time.Second)
	if _, err := startTime(dir, &other, time.Time{}, time.Now()); err == nil || !strings.Contains(err.Error(), "start time can not be changed") {
		t.Errorf("another time: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "start_time"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if lost, err := startTime(dir, nil, begin, time.Now()); err != nil || !lost.Equal(begin) {
		t.Errorf("a torn file beside progress of %v: %v %v", begin, lost, err)
	}
}

// TestSourceSurvivesTheCluster: whatever the cluster does, each event comes once.
func TestSourceSurvivesTheCluster(t *testing.T) {
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			srv, c := cluster(t, teleporttest.Options{Seed: 1, Mode: mode, ChunkSize: 100})
			srv.Generate(2000)
			big := fmt.Appendf(nil, `{"event":"db.session.query","uid":"big","db_query":%q}`, strings.Repeat("x", 5<<20))
			if err := srv.Append(teleporttest.Event{Type: "db.session.query", Time: begin.Add(time.Second), Body: big}); err != nil {
				t.Fatal(err)
			}
			cfg := testConfig(t.TempDir(), c)
			src := openTest(t, cfg)
			f := srv.Faults()
			f.FailNext(2, codes.Unavailable)
			var mu sync.Mutex
			var ids []string
			deliver := func(_ context.Context, r *Read) error {
				mu.Lock()
				ids = append(ids, r.ID)
				switch len(ids) {
				case 200:
					f.RepeatPages(2)
					f.CutStreams(2, 7)
				case 400:
					f.EmptyPages(3)
				case 600:
					f.FailNext(1, codes.ResourceExhausted)
				case 800:
					f.FailNext(1, codes.Internal)
				case 1000:
					f.CursorFormat(2)
					f.CutStreams(3, 3)
				}
				mu.Unlock()
				src.Ack(r)
				return nil
			}
			for attempt := 0; ; attempt++ {
				err := src.Run(t.Context(), deliver)
				if err == nil {
					break
				}
				if attempt > 20 {
					t.Fatal(err)
				}
			}
			sameSet(t, "with faults", ids, uids(srv))
			if err := src.Close(); err != nil {
				t.Fatal(err)
			}
			sameSet(t, "afterwards", readAll(t, cfg), nil)
		})
	}
}

// world is what outlives the processes: the receiver's memory.
type world struct {
	sent      map[string]uint64 // generation that an id was first sent in
	durable   map[string]bool   // acknowledged before the last save that came through
	forgotten uint64            // what the receiver was told to forget
	repeats   int
	lives     uint64
	rises     int // lives that were killed, and in which the receiver forgot
}

// live runs one process until it was given n events, or is done. Events are
// acknowledged in random order, some never; progress is written at random
// moments; then the process is gone.
func live(t *testing.T, cfg sourceConfig, open func(sourceConfig, *ledger) (reader, error), w *world, rng *rand.Rand, n int) (done bool) {
	t.Helper()
	w.lives++
	start := w.lives * numbersPerStart
	cfg.identity = &identity{source: "s", start: start, gen: start, forget: w.forgotten}
	book := newLedger(cfg.identity)
	r, err := open(cfg, book)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var held []*Read
	acked := map[string]bool{}
	saving := func() {
		before := maps.Clone(acked)
		if err := r.save(); err != nil {
			t.Error(err)
		}
		maps.Copy(w.durable, before)
		w.forgotten = max(w.forgotten, cfg.identity.forget)
	}
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	err = r.run(ctx, func(_ context.Context, e *Read) error {
		mu.Lock()
		defer mu.Unlock()
		if w.durable[e.ID] {
			t.Errorf("%s was acknowledged and written down, and comes again", e.ID)
		}
		gen := cfg.identity.current()
		if first, again := w.sent[e.ID]; again {
			w.repeats++
			if first < w.forgotten {
				t.Errorf("%s was sent in generation %d, the receiver forgot all below %d, and it comes again", e.ID, first, w.forgotten)
			}
		} else {
			w.sent[e.ID] = gen
		}
		held = append(held, e)
		for len(held) > 0 && rng.IntN(2) > 0 {
			i := rng.IntN(min(len(held), 40))
			r.acked(held[i].place.(*place))
			held[i].place.(*place).ack()
			acked[held[i].ID] = true
			held = slices.Delete(held, i, i+1)
		}
		if rng.IntN(30) == 0 {
			saving()
		}
		if n--; n <= 0 {
			kill()
			return context.Canceled
		}
		return nil
	})
	if err != nil {
		w.rises += boolInt(w.forgotten >= start)
		return false
	}
	mu.Lock()
	defer mu.Unlock()
	for _, e := range held {
		r.acked(e.place.(*place))
		e.place.(*place).ack()
		acked[e.ID] = true
	}
	saving()
	return true
}

// TestSourceSurvivesKills: over many kills every event is delivered, one that was
// acknowledged and written down never again, and one that comes again is never
// one that the receiver was told to forget.
func TestSourceSurvivesKills(t *testing.T) {
	opens := map[string]func(sourceConfig, *ledger) (reader, error){
		"search": func(cfg sourceConfig, b *ledger) (reader, error) { return openSearch(cfg, b) },
		"bulk":   func(cfg sourceConfig, b *ledger) (reader, error) { return openExport(cfg, b) },
	}
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(2) {
				srv, c := cluster(t, teleporttest.Options{Seed: seed, Mode: mode, Step: 20 * time.Second, ChunkSize: 90})
				srv.Generate(2500)
				rng := rand.New(rand.NewPCG(seed, 1))
				cfg := testConfig(t.TempDir(), c)
				w := &world{sent: map[string]uint64{}, durable: map[string]bool{}}
				kills := 0
				for !live(t, cfg, opens[name], w, rng, 50+rng.IntN(500)) {
					if kills++; kills > 300 {
						t.Fatal("it never ends")
					}
				}
				sameSet(t, "delivered", slices.Collect(maps.Keys(w.sent)), uids(srv))
				sameSet(t, "written down", slices.Collect(maps.Keys(w.durable)), uids(srv))
				if kills < 3 || w.repeats == 0 || w.forgotten == 0 {
					t.Errorf("%d kills, %d repeats, forgotten below %d: the test tests nothing", kills, w.repeats, w.forgotten)
				}
				if name == "bulk" && w.rises < 2 {
					t.Errorf("of %d processes that were killed, %d let the receiver forget", kills, w.rises)
				}
			}
		})
	}
}
