package buffer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/buffer/crashfs"
)

// sickFile is a disk on which operations of some kinds fail for one file.
func sickFile(name string, sick ...crashfs.Op) func(crashfs.Op, string) error {
	return func(op crashfs.Op, path string) error {
		if slices.Contains(sick, op) && strings.HasSuffix(path, name) {
			return syscall.EIO
		}
		return nil
	}
}

// TestUnreadableChunk: one file that the disk does not let us read neither stops
// the start nor is left aside: it is counted, told, and taken up when it can be
// read. What it holds is not known meanwhile, so events with ids have to wait.
func TestUnreadableChunk(t *testing.T) {
	for _, op := range []crashfs.Op{crashfs.Open, crashfs.Read} {
		synctest.Test(t, func(t *testing.T) {
			src := buffer.Source{ID: "h", Generation: 1, Start: 1}
			disk := newDisk(67)
			b := open(t, config(), buffer.Options{FS: disk.FS()})
			one := from(src, withIDs(batch("a", "one")))
			mustAppend(t, b, one)
			bad := chunkFiles(t, disk, folder)[0]
			mustAppend(t, b, batch("b", "two"))
			disk.Kill()
			disk.Inject(sickFile(bad, op))
			b = open(t, config(), buffer.Options{FS: disk.FS()})
			if n := b.Stats().UnreadFiles; n != 1 || b.Health() == nil {
				t.Errorf("%s: %d unread files, health %v", op, n, b.Health())
			}
			wantChunks(t, b, "b: two")
			mustFail(t, b, one, buffer.ErrFull)
			mustAppend(t, b, batch("c", "without an id"))
			time.Sleep(time.Hour)
			mustFail(t, b, one, buffer.ErrFull)
			disk.Inject(nil)
			time.Sleep(time.Minute)
			if n := b.Stats().UnreadFiles; n != 0 || b.Health() != nil {
				t.Errorf("%s: %d unread files, health %v after the disk has healed", op, n, b.Health())
			}
			mustAppend(t, b, one)
			got := drain(t, b)
			slices.Sort(got)
			if text := strings.Join(got, " | "); text != "a: one | c: without an id" {
				t.Errorf("%s: %s", op, text)
			}
			_ = b.Close(context.Background())
		})
	}
}

// TestUnreadableIDs: the same for a file of ids of events that have left.
func TestUnreadableIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := buffer.Source{ID: "h", Generation: 1, Start: 1}
		disk := newDisk(68)
		b := open(t, config(), buffer.Options{FS: disk.FS()})
		one := from(src, withIDs(batch("a", "one")))
		mustAppend(t, b, one)
		wantChunks(t, b, "a: one")
		disk.Kill()
		disk.Inject(sickFile(".ids", crashfs.Read))
		b = open(t, config(), buffer.Options{FS: disk.FS()})
		mustFail(t, b, one, buffer.ErrFull)
		disk.Inject(nil)
		time.Sleep(time.Minute)
		mustAppend(t, b, one)
		wantChunks(t, b)
		_ = b.Close(context.Background())
	})
}

// TestUnreadableTwin: a chunk that is there in two files is not taken from the one
// while the other cannot be read.
func TestUnreadableTwin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newDisk(69)
		b := open(t, config(), buffer.Options{FS: disk.FS()})
		mustAppend(t, b, batch("a", "one"))
		before := chunkFiles(t, disk, folder)[0]
		old := readBytes(t, disk, folder+"/"+before)
		b.EnqueueAll()
		disk.Kill()
		writeBytes(t, disk, folder+"/"+before, old)
		disk.Inject(sickFile(strings.Replace(before, ".b", ".q", 1), crashfs.Open))
		b = open(t, config(), buffer.Options{FS: disk.FS()})
		wantChunks(t, b)
		disk.Inject(nil)
		time.Sleep(time.Minute)
		wantChunks(t, b, "a: one")
		if left := chunkFiles(t, disk, folder); len(left) != 0 {
			t.Errorf("left over: %v", left)
		}
		_ = b.Close(context.Background())
	})
}

