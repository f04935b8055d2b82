package buffer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/buffer/crashfs"
)

// chunkFiles is the names of chunk files in the folder, sorted.
func chunkFiles(t testing.TB, disk *crashfs.Disk, dir string) []string {
	t.Helper()
	entries, err := disk.FS().ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if strings.Contains(e.Name, ".chunk") {
			names = append(names, e.Name)
		}
	}
	return names
}

func readBytes(t testing.TB, disk *crashfs.Disk, path string) []byte {
	t.Helper()
	text, err := readFile(disk.FS(), path)
	if err != nil {
		t.Fatal(err)
	}
	return []byte(text)
}

func writeBytes(t testing.TB, disk *crashfs.Disk, path string, content []byte) {
	t.Helper()
	d := disk.FS()
	f, err := d.Open(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(content, 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := d.SyncDir(folder); err != nil {
		t.Fatal(err)
	}
}

// TestResumeReadsOnlyHeads: a start does not read what is queued.
func TestResumeReadsOnlyHeads(t *testing.T) {
	disk := newDisk(60)
	b := open(t, config(), buffer.Options{FS: disk.FS()})
	for i := range 20 {
		mustAppend(t, b, batch(fmt.Sprint("t", i), strings.Repeat("x", 300_000)))
	}
	b.EnqueueAll()
	disk.Kill()
	reads := disk.Count(crashfs.Read)
	b = open(t, config(), buffer.Options{FS: disk.FS()})
	if n := disk.Count(crashfs.Read) - reads; n > 25 {
		t.Errorf("%d reads for 20 queued chunks, want one each", n)
	}
	s := b.Stats()
	if want := int64(20 * 300_001); s.QueueLength != 20 || s.QueueBytes < want-20*5000 || s.QueueBytes > want+20*5000 {
		t.Errorf("estimate at start: %+v", s)
	}
	if n := len(drain(t, b)); n != 20 {
		t.Errorf("%d chunks", n)
	}
}

// TestDamagedQueuedChunk: what stands before the damage is delivered, the file
// is kept as it was, other chunks do not suffer.
func TestDamagedQueuedChunk(t *testing.T) {
	disk := newDisk(61)
	b := open(t, config(), buffer.Options{FS: disk.FS()})
	mustAppend(t, b, batch("a", "one"), batch("a", "two"), batch("a", "three"), batch("b", "fine"))
	b.EnqueueAll()
	disk.Kill()
	path := folder + "/" + chunkFiles(t, disk, folder)[0]
	whole := readBytes(t, disk, path)
	whole[bytes.Index(whole, []byte("two"))] ^= 1
	writeBytes(t, disk, path, whole)
	b = open(t, config(), buffer.Options{FS: disk.FS()})
	wantChunks(t, b, "a: one", "b: fine")
	kept := chunkFiles(t, disk, folder+"/backup")
	if len(kept) != 1 || !bytes.Equal(readBytes(t, disk, folder+"/backup/"+kept[0]), whole) {
		t.Errorf("the damaged file is not in the backup as it was: %v", kept)
	}
	disk.PowerCut()
	wantChunks(t, open(t, config(), buffer.Options{FS: disk.FS()}))
}

// TestDamageFoundWhileReading: a chunk of this process whose bytes change on the
// disk is never delivered with them, and is not tried for ever.
func TestDamageFoundWhileReading(t *testing.T) {
	disk := newDisk(62)
	b := open(t, config(), buffer.Options{FS: disk.FS()})
	mustAppend(t, b, batch("a", "one"), batch("a", "two"))
	b.EnqueueAll()
	path := folder + "/" + chunkFiles(t, disk, folder)[0]
	whole := readBytes(t, disk, path)
	whole[bytes.Index(whole, []byte("two"))] ^= 1
	writeBytes(t, disk, path, whole)
	c, _ := b.Dequeue()
	r, err := c.Open()
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if _, err := text.ReadFrom(r); err == nil {
		t.Fatalf("read %q without an error", text.String())
	}
	_ = r.Close()
	b.TakeBack(c)
	wantChunks(t, b, "a: one")
}

// TestTornTail: the end of a staged chunk that was not written whole is kept in
// the backup folder, and the rest is delivered.
func TestTornTail(t *testing.T) {
	disk := newDisk(63)
	b := open(t, config(), buffer.Options{FS: disk.FS()})
	mustAppend(t, b, batch("a", "one"), batch("a", "two"))
	disk.Kill()
	path := folder + "/" + chunkFiles(t, disk, folder)[0]
	whole := readBytes(t, disk, path)
	at := bytes.Index(whole, []byte("two")) - 20
	copy(whole[at+18:], "garbage over the event and behind")
	writeBytes(t, disk, path, whole)
	b = open(t, config(), buffer.Options{FS: disk.FS()})
	wantChunks(t, b, "a: one")
	entries, err := disk.FS().ReadDir(folder + "/backup")
	if err != nil || len(entries) != 2 || !strings.HasSuffix(entries[0].Name, fmt.Sprintf(".%d.tail", at)) {
		t.Errorf("backup: %v, %v; want the tail from offset %d and the index", entries, err, at)
	}
}

// TestTornEndsAreBounded: what was never acknowledged does not fill the buffer: the
// oldest goes, and is counted no more.
func TestTornEndsAreBounded(t *testing.T) {
	disk := newDisk(65)
	cfg := config(func(c *buffer.Config) { c.TotalLimitSize, c.ChunkLimitSize = 8000, 8000 })
	for i := range 100 {
		id := fmt.Sprintf("60a24181e4000656d90936a8965e2f%02x", i)
		if i == 0 {
			_ = open(t, cfg, buffer.Options{FS: disk.FS()}).Close(context.Background())
		}
		writeBytes(t, disk, folder+"/buffer.b"+id+".chunk", []byte(strings.Repeat("x", 200)+strings.Repeat("\x00", 9000)))
		disk.Kill()
		b := open(t, cfg, buffer.Options{FS: disk.FS()})
		if s := b.Stats(); s.BackupBytes > 1000 || s.Used != s.BackupBytes {
			t.Fatalf("start %d: %+v", i, s)
		}
		_ = b.Close(context.Background())
	}
	b := open(t, cfg, buffer.Options{FS: disk.FS()})
	if s := b.Stats(); s.BackupBytes != 1000 {
		t.Errorf("%d bytes are kept, want the last 5 of 200 each", s.BackupBytes)
	}
	mustAppend(t, b, batch("a", strings.Repeat("y", 6900)))
	wantChunks(t, b, "a: "+strings.Repeat("y", 6900))
}

// TestFilesOfNobody: what is no chunk is left alone or kept, never deleted.
func TestFilesOfNobody(t *testing.T) {
	disk := newDisk(64)
	b := open(t, config(), buffer.Options{FS: disk.FS()})
	mustAppend(t, b, batch("a", "one"))
	if err := b.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	id := "60a24181e4000656d90936a8965e2fc8"
	stray := map[string]string{
		"hello.txt":                       "x",
		"buffer.b" + id + ".chunk.bak":    "y",
		"buffer.bnothex.chunk":            "z",
		"other.b" + id + ".chunk":         "w",
		"buffer.b" + id[:30] + "ZZ.chunk": "v",
	}
	for name, text := range stray {
		writeBytes(t, disk, folder+"/"+name, []byte(text))
	}
	writeBytes(t, disk, folder+"/buffer.b"+id+".chunk", []byte("no chunk at all"))
	writeBytes(t, disk, folder+"/buffer.q"+id[:31]+"0.chunk", nil)
	b = open(t, config(), buffer.Options{FS: disk.FS()})
	wantChunks(t, b, "a: one")
	for name, text := range stray {
		if got := string(readBytes(t, disk, folder+"/"+name)); got != text {
			t.Errorf("%s holds %q", name, got)
		}
	}
	if got := string(readBytes(t, disk, folder+"/backup/"+id+".0.tail")); got != "no chunk at all" {
		t.Errorf("in the backup: %q", got)
	}
}

// TestInterruptedRewrite: a crash at any step of saving a chunk into a new file
// loses nothing and delivers nothing twice.
func TestInterruptedRewrite(t *testing.T) {
	for seed := range uint64(1500) {
		disk := newDisk(seed)
		b := open(t, config(), buffer.Options{FS: disk.FS()})
		mustAppend(t, b, batch("a", "one"))
		steps := int(seed % 14)
		failed := false
		disk.Inject(func(op crashfs.Op, _ string) error {
			if op == crashfs.Sync && !failed {
				failed = true
				return syscall.EIO
			}
			if failed {
				if steps--; steps < 0 {
					return syscall.EIO // the process is as good as dead
				}
			}
			return nil
		})
		mustFail(t, b, batch("a", "two"), syscall.EIO)
		b.EnqueueAll()
		if seed%2 == 0 {
			disk.Kill()
		} else {
			disk.PowerCut()
		}
		disk.Inject(nil)
		b = open(t, config(), buffer.Options{FS: disk.FS()})
		got := strings.Join(drain(t, b), " | ")
		if strings.Count(got, "one") != 1 {
			t.Fatalf("seed %d: %q", seed, got)
		}
		if left := chunkFiles(t, disk, folder); len(left) != 0 {
			t.Fatalf("seed %d: left over: %v", seed, left)
		}
	}
}

// TestDamagedTwin: when the copy that shall replace a staged chunk is not whole the
// staged one is taken.
func TestDamagedTwin(t *testing.T) {
	disk := newDisk(66)
	b := open(t, config(), buffer.Options{FS: disk.FS()})
	mustAppend(t, b, batch("a", "one"), batch("a", "two"))
	disk.Kill()
	name := chunkFiles(t, disk, folder)[0]
	whole := readBytes(t, disk, folder+"/"+name)
	at := bytes.Index(whole, []byte("two")) - 20
	writeBytes(t, disk, folder+"/"+strings.Replace(name, ".b", ".q", 1), whole[:at])
	wantChunks(t, open(t, config(), buffer.Options{FS: disk.FS()}), "a: one two")
}

// TestInterruptedRescue: the same while the good part of a damaged chunk is saved.
func TestInterruptedRescue(t *testing.T) {
	for seed := range uint64(900) {
		disk := newDisk(seed)
		b := open(t, config(), buffer.Options{FS: disk.FS()})
		mustAppend(t, b, batch("a", "one"), batch("a", "two"))
		b.EnqueueAll()
		disk.Kill()
		path := folder + "/" + chunkFiles(t, disk, folder)[0]
		whole := readBytes(t, disk, path)
		whole[bytes.Index(whole, []byte("two"))] ^= 1
		writeBytes(t, disk, path, whole)
		b = open(t, config(), buffer.Options{FS: disk.FS()})
		steps := int(seed % 30)
		disk.Inject(func(crashfs.Op, string) error {
			if steps--; steps < 0 {
				return syscall.EIO
			}
			return nil
		})
		b.Dequeue()
		if seed%2 == 0 {
			disk.Kill()
		} else {
			disk.PowerCut()
		}
		disk.Inject(nil)
		wantChunks(t, open(t, config(), buffer.Options{FS: disk.FS()}), "a: one")
		if left := chunkFiles(t, disk, folder); len(left) != 0 {
			t.Fatalf("seed %d: left over: %v", seed, left)
		}
		if kept := chunkFiles(t, disk, folder+"/backup"); len(kept) != 1 ||
			!bytes.Equal(readBytes(t, disk, folder+"/backup/"+kept[0]), whole) {
			t.Fatalf("seed %d: the damaged file is not in the backup as it was: %v", seed, kept)
		}
	}
}

// TestHandover: a new owner takes events without ids at once, those with ids when the old
// one, which may have stored the same, lets go of the folder; then it has its chunks, too.
func TestHandover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newDisk(65)
		src := buffer.Source{ID: "h", Generation: 1, Start: 1}
		old := open(t, config(), buffer.Options{FS: disk.FS()})
		mustAppend(t, old, from(src, withIDs(batch("a", "old"))))
		fresh := open(t, config(), buffer.Options{FS: disk.FS(), Before: old})
		mustAppend(t, fresh, batch("c", "no id"))
		if err := fresh.Append(t.Context(), from(src, withIDs(batch("a", "old")))); !errors.Is(err, buffer.ErrFull) {
			t.Errorf("an event that the old one has, while it holds the folder: %v", err)
		}
		waiting := make(chan error, 1)
		go func() { waiting <- fresh.Append(t.Context(), from(src, withIDs(batch("a", "old", "new")))) }()
		synctest.Wait()
		mustAppend(t, old, batch("b", "finishing"))
		select {
		case <-fresh.Adopted():
			t.Fatal("adopted a folder that is held")
		default:
		}
		if err := old.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		<-fresh.Adopted()
		if err := <-waiting; err != nil {
			t.Errorf("waited for the folder: %v", err)
		}
		mustAppend(t, fresh, from(src, withIDs(batch("a", "old", "new", "newer")))) // only one is new
		got := drain(t, fresh)
		slices.Sort(got)
		if text := strings.Join(got, " | "); text != "a: new newer | a: old | b: finishing | c: no id" {
			t.Errorf("chunks: %s", text)
		}
		_ = fresh.Close(context.Background())
	})
}

// TestHandoverInARow: who comes third waits for the first, even when the second has gone
// before it had the folder; and nobody else gets in between.
func TestHandoverInARow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newDisk(66)
		first := open(t, config(), buffer.Options{FS: disk.FS()})
		mustAppend(t, first, batch("a", "1"))
		second := open(t, config(), buffer.Options{FS: disk.FS(), Before: first})
		mustAppend(t, second, batch("a", "2"))
		third := open(t, config(), buffer.Options{FS: disk.FS(), Before: second})
		if err := second.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		select {
		case <-third.Adopted():
			t.Fatal("adopted a folder while the first one writes")
		default:
		}
		mustAppend(t, first, batch("a", "3"))
		if err := first.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		<-third.Adopted()
		if _, err := buffer.Open(config(), buffer.Options{FS: disk.FS()}); !errors.Is(err, buffer.ErrLocked) {
			t.Errorf("a stranger at the folder: %v", err)
		}
		mustAppend(t, third, batch("a", "4"))
		got := drain(t, third)
		slices.Sort(got)
		if text := strings.Join(got, " | "); text != "a: 1 3 | a: 2 | a: 4" {
			t.Errorf("chunks: %s", text)
		}
		_ = third.Close(t.Context())
	})
}
