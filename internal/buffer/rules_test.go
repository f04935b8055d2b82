package buffer_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/buffer/crashfs"
)

// Each test here holds one rule of durability, and fails when the rule is taken
// out of the code.

func TestNoDataAfterRestart(t *testing.T) {
	disk, now := newDisk(1), newClock()
	o := func() buffer.Options { return buffer.Options{FS: disk.FS(), Now: now.now, Elapsed: now.elapsed} }
	slice := now.now().Truncate(time.Minute)
	b := open(t, config(sliced), o())
	mustAppend(t, b, at(slice, "one"))
	disk.Kill()
	b = open(t, config(sliced), o())
	now.pass(time.Second)
	mustAppend(t, b, at(slice, "two"))
	if s := b.Stats(); s.StageLength != 2 {
		t.Errorf("the old chunk is not staged until it is due: %+v", s)
	}
	wantChunks(t, b, ": one", ": two")
}

func TestFailedSyncIsNotRepeated(t *testing.T) {
	disk := newDisk(2)
	b := open(t, config(), buffer.Options{FS: disk.FS()})
	mustAppend(t, b, batch("a", "one"))

	var failed string
	syncs := map[string]int{}
	disk.Inject(func(op crashfs.Op, path string) error {
		if op != crashfs.Sync {
			return nil
		}
		syncs[path]++
		if failed == "" {
			failed = path
			return syscall.ENOSPC // the first error may be this one
		}
		return nil
	})
	mustFail(t, b, batch("a", "two"), syscall.ENOSPC)
	mustAppend(t, b, batch("a", "three"))
	wantChunks(t, b, "a: one", "a: three")
	if syncs[failed] != 1 {
		t.Errorf("%s was synced %d times after its fsync had failed", failed, syncs[failed]-1)
	}
}

// TestNextGroupDoesNotSyncAgain: what was appended while an fsync ran that fails is
// lost with it, also where the chunk cannot be repaired.
func TestNextGroupDoesNotSyncAgain(t *testing.T) {
	disk := newDisk(4)
	g := newGate(disk.FS())
	b := open(t, config(), buffer.Options{FS: g})
	mustAppend(t, b, batch("a", "one"))
	g.hold(func(path string) bool { return strings.HasSuffix(path, ".chunk") })
	first := make(chan error, 1)
	go func() { first <- b.Append(context.Background(), batch("a", "two")) }()
	file := <-g.waiting
	r, err := b.Reserve(context.Background(), batch("a", "three"))
	if err != nil {
		t.Fatal(err)
	}
	ticket, err := r.Write()
	if err != nil {
		t.Fatal(err)
	}
	syncs := 0
	disk.Inject(func(op crashfs.Op, path string) error {
		if op == crashfs.Sync && path == file {
			if syncs++; syncs == 1 {
				return syscall.EIO
			}
		}
		if op == crashfs.Open && strings.HasSuffix(path, ".tmp") {
			return syscall.EIO
		}
		return nil
	})
	g.letGo()
	if err := <-first; !errors.Is(err, syscall.EIO) {
		t.Errorf("append under the fsync that failed: %v", err)
	}
	if err := ticket.Wait(context.Background()); !errors.Is(err, syscall.EIO) {
		t.Errorf("append into the same file: %v", err)
	}
	wantChunks(t, b, "a: one")
	if syncs != 1 {
		t.Errorf("%d fsyncs, want the one that failed", syncs)
	}
}

// TestLateWaitLearnsOfLoss: a ticket that is asked long after its fsync failed,
// when the chunk has been saved into a new and longer file, still fails.
func TestLateWaitLearnsOfLoss(t *testing.T) {
	disk := newDisk(3)
	b := open(t, config(), buffer.Options{FS: disk.FS()})
	mustAppend(t, b, batch("a", "one"))
	r, err := b.Reserve(context.Background(), batch("a", "x"))
	if err != nil {
		t.Fatal(err)
	}
	ticket, err := r.Write()
	if err != nil {
		t.Fatal(err)
	}
	disk.FailNth(crashfs.Sync, 1, syscall.EIO)
	mustFail(t, b, batch("a", "y"), syscall.EIO)
	disk.Inject(nil)
	b.EnqueueAll()
	c, ok := b.Dequeue()
	if !ok {
		t.Fatal("what was durable is not in the queue")
	}
	if err := c.SetNote(map[string]string{"key": strings.Repeat("k", 500)}); err != nil {
		t.Fatal(err)
	}
	if err := ticket.Wait(context.Background()); err == nil {
		t.Error("an event that was lost is acknowledged")
	}
	if got := content(t, c); got != "one\n" {
		t.Errorf("delivered %q", got)
	}
}

