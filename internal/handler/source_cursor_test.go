package handler

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sluicelog/sluice/internal/teleport"
)

// newCursors is a log of one chunk of ten events, that takes no cursor "old" and
// whose first stream from the start breaks after three events.
type newCursors struct {
	auditLog
	broke bool
}

func (l *newCursors) ExportChunk(_ context.Context, _ time.Time, _, cursor string) iter.Seq2[teleport.Exported, error] {
	return func(yield func(teleport.Exported, error) bool) {
		n := 0
		if _, err := fmt.Sscanf(cursor, "new%d", &n); cursor != "" && err != nil {
			yield(teleport.Exported{}, status.Error(codes.InvalidArgument, "unknown cursor"))
			return
		}
		for n++; n <= 10; n++ {
			if n == 4 && !l.broke {
				l.broke = true
				yield(teleport.Exported{}, status.Error(codes.Unavailable, "broken"))
				return
			}
			e := teleport.Event{Type: "t", ID: fmt.Sprint(n), Time: begin}
			if !yield(teleport.Exported{Event: e, Cursor: fmt.Sprint("new", n)}, nil) {
				return
			}
		}
	}
}

// A chunk whose cursor is not understood any more is read from its start, behind
// the events that were sent; also when that stream breaks among them.
func TestOldCursorOfAChunk(t *testing.T) {
	log := &newCursors{}
	x, err := openExport(testConfig(t.TempDir(), log), newLedger(&identity{source: "s"}))
	if err != nil {
		t.Fatal(err)
	}
	c := x.newChunk(x.addDate(begin.Truncate(24*time.Hour), nil), "c", mark{cursor: "old", rows: 6})
	var got []string
	read := func() error {
		return x.readChunk(t.Context(), c, func(_ context.Context, r *Read) error {
			got = append(got, r.ID)
			return nil
		})
	}
	if err := read(); !teleport.IsUnavailable(err) {
		t.Fatal(err)
	}
	if err := read(); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, []string{"7", "8", "9", "10"}) || c.rows != 10 {
		t.Errorf("%q were sent, %d events counted", got, c.rows)
	}
}
