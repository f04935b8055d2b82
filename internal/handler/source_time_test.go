package handler

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/sluicelog/sluice/internal/teleport"
)

// clockLog is an audit log under a simulated clock: an event can be seen from its
// arrival on.
type clockLog struct {
	bulk bool

	mu       sync.Mutex
	events   []clockEvent // in order of time
	chunks   map[string]teleport.Event
	searches int
	broken   map[string]bool // chunks that fail after their first event
}

type clockEvent struct {
	teleport.Event
	arrival time.Time
}

func (l *clockLog) add(id string, at, arrival time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.append(id, at, arrival)
	slices.SortStableFunc(l.events, func(a, b clockEvent) int { return a.Time.Compare(b.Time) })
}

func (l *clockLog) append(id string, at, arrival time.Time) {
	body, _ := structpb.NewStruct(map[string]any{"uid": id})
	e := clockEvent{teleport.Event{Type: "user.login", ID: id, Time: at, Struct: body}, arrival}
	l.events = append(l.events, e)
	if l.chunks == nil {
		l.chunks = map[string]teleport.Event{}
	}
	l.chunks["c"+id] = e.Event
}

func (l *clockLog) visible() (all []teleport.Event) {
	for _, e := range l.events {
		if !e.arrival.After(time.Now()) {
			all = append(all, e.Event)
		}
	}
	return all
}

// Search has cursors "window/time/id".
func (l *clockLog) Search(_ context.Context, r teleport.SearchRequest) (page []teleport.Event, next string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.searches++
	after := time.Time{}
	if r.Cursor != "" {
		var window, nano int64
		if _, err := fmt.Sscanf(r.Cursor, "%d/%d", &window, &nano); err != nil {
			return nil, "", err
		}
		if window != r.From.UnixNano() {
			return nil, "", nil
		}
		after = time.Unix(0, nano)
	}
	for _, e := range l.visible() {
		switch {
		case e.Time.Before(r.From) || e.Time.After(r.To) || !e.Time.After(after):
		case len(page) == r.Limit:
			return page, fmt.Sprintf("%d/%d", r.From.UnixNano(), page[len(page)-1].Time.UnixNano()), nil
		default:
			page = append(page, e)
		}
	}
	return page, "", nil
}

// ExportChunks gives each event a chunk of its own.
func (l *clockLog) ExportChunks(_ context.Context, date time.Time) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if !l.bulk {
			yield("", status.Error(codes.Unimplemented, "no bulk export"))
			return
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, e := range l.visible() {
			if e.Time.UTC().Truncate(24*time.Hour).Equal(date) && !yield("c"+e.ID, nil) {
				return
			}
		}
	}
}

func (l *clockLog) ExportChunk(_ context.Context, _ time.Time, chunk, cursor string) iter.Seq2[teleport.Exported, error] {
	return func(yield func(teleport.Exported, error) bool) {
		l.mu.Lock()
		broken := l.broken[chunk]
		e := l.chunks[chunk]
		l.mu.Unlock()
		if broken {
			yield(teleport.Exported{}, errors.New("broken chunk"))
			return
		}
		if cursor == "" {
			yield(teleport.Exported{Event: e, Cursor: "1"}, nil)
		}
	}
}

// follower is a source that runs under the simulated clock, and when each event
// came out of it.
type follower struct {
	mu   sync.Mutex
	slow func(id string) (ackAfter time.Duration) // negative: never; nil: at once
	came map[string]time.Time
	wait sync.WaitGroup
	stop context.CancelFunc
	src  *auditSource
}

func follow(t *testing.T, cfg sourceConfig, slow func(id string) time.Duration) *follower {
	t.Helper()
	f := &follower{came: map[string]time.Time{}, src: openTest(t, cfg), slow: slow}
	ctx, stop := context.WithCancel(t.Context())
	f.stop = stop
	f.wait.Go(func() {
		err := f.src.Run(ctx, func(_ context.Context, r *Read) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			if _, again := f.came[r.ID]; again {
				t.Errorf("%s came twice", r.ID)
			}
			f.came[r.ID] = time.Now()
			switch after := f.slow(r.ID); {
			case after == 0:
				f.src.Ack(r)
			case after > 0:
				time.AfterFunc(after, func() { f.src.Ack(r) })
			}
			return nil
		})
		if ctx.Err() == nil {
			t.Error(err)
		}
	})
	return f
}

