package handler

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sluicelog/sluice/internal/teleport/teleporttest"
)

// TestStuckChunkStopsNobody: while one chunk fails again and again, all others are
// read, new ones are found, and the next dates too; and when it can be read at last,
// its events come.
func TestStuckChunkStopsNobody(t *testing.T) {
	day := time.Now().UTC().Truncate(24 * time.Hour).Add(-24 * time.Hour)
	srv, c := cluster(t, teleporttest.Options{Seed: 1, Mode: teleporttest.Bulk, Start: day.Add(20 * time.Hour), Step: time.Minute, ChunkSize: 50})
	srv.Generate(600) // ten hours over midnight
	stuck := srv.Chunks(day)[1]
	srv.Faults().StuckChunk(stuck, true)
	cfg := testConfig(t.TempDir(), c)
	cfg.start, cfg.exitOnLast = day, false
	src := openTest(t, cfg)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var mu sync.Mutex
	more := sync.NewCond(&mu)
	var ids []string
	done := make(chan error, 1)
	go func() {
		done <- src.Run(ctx, func(_ context.Context, r *Read) error {
			mu.Lock()
			ids = append(ids, r.ID)
			mu.Unlock()
			more.Broadcast()
			src.Ack(r)
			return nil
		})
	}()
	late := time.AfterFunc(30*time.Second, func() { stop(); more.Broadcast() })
	defer late.Stop()
	until := func(n int) {
		mu.Lock()
		defer mu.Unlock()
		for len(ids) < n && ctx.Err() == nil {
			more.Wait()
		}
		if len(ids) < n {
			t.Fatalf("%d events, want %d", len(ids), n)
		}
	}
	all := uids(srv)
	until(len(all) - 49) // the stuck chunk gives its first event
	srv.Faults().StuckChunk(stuck, false)
	until(len(all))
	stop()
	<-done
	if err := src.Close(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(ids)
	sameSet(t, "events", ids, all)
}
