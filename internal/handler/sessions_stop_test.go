package handler

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A recording that is stopped in its middle goes on at the next event: also one that
// was missing before, and within a second of its first event.
func TestStoppedRecordingGoesOn(t *testing.T) {
	for name, missingFirst := range map[string]bool{"there at once": false, "missing first": true} {
		dir := t.TempDir()
		ctx, stop := context.WithCancel(t.Context())
		b := newBooth(t, dir, &tapes{n: 5, calls: map[string]int{}, fail: func(_ string, index int64, call int) error {
			switch {
			case missingFirst && call == 1:
				return notFound()
			case index == 3:
				stop()
				return ctx.Err()
			}
			return nil
		}})
		if err := b.add(ctx, "s", time.Now()); err != nil {
			t.Fatal(err)
		}
		b.finish(t)
		next := newBooth(t, dir, &tapes{n: 5, calls: map[string]int{}})
		if err := next.resume(t.Context()); err != nil {
			t.Fatal(err)
		}
		next.finish(t)
		if got, want := slices.Concat(b.got, next.got), wantEvents("s", 5); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
		if names := stateFiles(t, dir); len(names) > 0 {
			t.Errorf("%s: left behind: %q", name, names)
		}
	}
}

// A cluster that is away is said once for all recordings, not for each of them.
func TestClusterAwayIsSaidOnce(t *testing.T) {
	b := newBooth(t, t.TempDir(), &tapes{n: 1, calls: map[string]int{}, fail: func(_ string, _ int64, call int) error {
		if call < 5 {
			return status.Error(codes.Unavailable, "connection refused")
		}
		return nil
	}})
	for _, sid := range []string{"a", "b", "c"} {
		if err := b.add(t.Context(), sid, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	b.finish(t)
	if n := strings.Count(b.log.String(), "Failed processing session recording"); n != 1 || len(b.got) != 3 {
		t.Errorf("%d lines, sent %q", n, b.got)
	}
}
