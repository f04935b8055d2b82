package handler

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluicelog/sluice/internal/cli"
	"github.com/sluicelog/sluice/internal/metrics"
)

// TestReport: two lines a minute in upstream's words, also when nothing flows.
func TestReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		c := newCounts(metrics.New())
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); c.report(ctx, slog.New(cli.NewHandlerLog(&out, slog.LevelInfo, false))) }()
		for range 3 {
			c.delivered(&Read{Type: "t", Time: time.Date(2026, 11, 24, 23, 0, 0, 0, time.UTC)})
		}
		c.deliveredWhole()
		time.Sleep(2*time.Minute + time.Second)
		stop()
		<-done
		want := []string{
			"INFO  Event processing events_per_minute:3 date:2026-11-24",
			"INFO  Session processing sessions_per_minute:1",
			"INFO  Event processing events_per_minute:0 date:2026-11-24",
			"INFO  Session processing sessions_per_minute:0",
		}
		got := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(got) != len(want) {
			t.Fatalf("%d lines: %s", len(got), out.String())
		}
		for i := range want {
			if !strings.HasPrefix(got[i], want[i]+" handler/report.go:") {
				t.Errorf("%q, want %q", got[i], want[i])
			}
		}
	})
}

// TestLagIsOfNow: it grows while nothing is delivered.
func TestLagIsOfNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCounts(metrics.New())
		if _, known := c.lag(); known {
			t.Error("a lag before the first event")
		}
		c.delivered(&Read{Type: "t", Time: time.Now().Add(-time.Minute)})
		c.delivered(&Read{Type: "t", Time: time.Now().Add(-time.Hour)}) // a late one
		time.Sleep(time.Hour)
		if got, _ := c.lag(); got != time.Hour+time.Minute {
			t.Errorf("lag %v", got)
		}
	})
}
