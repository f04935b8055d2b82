package handler

import (
	"context"
	"errors"
	"iter"
	"testing"
	"time"
)

// forgets is what the relay would be told to forget now.
func forgets(b *ledger) uint64 {
	b.touch()
	forget, _ := b.rise()
	return forget
}

// Bulk export reads again what searching had under way when it was killed; until
// then the relay must know those events.
func TestChangeToBulkForgetsNothingAtFirst(t *testing.T) {
	cfg := testConfig(t.TempDir(), nil)
	s, _, _, err := openSearchState(cfg.dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.save(mark{window: begin, id: "last", at: begin}, begin); err != nil {
		t.Fatal(err)
	}
	book := newLedger(cfg.identity)
	if _, err := openExport(cfg, book); err != nil {
		t.Fatal(err)
	}
	if forget := forgets(book); forget != 0 {
		t.Errorf("the relay may forget what was sent before generation %d", forget)
	}
}

// A chunk that can not be read now may hold what an earlier process has sent: as
// long as it is not read, the relay forgets nothing of that.
func TestStuckChunkIsNotForgotten(t *testing.T) {
	cfg := testConfig(t.TempDir(), &oneDate{})
	book := newLedger(cfg.identity)
	x, err := openExport(cfg, book)
	if err != nil {
		t.Fatal(err)
	}
	book.inherited = true
	x.addDate(time.Now().UTC().Truncate(24*time.Hour), nil)
	c := x.newChunk(x.newest(), "stuck", mark{})
	c.failures, c.err, c.queued = 3, errors.New("broken"), true
	if _, err := x.cycle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if forget := forgets(book); !x.atLastEvent() || forget != 0 {
		t.Errorf("with an unread chunk the relay may forget what was sent before generation %d", forget)
	}
	c.read = true
	if _, err := x.cycle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if forgets(book) == 0 {
		t.Error("the relay never forgets anything")
	}
}

// oneDate is a log whose dates all have the chunk "stuck".
type oneDate struct{ auditLog }

func (*oneDate) ExportChunks(context.Context, time.Time) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) { yield("stuck", nil) }
}