func (f *follower) end(t *testing.T) {
	t.Helper()
	f.stop()
	f.wait.Wait()
	if err := f.src.Close(); err != nil {
		t.Error(err)
	}
}

func atOnce(string) time.Duration { return 0 }

// arrived is how long after its arrival an event came; negative: it did not.
func (f *follower) arrived(l *clockLog, id string) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	at, ok := f.came[id]
	if !ok {
		return -1
	}
	i := slices.IndexFunc(l.events, func(e clockEvent) bool { return e.ID == id })
	return at.Sub(l.events[i].arrival)
}

func liveConfig(t *testing.T, log auditLog) sourceConfig {
	cfg := testConfig(t.TempDir(), log)
	cfg.exitOnLast, cfg.timeout, cfg.batch = false, 5*time.Second, 20
	cfg.start = time.Now()
	return cfg
}

// TestSearchFollowsLive: over two windows and a bit, punctual events come
// within a poll, late ones within the look-back's interval, and what must be
// remembered does not grow.
func TestSearchFollowsLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &clockLog{}
		began := time.Now()
		limit := map[string]time.Duration{}
		for i := range 13 * 10 { // one every six minutes
			at := began.Add(time.Duration(i) * 6 * time.Minute).Add(7 * time.Millisecond)
			id := "on" + strconv.Itoa(i)
			log.add(id, at, at)
			limit[id] = 6 * time.Second
			switch {
			case i%4 == 1: // a little late: the last five minutes are looked at each minute
				log.add("late"+strconv.Itoa(i), at.Add(-time.Minute), at.Add(time.Minute))
				limit["late"+strconv.Itoa(i)] = 70 * time.Second
			case i%4 == 3: // rather late
				log.add("old"+strconv.Itoa(i), at.Add(-40*time.Minute+time.Microsecond), at)
				limit["old"+strconv.Itoa(i)] = 11 * time.Minute
				if i < 10 {
					delete(limit, "old"+strconv.Itoa(i)) // before the start
				}
			}
		}
		// At a window's edge, with nothing else near: only the look-back can see it.
		edge := began.Add(6*time.Hour - time.Second)
		log.add("edge", edge, edge.Add(10*time.Minute))
		limit["edge"] = 11 * time.Minute

		cfg := liveConfig(t, log)
		cfg.window = 6 * time.Hour
		// Some answers take longer than the next look at the last minutes.
		f := follow(t, cfg, func(id string) time.Duration { return time.Duration(len(id)%2) * 100 * time.Second })
		time.Sleep(13*time.Hour + 20*time.Minute)
		f.end(t)
		for id, within := range limit {
			if took := f.arrived(log, id); took < 0 || took > within {
				t.Errorf("%s came after %v, want within %v", id, took, within)
			}
		}
		if n := len(f.src.reader.(*searchSource).flying); n > 0 {
			t.Errorf("%d events are still thought to be under way", n)
		}
	})
}

// TestSearchFindsWhatCameLateWhileItWasAway: the process is down for hours; an
// event that became visible meanwhile, before the place where it stood, comes
// after the restart; nothing comes twice.
func TestSearchFindsWhatCameLateWhileItWasAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &clockLog{}
		began := time.Now()
		const events = 12 * 6
		for i := range events {
			at := began.Add(time.Duration(i) * 10 * time.Minute).Add(time.Second)
			log.add("on"+strconv.Itoa(i), at, at)
		}
		cfg := liveConfig(t, log)
		first := follow(t, cfg, atOnce)
		time.Sleep(3 * time.Hour)
		first.end(t)
		log.add("late", time.Now().Add(-30*time.Minute), time.Now().Add(time.Minute))
		time.Sleep(6 * time.Hour)
		second := follow(t, cfg, atOnce)
		time.Sleep(4 * time.Hour)
		second.end(t)
		if second.arrived(log, "late") < 0 {
			t.Error("the late event never came")
		}
		for id := range second.came {
			if _, twice := first.came[id]; twice {
				t.Errorf("%s came in both lives", id)
			}
		}
		if n := len(first.came) + len(second.came); n != events+1 {
			t.Errorf("%d events came, want %d", n, events+1)
		}
	})
}

