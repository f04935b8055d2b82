package handler

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluicelog/sluice/internal/teleport"
	"github.com/sluicelog/sluice/internal/teleport/teleporttest"
)

// largeEvents gives a log events of which every tenth is longer than a reply may be.
func largeEvents(t *testing.T, srv *teleporttest.Server) {
	t.Helper()
	for i := range 30 {
		body := fmt.Appendf(nil, `{"event":"t","uid":"u%d","x":%q}`, i, strings.Repeat("x", 1+(i%10)/9*(2<<20)))
		if err := srv.Append(teleporttest.Event{Type: "t", Time: begin.Add(time.Duration(i) * time.Minute), Body: body}); err != nil {
			t.Fatal(err)
		}
	}
}

func dialLimited(t *testing.T, srv *teleporttest.Server, usual, alone int) *teleport.Client {
	t.Helper()
	c, err := teleport.Dial(t.Context(), teleport.Config{Addr: srv.Addr(), Identity: srv.IdentityPath(), MaxReceive: usual, MaxAlone: alone})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// Events that are longer than a reply may be are read, each alone, and all others too.
func TestEventsOverTheReceiveLimit(t *testing.T) {
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			srv, _ := cluster(t, teleporttest.Options{Mode: mode, ChunkSize: 7})
			largeEvents(t, srv)
			cfg := testConfig(t.TempDir(), dialLimited(t, srv, 1<<20, 0))
			sameSet(t, "events", readAll(t, cfg), uids(srv))
		})
	}
}

// One that can not be received at all is said with its place, in a search, which stops
// there, and in bulk, where the other chunks are read.
func TestEventThatCanNotBeReceived(t *testing.T) {
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			srv, _ := cluster(t, teleporttest.Options{Mode: mode, ChunkSize: 10})
			largeEvents(t, srv)
			src := openTest(t, testConfig(t.TempDir(), dialLimited(t, srv, 1<<19, 1<<20)))
			var n atomic.Int64
			err := src.Run(t.Context(), func(_ context.Context, r *Read) error { n.Add(1); src.Ack(r); return nil })
			if err := src.Close(); err != nil {
				t.Fatal(err)
			}
			place, want := "behind event \"u8\"", int64(9)
			if mode == teleporttest.Bulk {
				place, want = "chunk "+srv.Chunks(begin)[0], 27
			}
			if !teleport.IsTooLarge(err) || !strings.Contains(err.Error(), "longer than can be received, 1 MiB") || !strings.Contains(err.Error(), place) {
				t.Errorf("got %v", err)
			}
			if n.Load() != want {
				t.Errorf("%d events, want %d", n.Load(), want)
			}
		})
	}
}
