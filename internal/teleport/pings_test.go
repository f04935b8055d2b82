package teleport_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/internal/teleport"
	"github.com/sluicelog/sluice/internal/teleport/teleporttest"
)

// TestThrownOutForPings: whom the cluster takes for one that pings too often loses
// the connection, and comes back. A call that begins then fails and says so, or gRPC
// makes it again by itself, since the cluster has not begun it.
func TestThrownOutForPings(t *testing.T) {
	srv := start(t, teleporttest.Options{Seed: 1, Mode: teleporttest.Bulk})
	srv.Generate(640)
	c := dial(t, srv)
	calls := map[string]func() error{
		"search":  func() error { _, _, err := c.Search(t.Context(), window()); return err },
		"chunk":   func() error { return drain(c.ExportChunk(t.Context(), begin, srv.Chunks(begin)[0], "")) },
		"session": func() error { return drain(c.SessionEvents(t.Context(), firstSession(srv).ID, 0)) },
	}
	for name, call := range calls {
		before := srv.Accepted()
		srv.Faults().ForgePings()
		if err := call(); err != nil && !saysPings(err) {
			t.Errorf("%s: %v", name, err)
		}
		comesBack(t, c)
		if srv.Accepted() == before {
			t.Errorf("%s did not lose its connection", name)
		}
	}
}

func saysPings(err error) bool {
	return teleport.IsUnavailable(err) && strings.Contains(err.Error(), "Teleport ended the connection, on which it saw too many pings")
}

// TestThrownOutInTheMiddle of a stream, which goes on where it was.
func TestThrownOutInTheMiddle(t *testing.T) {
	srv := start(t, teleporttest.Options{Seed: 1, Mode: teleporttest.Bulk, UploadEvery: -1})
	srv.Generate(300)
	srv.Faults().SlowEvents(time.Millisecond)
	c := dial(t, srv)
	var ids []string
	cursor := ""
	for thrown := 0; thrown < 2; thrown++ {
		for e, err := range c.ExportChunk(t.Context(), begin, srv.Chunks(begin)[0], cursor) {
			if err != nil {
				if !saysPings(err) {
					t.Fatal(err)
				}
				comesBack(t, c)
				break
			}
			ids, cursor = append(ids, e.ID), e.Cursor
			if len(ids) == 20 {
				srv.Faults().ForgePings()
				_, _, _ = c.Search(t.Context(), window())
			}
		}
		if thrown == 0 && len(ids) == 300 {
			t.Error("the stream was not broken")
		}
	}
	if want := slices.Collect(srv.UIDs()); !slices.Equal(ids, want) {
		t.Errorf("%d events came, want %d in the same order", len(ids), len(want))
	}
}