// TestSearchForgets: files of seen events go away once nothing can be met again.
func TestSearchForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s, err := openSeen(dir)
		if err != nil {
			t.Fatal(err)
		}
		at := time.Now()
		for i := range 3*seenPerSegment + 10 {
			s.add(fingerprintOf(strconv.Itoa(i), nil), at.Add(time.Duration(i)*time.Millisecond))
			if i%50_000 == 0 {
				if err := s.flush(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := s.flush(); err != nil {
			t.Fatal(err)
		}
		files := func() []string { f, _ := filepath.Glob(filepath.Join(dir, "sluice_seen-*.ids")); return f }
		if n := len(files()); n < 3 {
			t.Fatalf("%d files", n)
		}
		// A torn record at the end is left out.
		last := files()[len(files())-1]
		if err := os.Truncate(last, 24*5+7); err != nil {
			t.Fatal(err)
		}
		s, err = openSeen(dir)
		if err != nil {
			t.Fatal(err)
		}
		if !s.has(fingerprintOf("0", nil)) || s.has(fingerprintOf("x", nil)) {
			t.Error("it does not remember what it was told")
		}
		if err := s.prune(at.Add(24 * time.Hour)); err != nil {
			t.Fatal(err)
		}
		if s.has(fingerprintOf("0", nil)) || len(files()) > 1 {
			t.Errorf("%d files are left of what is too old", len(files()))
		}
	})
}

// TestExportFollowsLive: events come within a listing's interval, late ones of
// the two days before too; the dates move on at midnight and old ones go; a
// broken chunk delays only itself.
func TestExportFollowsLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &clockLog{bulk: true, broken: map[string]bool{"con7": true}}
		began := time.Now() // midnight, as it happens
		for i := range 5 * 8 {
			at := began.Add(time.Duration(i)*3*time.Hour + time.Minute)
			log.add("on"+strconv.Itoa(i), at, at)
		}
		log.add("late", began.Add(30*time.Hour), began.Add(75*time.Hour))
		cfg := liveConfig(t, log)
		f := follow(t, cfg, atOnce)
		time.Sleep(76 * time.Hour)
		log.mu.Lock()
		delete(log.broken, "con7")
		log.mu.Unlock()
		time.Sleep(49 * time.Hour)
		f.end(t)
		for i := range 5 * 8 {
			id := "on" + strconv.Itoa(i)
			took := f.arrived(log, id)
			if i == 7 {
				if took < 54*time.Hour || took > 56*time.Hour {
					t.Errorf("the broken chunk's event came after %v", took)
				}
				continue
			}
			if took < 0 || took > 20*time.Second {
				t.Errorf("%s came after %v", id, took)
			}
		}
		if took := f.arrived(log, "late"); took < 0 || took > 20*time.Second {
			t.Errorf("the late event came after %v", took)
		}
		dates, own, err := (&exportState{dir: cfg.dir}).load()
		if err != nil {
			t.Fatal(err)
		}
		if len(dates) < 3 || len(dates) > 4 || len(own.Partial) != 0 {
			t.Errorf("%d dates and %d partial chunks are left on disk", len(dates), len(own.Partial))
		}
		if got := f.src.cfg.health.problems(); len(got) != 0 {
			t.Errorf("problems: %v", got)
		}
	})
}

// TestReadingIsBounded: nobody acknowledges, and reading stops. An acknowledged
// event makes room, in a search only when no older one is open.
func TestReadingIsBounded(t *testing.T) {
	for name, bulk := range map[string]bool{"search": false, "bulk": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := &clockLog{bulk: bulk}
				day := time.Now() // midnight, as it happens
				for i := range 11_000 {
					at := day.Add(time.Duration(i+1) * time.Millisecond)
					log.append(strconv.Itoa(i), at, at)
				}
				time.Sleep(time.Minute)
				cfg := liveConfig(t, log)
				cfg.start, cfg.batch = day, 1000
				src := openTest(t, cfg)
				ctx, stop := context.WithCancel(t.Context())
				var mu sync.Mutex
				var held []*Read
				ended := make(chan error, 1)
				go func() {
					ended <- src.Run(ctx, func(_ context.Context, r *Read) error {
						mu.Lock()
						defer mu.Unlock()
						held = append(held, r)
						return nil
					})
				}()
				count := func(what string, want int) {
					t.Helper()
					synctest.Wait()
					mu.Lock()
					defer mu.Unlock()
					if len(held) != want {
						t.Errorf("%s: %d events were read, want %d", what, len(held), want)
					}
				}
				count("none acknowledged", maxUnsettled)
				mu.Lock()
				first, second := held[0], held[1] // an acknowledgement lets more come in
				mu.Unlock()
				src.Ack(second)
				count("the second acknowledged", maxUnsettled+boolInt(bulk))
				src.Ack(first)
				src.Ack(first)
				count("the first too", maxUnsettled+2)
				stop()
				if err := <-ended; !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			})
		})
	}
}

