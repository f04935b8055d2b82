package buffer_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/buffer/crashfs"
)

func limited(action string) buffer.Config {
	return config(func(c *buffer.Config) {
		c.OverflowAction, c.TotalLimitSize, c.ChunkLimitSize = action, 100, 60
	})
}

func TestBlockWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, limited("block"), buffer.Options{FS: newDisk(40).FS()})
		mustAppend(t, b, batch("a", strings.Repeat("x", 50)))
		began, done := time.Now(), make(chan error)
		go func() { done <- b.Append(context.Background(), batch("a", strings.Repeat("y", 55))) }()
		time.Sleep(10 * time.Second) // the clock of the bubble
		synctest.Wait()
		b.EnqueueAll()
		c, _ := b.Dequeue()
		if err := b.Purge(c); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Errorf("after room was made: %v", err)
		}
		if waited := time.Since(began); waited != 10*time.Second {
			t.Errorf("waited %v", waited)
		}
		_ = b.Close(context.Background())
	})
}

func TestBlockGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, limited("block"), buffer.Options{FS: newDisk(41).FS()})
		mustAppend(t, b, batch("a", strings.Repeat("x", 50)))
		began := time.Now()
		mustFail(t, b, batch("a", strings.Repeat("y", 55)), buffer.ErrFull)
		if waited := time.Since(began); waited < 20*time.Second || waited >= 30*time.Second {
			t.Errorf("gave up after %v, want a little below 30 s", waited)
		}
		began = time.Now()
		mustFail(t, b, batch("a", strings.Repeat("y", 30), strings.Repeat("y", 30), strings.Repeat("y", 30), strings.Repeat("y", 30)), buffer.ErrFull)
		if waited := time.Since(began); waited != 0 {
			t.Errorf("waited %v for what can never fit", waited)
		}
		_ = b.Close(context.Background())
	})
}

func TestBlockWatchesTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, limited("block"), buffer.Options{FS: newDisk(42).FS()})
		mustAppend(t, b, batch("a", strings.Repeat("x", 50)))
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		if err := b.Append(ctx, batch("a", strings.Repeat("y", 55))); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the client is gone: got %v", err)
		}
		wantChunks(t, b, "a: "+strings.Repeat("x", 50))
		_ = b.Close(context.Background())
	})
}

func TestDropOldestChunk(t *testing.T) {
	at := newClock()
	cfg := limited("drop_oldest_chunk")
	cfg.ChunkLimitSize = 90
	b := open(t, cfg, buffer.Options{FS: newDisk(43).FS(), Now: at.now, Elapsed: at.elapsed})
	mustAppend(t, b, batch("a", strings.Repeat("1", 40)))
	b.EnqueueAll()
	at.pass(time.Second)
	mustAppend(t, b, batch("a", strings.Repeat("2", 40)))
	mustAppend(t, b, batch("a", strings.Repeat("3", 40)))               // the queued one goes
	mustFail(t, b, batch("a", strings.Repeat("4", 50)), buffer.ErrFull) // nothing is queued
	if n := b.Stats().DroppedChunks; n != 1 {
		t.Errorf("%d chunks dropped, want 1", n)
	}
	got := strings.Join(drain(t, b), " ")
	if strings.Contains(got, "1") || !strings.Contains(got, "2") || !strings.Contains(got, "3") || strings.Contains(got, "4") {
		t.Errorf("kept %s", got)
	}
}

func TestBackup(t *testing.T) {
	disk := newDisk(44)
	cfg := config(func(c *buffer.Config) { c.Compress, c.TotalLimitSize = "gzip", 3000 })
	b := open(t, cfg, buffer.Options{FS: disk.FS()})
	mustAppend(t, b, batch("a", "one"), batch("a", "two"))
	b.EnqueueAll()
	c, _ := b.Dequeue()
	place, err := b.Backup(c, "403 Forbidden")
	if err != nil {
		t.Fatal(err)
	}
	if want := folder + "/backup/" + c.ID().String() + ".log"; place != want {
		t.Errorf("moved to %s, want %s", place, want)
	}
	text, err := readFile(disk.FS(), place)
	if err != nil || text != "one\ntwo\n" {
		t.Errorf("backup holds %q, %v", text, err)
	}
	index, err := readFile(disk.FS(), folder+"/backup/index.jsonl")
	if err != nil || !strings.Contains(index, `"chunk":"`+c.ID().String()+`"`) || !strings.Contains(index, "403 Forbidden") {
		t.Errorf("index holds %q, %v", index, err)
	}
	// The backup counts, also after a restart.
	if used := b.Stats().Used; used != 8 {
		t.Errorf("%d bytes used, want the 8 of the backup", used)
	}
	disk.PowerCut()
	b = open(t, cfg, buffer.Options{FS: disk.FS()})
	wantChunks(t, b)
	if used := b.Stats().Used; used != 8 {
		t.Errorf("%d bytes used after a restart", used)
	}
}

