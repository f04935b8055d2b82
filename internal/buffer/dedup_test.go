package buffer_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/buffer/crashfs"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/metrics"
)

func forAll(c *buffer.Config) { c.Dedup = "content" }

// TestRepeatOfPendingSharesTheResult: a repeat that comes while the first is not
// yet durable is answered with the first, well or ill, and stored once.
func TestRepeatOfPendingSharesTheResult(t *testing.T) {
	for _, fails := range []bool{false, true} {
		disk := newDisk(20)
		g := newGate(disk.FS())
		b := open(t, config(forAll), buffer.Options{FS: g})
		mustAppend(t, b, withIDs(batch("a", "zero")))
		g.hold(func(string) bool { return true })
		results := make([]error, 2)
		var wg sync.WaitGroup
		wg.Go(func() { results[0] = b.Append(context.Background(), withIDs(batch("a", "one"))) })
		<-g.waiting
		r, err := b.Reserve(context.Background(), withIDs(batch("a", "one", "two")))
		if err != nil {
			t.Fatal(err)
		}
		ticket, err := r.Write()
		if err != nil {
			t.Fatal(err)
		}
		if err := answerNow(b, withIDs(batch("a", "one"))); !errors.Is(err, context.Canceled) {
			t.Errorf("a repeat is answered before the first is durable: %v", err)
		}
		if fails {
			disk.FailNth(crashfs.Sync, 1, syscall.EIO)
		}
		wg.Go(func() { results[1] = ticket.Wait(context.Background()) })
		g.letGo()
		wg.Wait()
		for i, err := range results {
			if (err != nil) != fails {
				t.Fatalf("fails %v, request %d: %v", fails, i, err)
			}
		}
		mustAppend(t, b, withIDs(batch("a", "one", "two"))) // a retry of both
		got := strings.Join(drain(t, b), " ")
		if strings.Count(got, "one") != 1 || strings.Count(got, "two") != 1 {
			t.Errorf("fails %v: stored %q", fails, got)
		}
	}
}

// answerNow appends without patience for the disk.
func answerNow(b *buffer.Buffer, batch *buffer.Batch) error {
	r, err := b.Reserve(context.Background(), batch)
	if err != nil {
		return err
	}
	ticket, err := r.Write()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ticket.Wait(ctx)
}

func TestGivenUpClaimIsNoAnswer(t *testing.T) {
	b := open(t, config(forAll), buffer.Options{FS: newDisk(21).FS()})
	first, err := b.Reserve(context.Background(), withIDs(batch("a", "one")))
	if err != nil {
		t.Fatal(err)
	}
	second, err := b.Reserve(context.Background(), withIDs(batch("a", "one")))
	if err != nil {
		t.Fatal(err)
	}
	ticket, err := second.Write()
	if err != nil {
		t.Fatal(err)
	}
	first.Release() // another buffer was full
	if err := ticket.Wait(context.Background()); !errors.Is(err, buffer.ErrFull) {
		t.Errorf("the repeat of a request that was given up: got %v", err)
	}
	mustAppend(t, b, withIDs(batch("a", "one")))
	wantChunks(t, b, "a: one")
}

func TestRepeatWithinOneBatch(t *testing.T) {
	b := open(t, config(forAll), buffer.Options{FS: newDisk(22).FS()})
	mustAppend(t, b, withIDs(batch("a", "x", "y", "x", "z", "y")), withIDs(batch("a", "w", "x")), withIDs(batch("b", "x")))
	wantChunks(t, b, "a: x y z w", "b: x")
}

// TestIDsOutliveTheirChunk: neither the purge nor a restart forgets.
func TestIDsOutliveTheirChunk(t *testing.T) {
	for _, crash := range []func(*crashfs.Disk){(*crashfs.Disk).Kill, (*crashfs.Disk).PowerCut} {
		disk := newDisk(23)
		b := open(t, config(forAll), buffer.Options{FS: disk.FS()})
		mustAppend(t, b, withIDs(batch("a", "purged")))
		wantChunks(t, b, "a: purged")
		mustAppend(t, b, withIDs(batch("a", "queued")))
		b.EnqueueAll()
		mustAppend(t, b, withIDs(batch("a", "staged")))
		crash(disk)
		reads := disk.Count(crashfs.Read)
		b = open(t, config(forAll), buffer.Options{FS: disk.FS()})
		if n := disk.Count(crashfs.Read) - reads; n > 12 {
			t.Errorf("%d reads at start", n)
		}
		mustAppend(t, b, withIDs(batch("a", "purged", "queued", "staged", "new")))
		wantChunks(t, b, "a: queued", "a: staged", "a: new")
	}
}