// TestLateEventIsNotLost: a late event that was delivered and never acknowledged
// comes again after a restart, however long that takes.
func TestLateEventIsNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &clockLog{}
		began := time.Now()
		for i := range 8 * 6 {
			at := began.Add(time.Duration(i) * 10 * time.Minute).Add(time.Second)
			log.add("on"+strconv.Itoa(i), at, at)
		}
		log.add("late", began.Add(time.Hour), began.Add(time.Hour+30*time.Minute))
		cfg := liveConfig(t, log)
		first := follow(t, cfg, func(id string) time.Duration {
			if id == "late" {
				return -1
			}
			return 0
		})
		time.Sleep(5 * time.Hour)
		first.end(t)
		if first.arrived(log, "late") < 0 {
			t.Fatal("the late event did not come at all")
		}
		time.Sleep(time.Hour)
		second := follow(t, cfg, atOnce)
		time.Sleep(time.Minute)
		second.end(t)
		if second.arrived(log, "late") < 0 {
			t.Error("the late event was delivered, never acknowledged, and is lost")
		}
		if _, twice := second.came["on0"]; twice {
			t.Error("an event of before came again")
		}
	})
}

// TestStandstillIsNoHammer: a cluster that leads from a page to the same page is
// asked again at the poll's pace, and who asks how it goes is told.
func TestStandstillIsNoHammer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &circleLog{}
		cfg := liveConfig(t, log)
		ctx, stop := context.WithTimeout(t.Context(), time.Hour)
		defer stop()
		src := openTest(t, cfg)
		if err := src.Run(ctx, func(context.Context, *Read) error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if limit := int(time.Hour/cfg.timeout) + 10; log.searches > limit || log.searches < 10 {
			t.Errorf("%d searches in an hour, want up to %d", log.searches, limit)
		}
		if told := cfg.health.problems(); len(told) != 1 || !strings.Contains(told[0], "same page") {
			t.Errorf("it is said that %q", told)
		}
	})
}

// circleLog answers every search with no event and the same cursor.
type circleLog struct{ clockLog }

func (l *circleLog) Search(context.Context, teleport.SearchRequest) ([]teleport.Event, string, error) {
	l.searches++
	return nil, "round", nil
}

// TestAcknowledgedBeyondIsCarriedOn: what an earlier process had acknowledged in
// a chunk is remembered by the next one even if that never gets to the chunk.
func TestAcknowledgedBeyondIsCarriedOn(t *testing.T) {
	x := &exportState{dir: t.TempDir()}
	if err := x.begin("2026-01-15"); err != nil {
		t.Fatal(err)
	}
	prints := []fingerprint{fingerprintOf("a", nil), fingerprintOf("b", nil)}
	kept := partialChunk{Cursor: "c7", Rows: 7, Acked: packPrints(prints)}
	if err := x.saveOwn(exportFile{Partial: map[string]partialChunk{"2026-01-15/chunk": kept}}); err != nil {
		t.Fatal(err)
	}
	if err := x.saveCursor("2026-01-15", "chunk", "c7"); err != nil {
		t.Fatal(err)
	}
	cfg := testConfig(x.dir, &clockLog{bulk: true})
	source, err := openExport(cfg, newLedger(cfg.identity))
	if err != nil {
		t.Fatal(err)
	}
	source.ledger.touch()
	if err := source.save(); err != nil {
		t.Fatal(err)
	}
	_, own, err := x.load()
	if err != nil {
		t.Fatal(err)
	}
	got := own.Partial["2026-01-15/chunk"]
	if len(unpackPrints(got.Acked)) != 2 || got.Cursor != "c7" || got.Rows != 7 {
		t.Errorf("carried on %+v, want %+v", got, kept)
	}
}