// TestCleanPagesAreNotBelieved: after a failed fsync the page cache still shows
// the event. The next process must not take it for stored: its retry would be
// answered and stored nowhere.
func TestCleanPagesAreNotBelieved(t *testing.T) {
	dedup := config(func(c *buffer.Config) { c.Dedup = "content" })
	for seed := range uint64(30) {
		disk := newDisk(seed)
		b := open(t, dedup, buffer.Options{FS: disk.FS()})
		mustAppend(t, b, withIDs(batch("a", "zero")))
		dead := false
		disk.Inject(func(op crashfs.Op, _ string) error {
			dead = dead || op == crashfs.Sync
			if dead {
				return syscall.EIO
			}
			return nil
		})
		mustFail(t, b, withIDs(batch("a", "one")), syscall.EIO)
		disk.Kill()
		disk.Inject(nil)
		b = open(t, dedup, buffer.Options{FS: disk.FS()})
		mustAppend(t, b, withIDs(batch("a", "one")))
		disk.PowerCut()
		b = open(t, dedup, buffer.Options{FS: disk.FS()})
		if got := strings.Join(drain(t, b), " "); strings.Count(got, "one") != 1 {
			t.Fatalf("seed %d: acknowledged once, found in %q", seed, got)
		}
	}
}

func TestOnlyCleanFilesAreClosed(t *testing.T) {
	disk := newDisk(4)
	b := open(t, config(func(c *buffer.Config) { c.MaxOpen = 2 }), buffer.Options{FS: disk.FS()})
	var tickets []buffer.Ticket
	for i := range 20 {
		r, err := b.Reserve(context.Background(), batch(fmt.Sprint("t", i), "x"))
		if err != nil {
			t.Fatal(err)
		}
		ticket, err := r.Write()
		if err != nil {
			t.Fatal(err)
		}
		tickets = append(tickets, ticket)
	}
	for _, ticket := range tickets {
		if err := ticket.Wait(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if n := disk.DirtyCloses(); n > 0 {
		t.Errorf("%d files were closed before they were synced", n)
	}
	for i := range 20 {
		mustAppend(t, b, batch(fmt.Sprint("t", i), "y"))
	}
	if n := b.Stats().OpenFiles; n > 3 {
		t.Errorf("%d files are open, max_open is 2", n)
	}
	if n := len(drain(t, b)); n != 20 {
		t.Errorf("%d chunks, want 20", n)
	}
}

// TestNoFileIsClosedUnderAnFsync: not even when its data are clean and only a seal
// or a note is being written.
func TestNoFileIsClosedUnderAnFsync(t *testing.T) {
	g := newGate(newDisk(17).FS())
	b := open(t, config(func(c *buffer.Config) { c.MaxOpen = 1 }), buffer.Options{FS: g})
	mustAppend(t, b, batch("a", "x"))
	g.hold(func(path string) bool { return strings.HasSuffix(path, ".chunk") })
	var wg sync.WaitGroup
	wg.Go(b.EnqueueAll)
	sealing := <-g.waiting
	g.hold(func(path string) bool { return path == sealing })
	for i := range 5 {
		mustAppend(t, b, batch(fmt.Sprint("t", i), "y"))
	}
	if g.closed(sealing) {
		t.Error("a file was closed while it was synced")
	}
	g.letGo()
	wg.Wait()
	if n := len(drain(t, b)); n != 6 {
		t.Errorf("%d chunks, want 6", n)
	}
}

func TestCreatedFoldersAreSynced(t *testing.T) {
	disk := newDisk(5)
	if err := disk.FS().Mkdir("/var", 0o700); err != nil {
		t.Fatal(err)
	}
	var synced []string
	disk.Inject(func(op crashfs.Op, path string) error {
		if op == crashfs.SyncDir {
			synced = append(synced, path)
		}
		return nil
	})
	open(t, config(func(c *buffer.Config) { c.Path = "/var/a/b/c" }), buffer.Options{FS: disk.FS()})
	if got := strings.Join(synced, " "); got != "/var /var/a /var/a/b" {
		t.Errorf("synced %q; each folder that was made needs its parent synced", got)
	}
}

func TestFailedFolderSyncFailsNewFiles(t *testing.T) {
	disk := newDisk(6)
	b := open(t, config(), buffer.Options{FS: disk.FS()})
	mustAppend(t, b, batch("old", "one"))
	disk.FailNth(crashfs.SyncDir, 1, syscall.EIO)
	both := batch("old", "two")
	both.Groups = append(both.Groups, batch("new", "three").Groups...)
	mustFail(t, b, both, syscall.EIO)
	mustAppend(t, b, batch("old", "four"), batch("new", "five"))
	got := strings.Join(drain(t, b), " | ")
	if !strings.Contains(got, "old: one two four") || strings.Contains(got, "three") || !strings.Contains(got, "new: five") {
		t.Errorf("chunks: %s", got)
	}
}

// TestPurgeIsDurable: once another commit has passed, a power cut does not bring
// a delivered chunk back.
func TestPurgeIsDurable(t *testing.T) {
	for seed := range uint64(20) {
		disk := newDisk(seed)
		b := open(t, config(), buffer.Options{FS: disk.FS()})
		mustAppend(t, b, batch("a", "one"))
		b.EnqueueAll()
		c, _ := b.Dequeue()
		c.Conditional(true)
		if err := b.Purge(c); err != nil {
			t.Fatal(err)
		}
		// The commit of the purge runs beside us; closing the buffer waits for it.
		if err := b.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		disk.PowerCut()
		wantChunks(t, open(t, config(), buffer.Options{FS: disk.FS()}))
	}
}

// TestDoneNote: where the store takes things twice, a purge that a power cut
// undoes is found out by the note. Where it does not, the fsync is saved.
func TestDoneNote(t *testing.T) {
	for _, conditional := range []bool{false, true} {
		disk := newDisk(7)
		b := open(t, config(), buffer.Options{FS: disk.FS()})
		mustAppend(t, b, batch("a", "one"))
		b.EnqueueAll()
		c, _ := b.Dequeue()
		c.Conditional(conditional)
		disk.Inject(func(op crashfs.Op, _ string) error {
			if op == crashfs.Remove {
				return syscall.EIO // as if the power cut had undone it
			}
			return nil
		})
		if err := b.Purge(c); err == nil {
			t.Fatal("the purge did not fail")
		}
		disk.Inject(nil)
		disk.PowerCut()
		b = open(t, config(), buffer.Options{FS: disk.FS()})
		if got := len(drain(t, b)); got != 0 != conditional {
			t.Errorf("conditional %v: %d chunks came back", conditional, got)
		}
	}
}

// TestFullDiskLetsEverythingOut: on a disk without a free byte a chunk can be
// sealed, noted, delivered and purged.
func TestFullDiskLetsEverythingOut(t *testing.T) {
	disk := newDisk(8)
	b := open(t, config(), buffer.Options{FS: disk.FS()})
	for i := range 50 {
		mustAppend(t, b, batch("a", strings.Repeat("x", i*100)))
	}
	mustAppend(t, b, batch("a", strings.Repeat("y", 100_000))) // allocated, not written ahead
	disk.SetCapacity(disk.Used())
	mustFail(t, b, batch("b", "z"), buffer.ErrFull)
	b.EnqueueAll()
	c, ok := b.Dequeue()
	if !ok {
		t.Fatal("nothing in the queue")
	}
	disk.SetCapacity(disk.Used()) // what the seal has freed is gone at once
	for i := range 3 {
		note := map[string]string{"key": strings.Repeat("k", 900), "attempt": fmt.Sprint(i)}
		if err := c.SetNote(note); err != nil {
			t.Fatalf("note %d: %v", i, err)
		}
	}
	if err := b.Purge(c); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, b, batch("b", "z"))
}

// TestFullInTheMiddle: a frame that does not fit is taken back; what follows is
// as if it had never been.
func TestFullInTheMiddle(t *testing.T) {
	for _, size := range []int{3_000, 200_000} {
		disk := newDisk(9)
		b := open(t, config(), buffer.Options{FS: disk.FS()})
		mustAppend(t, b, batch("a", "one"))
		disk.SetCapacity(disk.Used() + 1000)
		for range 3 {
			mustFail(t, b, batch("a", strings.Repeat("x", size*3)), buffer.ErrFull)
		}
		mustAppend(t, b, batch("a", "two"))
		disk.SetCapacity(0)
		mustAppend(t, b, batch("a", "three"))
		disk.PowerCut()
		wantChunks(t, open(t, config(), buffer.Options{FS: disk.FS()}), "a: one two three")
	}
}

func TestFailedWriteIsTakenBack(t *testing.T) {
	for seed := range uint64(20) {
		disk := newDisk(seed)
		b := open(t, config(), buffer.Options{FS: disk.FS()})
		mustAppend(t, b, batch("a", "one"))
		disk.FailNth(crashfs.Write, 1, syscall.EIO)
		mustFail(t, b, batch("a", "lost", "lost"), syscall.EIO)
		mustAppend(t, b, batch("a", "two"))
		disk.PowerCut()
		wantChunks(t, open(t, config(), buffer.Options{FS: disk.FS()}), "a: one two")
	}
}

func TestMinFree(t *testing.T) {
	disk := newDisk(10)
	disk.SetCapacity(200_000)
	b := open(t, config(func(c *buffer.Config) { c.MinFree = 100_000 }), buffer.Options{FS: disk.FS()})
	var err error
	for range 100 {
		if err = b.Append(context.Background(), batch("a", strings.Repeat("x", 5_000))); err != nil {
			break
		}
	}
	if !errors.Is(err, buffer.ErrFull) || errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("got %v, want a full buffer and no full disk", err)
	}
	if used := disk.Used(); used < 80_000 || used > 130_000 {
		t.Errorf("%d bytes are used when min_free stops at 100000", used)
	}
	if b.Health() == nil {
		t.Error("a buffer that takes nothing says that it is well")
	}
}