// TestFullBackupKeepsTheChunk: what cannot be backed up stays in the queue.
func TestFullBackupKeepsTheChunk(t *testing.T) {
	disk := newDisk(45)
	b := open(t, config(), buffer.Options{FS: disk.FS()})
	mustAppend(t, b, batch("a", "one"))
	b.EnqueueAll()
	c, _ := b.Dequeue()
	disk.Inject(func(op crashfs.Op, path string) error {
		if strings.Contains(path, "backup") {
			return syscall.EIO
		}
		return nil
	})
	if _, err := b.Backup(c, "test"); err == nil {
		t.Fatal("a backup that failed says that it worked")
	}
	b.TakeBack(c)
	disk.Inject(nil)
	wantChunks(t, b, "a: one")
}

// TestBackupHasALimit: a backup folder that holds total_limit_size takes no more; the
// chunk stays.
func TestBackupHasALimit(t *testing.T) {
	disk := newDisk(48)
	cfg := config(func(c *buffer.Config) { c.TotalLimitSize, c.Compress = 12_000, "gzip" }) // unpacked they need more
	b := open(t, cfg, buffer.Options{FS: disk.FS()})
	for _, tag := range []string{"a", "b", "c"} {
		mustAppend(t, b, batch(tag, strings.Repeat("x", 10_000)))
	}
	b.EnqueueAll()
	refused := 0
	for c, ok := b.Dequeue(); ok && refused == 0; c, ok = b.Dequeue() {
		if _, err := b.Backup(c, "test"); errors.Is(err, buffer.ErrFull) {
			refused++
			b.TakeBack(c)
		}
	}
	if s := b.Stats(); refused != 1 || s.QueueLength != 1 {
		t.Errorf("%d refused, %d still queued", refused, s.QueueLength)
	}
	mustFail(t, b, batch("d", "more"), buffer.ErrFull)
}

// TestBackupOnAFullDisk: without room for a copy the chunk itself moves.
func TestBackupOnAFullDisk(t *testing.T) {
	disk := newDisk(46)
	b := open(t, config(), buffer.Options{FS: disk.FS()})
	mustAppend(t, b, batch("a", strings.Repeat("x", 10_000)))
	b.EnqueueAll()
	c, _ := b.Dequeue()
	disk.SetCapacity(disk.Used())
	place, err := b.Backup(c, "test")
	if err != nil || !strings.HasSuffix(place, ".chunk") {
		t.Fatalf("moved to %q, %v", place, err)
	}
	file, err := buffer.ReadChunkFile(disk.FS(), place)
	if err != nil || file.Events != 1 || !file.Sealed || file.Damage != "" {
		t.Errorf("backup holds %+v, %v", file, err)
	}
}

func TestDisabledBackupDeletes(t *testing.T) {
	disk := newDisk(47)
	b := open(t, config(func(c *buffer.Config) { c.DisableChunkBackup = true }), buffer.Options{FS: disk.FS()})
	mustAppend(t, b, batch("a", "one"))
	b.EnqueueAll()
	c, _ := b.Dequeue()
	if place, err := b.Backup(c, "test"); place != "" || err != nil {
		t.Errorf("moved to %q, %v", place, err)
	}
	wantChunks(t, b)
}

func TestMemoryBackup(t *testing.T) {
	dir := t.TempDir() + "/backup/worker0/out"
	b := open(t, config(func(c *buffer.Config) { c.Type = "memory" }), buffer.Options{BackupDir: dir})
	mustAppend(t, b, batch("a", "one"))
	b.EnqueueAll()
	c, _ := b.Dequeue()
	place, err := b.Backup(c, "test")
	if err != nil || place != dir+"/"+c.ID().String()+".log" {
		t.Fatalf("moved to %q, %v", place, err)
	}
	if text, err := os.ReadFile(place); err != nil || string(text) != "one\n" {
		t.Errorf("backup holds %q, %v", text, err)
	}
	if s := b.Stats(); s.Used != 0 {
		t.Errorf("%+v", s)
	}
}

// TestFullBufferIsNotWell: as long as what was refused would be refused again, also
// when smaller appends still fit.
func TestFullBufferIsNotWell(t *testing.T) {
	b := open(t, config(func(c *buffer.Config) { c.TotalLimitSize = 100 }), buffer.Options{FS: newDisk(90).FS()})
	mustAppend(t, b, batch("a", strings.Repeat("x", 59)))
	if err := b.Health(); err != nil {
		t.Errorf("with room left: %v", err)
	}
	mustFail(t, b, batch("a", strings.Repeat("y", 49)), buffer.ErrFull)
	mustAppend(t, b, batch("a", "small"))
	if err := b.Health(); !errors.Is(err, buffer.ErrFull) {
		t.Errorf("full: %v", err)
	}
	drain(t, b)
	if err := b.Health(); err != nil {
		t.Errorf("empty again: %v", err)
	}
	mustFail(t, b, batch("a", strings.Repeat("z", 200)), buffer.ErrFull)
	if err := b.Health(); err != nil {
		t.Errorf("after what can never fit: %v", err)
	}
}
