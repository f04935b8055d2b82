package handler

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/sluicelog/sluice/internal/teleport"
)

// borderLog is an audit log in the order of time and id. Like some backends it may
// name a next page behind every full one, though nothing is there yet.
type borderLog struct {
	auditLog
	events []clockEvent
	eager  bool
}

func (l *borderLog) add(id string, at, arrival time.Time) {
	body, _ := structpb.NewStruct(map[string]any{"uid": id})
	l.events = append(l.events, clockEvent{teleport.Event{Type: "t", ID: id, Time: at, Struct: body}, arrival})
	slices.SortFunc(l.events, func(a, b clockEvent) int {
		if c := a.Time.Compare(b.Time); c != 0 {
			return c
		}
		return 2*boolInt(a.ID > b.ID) - 1
	})
}

// Search has cursors "window/nanoseconds/id"; both ends of a window are included.
func (l *borderLog) Search(_ context.Context, r teleport.SearchRequest) (page []teleport.Event, next string, err error) {
	var window, nano int64
	var id string
	if r.Cursor != "" {
		if _, err := fmt.Sscanf(r.Cursor, "%d/%d/%s", &window, &nano, &id); err != nil {
			return nil, "", err
		}
		if window != r.From.UnixNano() {
			return nil, "", nil
		}
	}
	for _, e := range l.events {
		at := e.Time.UnixNano()
		if e.arrival.After(time.Now()) || e.Time.Before(r.From) || e.Time.After(r.To) || at < nano || at == nano && e.ID <= id {
			continue
		}
		if len(page) == r.Limit {
			return page, cursorBehind(r, page), nil
		}
		page = append(page, e.Event)
	}
	if l.eager && len(page) == r.Limit {
		next = cursorBehind(r, page)
	}
	return page, next, nil
}

func cursorBehind(r teleport.SearchRequest, page []teleport.Event) string {
	last := page[len(page)-1]
	return fmt.Sprintf("%d/%d/%s", r.From.UnixNano(), last.Time.UnixNano(), last.ID)
}

// borderRun reads a log for a while, acknowledges what ack wants, and stops as a
// process does that is killed behind its last write.
func borderRun(t *testing.T, cfg sourceConfig, d time.Duration, ack func(id string) bool) (got []string) {
	t.Helper()
	src := openTest(t, cfg)
	src.reader, _ = openSearch(src.cfg, newLedger(cfg.identity))
	src.ledger = src.reader.(*searchSource).ledger
	ctx, stop := context.WithTimeout(t.Context(), d)
	defer stop()
	_ = src.Run(ctx, func(_ context.Context, r *Read) error {
		got = append(got, r.ID)
		if ack(r.ID) {
			src.Ack(r)
		}
		return nil
	})
	if err := src.Close(); err != nil {
		t.Fatal(err)
	}
	return got
}

func borderConfig(t *testing.T, log auditLog) sourceConfig {
	cfg := testConfig(t.TempDir(), log)
	cfg.start, cfg.exitOnLast, cfg.timeout, cfg.lookBack = time.Now(), false, 100*time.Millisecond, 0
	return cfg
}

// An event that appears in front of the last one, with the very same time, and that
// is not acknowledged when the process ends, is sent again, though the page that holds
// it was left.
func TestLateAtTheCursorsTimeSurvivesRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &borderLog{eager: true}
		cfg := borderConfig(t, log)
		cfg.batch = 3
		at := time.Now().Add(time.Second)
		log.add("a", at.Add(-time.Second), at)
		log.add("c", at, at)
		log.add("b", at, at.Add(2*time.Second))
		first := borderRun(t, cfg, 5*time.Second, func(id string) bool { return id != "b" })
		second := borderRun(t, cfg, 5*time.Second, func(string) bool { return true })
		third := borderRun(t, cfg, 5*time.Second, func(string) bool { return true })
		if !slices.Equal(first, []string{"a", "c", "b"}) || !slices.Equal(second, []string{"b"}) || len(third) > 0 {
			t.Errorf("got %q, then %q, then %q", first, second, third)
		}
	})
}

// Without a look-back, events of the same time at the borders of pages and windows,
// those too that appear after others of their time, come once each: over restarts,
// and again only when they were not acknowledged.
func TestBordersWithoutLookBack(t *testing.T) {
	for seed := range uint64(25) {
		synctest.Test(t, func(t *testing.T) {
			dice := rand.New(rand.NewPCG(seed, 1))
			log := &borderLog{eager: dice.IntN(2) == 0}
			cfg := borderConfig(t, log)
			cfg.batch, cfg.window = 1+dice.IntN(4), time.Duration(1+dice.IntN(3))*time.Second
			begin := time.Now()
			var all []string
			for i := range 40 { // most of them at the windows' borders
				at := begin.Add(time.Duration(i/4) * time.Second)
				id := fmt.Sprintf("e%02d", i)
				log.add(id, at, at.Add(time.Duration(i%4*200)*time.Millisecond))
				all = append(all, id)
			}
			acked := map[string]int{}
			for ended := false; !ended; {
				ended = time.Since(begin) > 15*time.Second
				all, long := ended || dice.IntN(2) == 0, time.Duration(1+dice.IntN(4000))*time.Millisecond
				if ended {
					long = 5 * time.Second
				}
				borderRun(t, cfg, long, func(id string) bool {
					if acked[id] > 0 {
						t.Errorf("seed %d: %s comes again", seed, id)
					}
					if all || dice.IntN(2) == 0 {
						acked[id]++
					}
					return acked[id] > 0
				})
			}
			for _, id := range all {
				if acked[id] != 1 {
					t.Errorf("seed %d (batch %d, window %v, eager %v): %s acknowledged %d times", seed, cfg.batch, cfg.window, log.eager, id, acked[id])
				}
			}
		})
	}
}