// TestIDsAreKeptBeforeTheChunkGoes: also where they could not be kept when it was
// queued.
func TestIDsAreKeptBeforeTheChunkGoes(t *testing.T) {
	disk := newDisk(25)
	b := open(t, config(forAll), buffer.Options{FS: disk.FS()})
	mustAppend(t, b, withIDs(batch("a", "one")))
	disk.Inject(sickFile(".ids", crashfs.Open))
	b.EnqueueAll()
	disk.Inject(nil)
	wantChunks(t, b, "a: one")
	disk.Kill()
	b = open(t, config(forAll), buffer.Options{FS: disk.FS()})
	mustAppend(t, b, withIDs(batch("a", "one")))
	wantChunks(t, b)
}

func TestOtherClientsAreNotDeduplicated(t *testing.T) {
	b := open(t, config(), buffer.Options{FS: newDisk(24).FS()}) // dedup source, the default
	mustAppend(t, b, withIDs(batch("a", "x")), withIDs(batch("a", "x")))
	src := buffer.Source{ID: "h", Generation: 1, Start: 1}
	mustAppend(t, b, from(src, withIDs(batch("a", "x"))), from(src, withIDs(batch("a", "x"))))
	wantChunks(t, b, "a: x x x")
}

// TestDuplicatesNeedNoRoom: the retry of what is stored is answered by a buffer
// that is full.
func TestDuplicatesNeedNoRoom(t *testing.T) {
	small := config(forAll, func(c *buffer.Config) { c.TotalLimitSize = 10 })
	b := open(t, small, buffer.Options{FS: newDisk(25).FS()})
	mustAppend(t, b, withIDs(batch("a", "12345678")))
	mustFail(t, b, batch("a", "more"), buffer.ErrFull)
	mustAppend(t, b, withIDs(batch("a", "12345678")))
}

func TestSourceForgets(t *testing.T) {
	disk := newDisk(26)
	b := open(t, config(), buffer.Options{FS: disk.FS()})
	say := func(generation, forget uint64, lines ...string) {
		t.Helper()
		mustAppend(t, b, from(buffer.Source{ID: "h", Generation: generation, Forget: forget, Start: 1}, withIDs(batch("a", lines...))))
	}
	say(1, 0, "one")
	say(2, 0, "two")
	if n := b.Stats().DedupKeys; n != 2 {
		t.Errorf("%d ids remembered, want 2", n)
	}
	say(3, 2, "one", "two", "three") // nothing before 2 is sent again: "one" counts as new
	if n := b.Stats().DedupKeys; n != 3 {
		t.Errorf("%d ids remembered, want 3", n)
	}
	say(4, 4)
	if n := b.Stats().DedupKeys; n != 0 {
		t.Errorf("%d ids remembered after all was settled", n)
	}
	wantChunks(t, b, "a: one two one three")
}

func TestSourcesAreApart(t *testing.T) {
	b := open(t, config(), buffer.Options{FS: newDisk(27).FS()})
	for _, id := range []string{"h1", "h2", "h1", "h2"} {
		mustAppend(t, b, from(buffer.Source{ID: id, Generation: 1, Start: 1}, withIDs(batch("a", "x"))))
	}
	wantChunks(t, b, "a: x x")
}

// TestStaleSource: when a newer process of a handler was heard, what an older one
// sends is refused, also after the relay has lost its power.
func TestStaleSource(t *testing.T) {
	disk := newDisk(28)
	b := open(t, config(), buffer.Options{FS: disk.FS()})
	old := buffer.Source{ID: "h", Generation: 5, Start: 4}
	newer := buffer.Source{ID: "h", Generation: 7, Start: 7}
	mustAppend(t, b, from(old, batch("a", "x")), from(newer, batch("a", "y")))
	late := buffer.Source{ID: "h", Generation: 9, Start: 4} // it goes on by itself
	for _, src := range []buffer.Source{old, late, {ID: "h", Generation: 6, Start: 7}} {
		mustFail(t, b, from(src, batch("a", "z")), buffer.ErrStaleSource)
	}
	disk.PowerCut()
	b = open(t, config(), buffer.Options{FS: disk.FS()})
	mustFail(t, b, from(old, batch("a", "z")), buffer.ErrStaleSource)
	mustAppend(t, b, from(newer, batch("a", "z")), from(buffer.Source{ID: "other", Generation: 1, Start: 1}, batch("a", "o")))
}