func TestRefusalWritesNothing(t *testing.T) {
	disk := newDisk(11)
	limits := config(func(c *buffer.Config) { c.TotalLimitSize, c.ChunkLimitSize = 1000, 500 })
	b := open(t, limits, buffer.Options{FS: disk.FS()})
	writes := disk.Count(crashfs.Write)
	mustFail(t, b, batch("a", strings.Repeat("x", 400), strings.Repeat("y", 600)), buffer.ErrTooLarge)
	mustFail(t, b, batch("a", strings.Repeat("x", 400), strings.Repeat("y", 400), strings.Repeat("z", 400)), buffer.ErrFull)
	if n := disk.Count(crashfs.Write) - writes; n != 0 {
		t.Errorf("%d writes for requests that were refused", n)
	}
	var big *buffer.TooLargeError
	err := b.Append(context.Background(), batch("a", "ok", strings.Repeat("y", 600)))
	if !errors.As(err, &big) || big.Index != 1 || big.Size != 601 || big.Limit != 500 {
		t.Errorf("got %v", err)
	}
	wantChunks(t, b)
}

// TestTwoBuffersOneFull: all or nothing over several buffers.
func TestTwoBuffersOneFull(t *testing.T) {
	disk := newDisk(12)
	one := open(t, config(), buffer.Options{FS: disk.FS()})
	two := open(t, config(func(c *buffer.Config) { c.Path, c.TotalLimitSize = "/var/two", 10 }), buffer.Options{FS: disk.FS()})
	mustAppend(t, two, batch("a", "12345678"))
	writes := disk.Count(crashfs.Write)
	r, err := one.Reserve(context.Background(), batch("a", "event"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := two.Reserve(context.Background(), batch("a", "event")); !errors.Is(err, buffer.ErrFull) {
		t.Fatalf("got %v, want a full buffer", err)
	}
	r.Release()
	if n := disk.Count(crashfs.Write) - writes; n != 0 || one.Stats().Used != 0 {
		t.Errorf("%d writes, %d bytes reserved after all was released", n, one.Stats().Used)
	}
}

func TestFolderIsLocked(t *testing.T) {
	disk := newDisk(13)
	b := open(t, config(), buffer.Options{FS: disk.FS()})
	if _, err := tryOpen(config(), buffer.Options{FS: disk.FS()}); !errors.Is(err, buffer.ErrLocked) {
		t.Errorf("a second buffer on the folder: got %v", err)
	}
	open(t, config(func(c *buffer.Config) { c.Path = folder + "/other.*" }), buffer.Options{FS: disk.FS()})
	if err := b.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	open(t, config(), buffer.Options{FS: disk.FS()})
}

// TestFolderIsLockedOnDisk does the same with a real flock.
func TestFolderIsLockedOnDisk(t *testing.T) {
	cfg := config(func(c *buffer.Config) { c.Path = t.TempDir() + "/new/buf" })
	b := open(t, cfg, buffer.Options{})
	if _, err := tryOpen(cfg, buffer.Options{}); !errors.Is(err, buffer.ErrLocked) {
		t.Errorf("a second buffer on the folder: got %v", err)
	}
	mustAppend(t, b, batch("a", "one"))
	for _, path := range []string{cfg.Path, cfg.Path + "/..", cfg.Path + "/.buffer.lock"} {
		checkMode(t, path)
	}
	names, _ := os.ReadDir(cfg.Path)
	for _, e := range names {
		checkMode(t, cfg.Path+"/"+e.Name())
	}
}

func checkMode(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	want := fs.FileMode(0o600)
	if info.IsDir() {
		want = 0o700
	}
	if got := info.Mode().Perm(); got != want {
		t.Errorf("%s has mode %o, want %o", path, got, want)
	}
}

func TestGroupCommit(t *testing.T) {
	g := newGate(newDisk(14).FS())
	b := open(t, config(), buffer.Options{FS: g})
	mustAppend(t, b, batch("a", "first"))
	g.hold(func(string) bool { return true })
	before := g.syncs
	var wg sync.WaitGroup
	wg.Go(func() { mustAppend(t, b, batch("a", "leader")) })
	<-g.waiting // one commit runs; the next ones gather
	tickets := make([]buffer.Ticket, 100)
	for i := range tickets {
		r, err := b.Reserve(context.Background(), batch("a", fmt.Sprint("follower", i)))
		if err != nil {
			t.Fatal(err)
		}
		if tickets[i], err = r.Write(); err != nil {
			t.Fatal(err)
		}
	}
	for _, ticket := range tickets {
		wg.Go(func() {
			if err := ticket.Wait(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	g.letGo()
	wg.Wait()
	if n := g.syncs - before; n != 2 {
		t.Errorf("101 appends cost %d fsyncs, want 2", n)
	}
	if g.overlap {
		t.Error("two fsyncs ran on one file at the same time")
	}
}

func TestCommitSyncsFilesInParallel(t *testing.T) {
	g := newGate(newDisk(15).FS())
	b := open(t, config(), buffer.Options{FS: g})
	many := &buffer.Batch{}
	for i := range 40 {
		many.Groups = append(many.Groups, batch(fmt.Sprint("t", i), "x").Groups...)
	}
	g.hold(func(string) bool { return true })
	var wg sync.WaitGroup
	wg.Go(func() { mustAppend(t, b, many) })
	for range 16 {
		<-g.waiting
	}
	g.letGo()
	wg.Wait()
	if g.most != 16 {
		t.Errorf("%d fsyncs at the same time, want 16", g.most)
	}
}

// TestSealsDoNotDelayAnswers: while a chunk that leaves is being sealed, and its
// fsync hangs, requests for others are answered.
func TestSealsDoNotDelayAnswers(t *testing.T) {
	g, at := newGate(newDisk(16).FS()), newClock()
	b := open(t, config(), buffer.Options{FS: g, Now: at.now, Elapsed: at.elapsed})
	mustAppend(t, b, batch("a", "old"))
	at.pass(time.Minute)
	mustAppend(t, b, batch("b", "young"))
	g.hold(func(path string) bool { return strings.HasSuffix(path, ".chunk") })
	var wg sync.WaitGroup
	wg.Go(func() { b.EnqueueOlder(at.now()) })
	sealing := <-g.waiting
	g.hold(func(path string) bool { return path == sealing })
	at.pass(time.Second)
	mustAppend(t, b, batch("b", "quick"), batch("a", "quick"))
	g.letGo()
	wg.Wait()
	wantChunks(t, b, "a: old", "b: young quick", "a: quick")
}