// TestTwinWithTornNote: the file that took a staged one's place stays in it when
// only a note behind its seal is torn: the notes before say where it went.
func TestTwinWithTornNote(t *testing.T) {
	disk := newDisk(70)
	b := open(t, config(), buffer.Options{FS: disk.FS()})
	mustAppend(t, b, batch("a", "one"))
	before := chunkFiles(t, disk, folder)[0]
	old := readBytes(t, disk, folder+"/"+before)
	b.EnqueueAll()
	c, _ := b.Dequeue()
	for _, key := range []string{"first", "second"} {
		if err := c.SetNote(map[string]string{"key": key}); err != nil {
			t.Fatal(err)
		}
	}
	disk.Kill()
	path := folder + "/" + strings.Replace(before, ".b", ".q", 1)
	whole := readBytes(t, disk, path)
	whole[bytes.Index(whole, []byte("second"))] ^= 1
	writeBytes(t, disk, path, whole)
	writeBytes(t, disk, folder+"/"+before, old)
	b = open(t, config(), buffer.Options{FS: disk.FS()})
	c, _ = b.Dequeue()
	if note, _ := c.Note(); note["key"] != "first" {
		t.Errorf("note %v", note)
	}
	b.TakeBack(c)
	wantChunks(t, b, "a: one")
}

// TestFailedAppendIsGone: when an append is told that it failed, what a failed fsync
// has written all the same can not come back beside what is sent again. Where the
// repair fails too the events are refused until it is done. Nor does a process that
// was killed in between make them come back.
func TestFailedAppendIsGone(t *testing.T) {
	for seed := range uint64(600) {
		synctest.Test(t, func(t *testing.T) {
			if err := failedAppend(t, seed); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		})
	}
}

func failedAppend(t *testing.T, seed uint64) error {
	src := buffer.Source{ID: "h", Generation: 1, Start: 1}
	disk := newDisk(seed)
	b := open(t, config(), buffer.Options{FS: disk.FS()})
	mustAppend(t, b, from(src, withIDs(batch("z", "zero"))))
	others := strings.Join(chunkFiles(t, disk, folder), " ")
	if seed%3 != 0 { // else the file has no durable name
		mustAppend(t, b, batch("a", "one"))
	}
	two := from(src, withIDs(batch("a", "two")))
	steps := int(seed % 16) // of the repair that work; the last ones all do
	failed, bad := false, ".chunk"
	disk.Inject(func(op crashfs.Op, path string) error {
		rest, isChunk := strings.CutSuffix(path, ".chunk")
		if isChunk && bad == ".chunk" && !strings.Contains(others, rest[len(rest)-32:]) {
			bad = rest[len(rest)-32:]
		}
		switch {
		case !failed && bad != ".chunk" && (op == crashfs.Sync || op == crashfs.SyncDir):
			failed = true
			return syscall.EIO
		case failed && steps < 10 && strings.Contains(path, bad) && op != crashfs.Trunc:
			if steps--; steps < 0 {
				return syscall.EIO
			}
		}
		return nil
	})
	_ = b.Append(context.Background(), two)
	synctest.Wait()
	refused := b.Append(context.Background(), two)
	switch {
	case seed%4 == 0:
		disk.Inject(nil)
		time.Sleep(time.Minute)
		if err := b.Append(context.Background(), two); err != nil {
			return fmt.Errorf("after the disk has healed: %w", err)
		}
		fallthrough
	case seed%4 == 1:
		disk.PowerCut()
	default:
		disk.Kill()
	}
	if seed%2 == 1 { // a process in between that cannot sync the file, and dies
		disk.Inject(sickFile(bad+".chunk", crashfs.Sync))
		b = open(t, config(), buffer.Options{FS: disk.FS()})
		_ = b.Append(context.Background(), two)
		disk.PowerCut()
	}
	disk.Inject(nil)
	b = open(t, config(), buffer.Options{FS: disk.FS()})
	mustAppend(t, b, two)
	got := strings.Join(drain(t, b), " | ")
	_ = b.Close(context.Background())
	if n := strings.Count(got, "two"); n != 1 {
		return errors.Join(fmt.Errorf("stored %d times: %s", n, got), refused)
	}
	return nil
}