func TestWindowForgets(t *testing.T) {
	at := newClock()
	b := open(t, config(forAll, func(c *buffer.Config) { c.DedupWindow = time.Minute }),
		buffer.Options{FS: newDisk(29).FS(), Now: at.now, Elapsed: at.elapsed})
	mustAppend(t, b, withIDs(batch("a", "x")))
	at.pass(59 * time.Second)
	mustAppend(t, b, withIDs(batch("a", "x", "y")))
	for range 3 {
		at.pass(time.Minute)
		mustAppend(t, b, withIDs(batch("a", fmt.Sprint("at", at.mono))))
	}
	mustAppend(t, b, withIDs(batch("a", "x")))
	if got := strings.Count(strings.Join(drain(t, b), " "), " x"); got != 2 {
		t.Errorf("x is stored %d times, want 2: once in and once after the window", got)
	}
}

func TestMaxKeys(t *testing.T) {
	b := open(t, config(forAll, func(c *buffer.Config) { c.DedupMaxKeys = 100 }), buffer.Options{FS: newDisk(30).FS()})
	for i := range 1000 {
		mustAppend(t, b, withIDs(batch("a", fmt.Sprint(i))))
	}
	if n := b.Stats().DedupKeys; n < 50 || n > 100 {
		t.Errorf("%d ids are remembered, dedup_max_keys is 100", n)
	}
	mustAppend(t, b, withIDs(batch("a", "999", "951")))
	if n := len(strings.Fields(strings.Join(drain(t, b), " "))) - 1; n != 1000 {
		t.Errorf("%d events stored", n)
	}
}

func TestDedupCounts(t *testing.T) {
	registry := metrics.New()
	cfg := config(forAll)
	keyed(t, &cfg)
	b := open(t, cfg, buffer.Options{FS: newDisk(31).FS(), Metrics: registry, ID: "out"})
	named := func(field, text string) *buffer.Batch {
		one := batch("a", text)
		id := buffer.EventID{Content: event.ContentID("a", []byte(text))}
		if field != "" {
			id.ID = event.FieldID("a", field)
		}
		one.Groups[0].IDs = []buffer.EventID{id}
		return one
	}
	mustAppend(t, b, named("1", "x"), named("1", "x"), named("1", "y"), named("", "z"), named("", "z"))
	wantChunks(t, b, "a: x y z z")
	for name, want := range map[string]float64{
		"relay_dedup_conflicts_total": 1, "relay_dedup_duplicates_total": 1, "relay_dedup_without_id_total": 2,
	} {
		if got := counter(t, registry, name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
}

func counter(t *testing.T, r *metrics.Registry, name string) float64 {
	t.Helper()
	families, err := r.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// TestSeenFilesGo: files of ids are rotated, and removed when a source has
// settled what is in them.
func TestSeenFilesGo(t *testing.T) {
	disk := newDisk(32)
	b := open(t, config(), buffer.Options{FS: disk.FS()})
	n := 0
	for generation := uint64(1); generation <= 30; generation++ {
		big := &buffer.Batch{Source: &buffer.Source{ID: "h", Generation: generation, Start: 1, Forget: generation - 1}}
		g := batch("a").Groups[0]
		for range 20_000 {
			n++
			g.Body = append(g.Body, "x\n"...)
			g.Ends = append(g.Ends, len(g.Body))
			id := event.ContentID("a", fmt.Append(nil, n))
			g.IDs = append(g.IDs, buffer.EventID{ID: id, Content: id})
		}
		big.Groups = []buffer.Group{g}
		mustAppend(t, b, big)
		drain(t, b)
	}
	entries, err := disk.FS().ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	files := 0
	for _, e := range entries {
		if strings.HasSuffix(e.Name, ".ids") {
			files++
		}
	}
	if files == 0 || files > 2 {
		t.Errorf("%d files of ids are left of 600000 ids, of which 20000 may come again", files)
	}
	if n := b.Stats().DedupKeys; n > 40_000 {
		t.Errorf("%d ids are remembered", n)
	}
}
