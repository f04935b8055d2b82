package buffer_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/event"
)

func TestChunksAreCutAtEvents(t *testing.T) {
	ten := func(n int) (lines []string) {
		for i := range n {
			lines = append(lines, fmt.Sprintf("event-%03d", i)) // 10 bytes each
		}
		return lines
	}
	for name, c := range map[string]struct {
		change func(*buffer.Config)
		events []string
		want   []int // events in each chunk
	}{
		"by size":                    {func(c *buffer.Config) { c.ChunkLimitSize, c.ChunkFullThreshold = 35, 1 }, ten(7), []int{3, 3, 1}},
		"by size, threshold":         {func(c *buffer.Config) { c.ChunkLimitSize, c.ChunkFullThreshold = 35, 0.5 }, ten(7), []int{3, 3, 1}},
		"by records":                 {func(c *buffer.Config) { c.ChunkLimitRecords = 2 }, ten(5), []int{2, 2, 1}},
		"exactly full":               {func(c *buffer.Config) { c.ChunkLimitSize = 30 }, ten(6), []int{3, 3}},
		"an event as big as a chunk": {func(c *buffer.Config) { c.ChunkLimitSize = 10 }, ten(3), []int{1, 1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, config(c.change), buffer.Options{FS: newDisk(100).FS()})
			mustAppend(t, b, batch("a", c.events...))
			b.EnqueueAll()
			var all []string
			for _, want := range c.want {
				chunk, ok := b.Dequeue()
				if !ok || chunk.Events() != want {
					t.Fatalf("got %v, want a chunk of %d events", chunk, want)
				}
				all = append(all, strings.Fields(content(t, chunk))...)
			}
			if _, more := b.Dequeue(); more {
				t.Error("there is another chunk")
			}
			got := map[string]bool{}
			for _, line := range all {
				got[line] = true
			}
			if len(all) != len(c.events) || len(got) != len(c.events) {
				t.Errorf("%d events came out, %d of them different; want %d", len(all), len(got), len(c.events))
			}
		})
	}
}

// TestSmallAppendsFillAChunk: a chunk is queued when it has reached the
// threshold, not before.
func TestSmallAppendsFillAChunk(t *testing.T) {
	b := open(t, config(func(c *buffer.Config) { c.ChunkLimitSize = 100 }), buffer.Options{FS: newDisk(101).FS()})
	for i := range 9 {
		mustAppend(t, b, batch("a", fmt.Sprintf("event-%03d", i)))
	}
	if s := b.Stats(); s.StageLength != 1 || s.QueueLength != 0 || s.StageBytes != 90 || s.StageEvents != 9 {
		t.Errorf("at 90%%: %+v", s)
	}
	mustAppend(t, b, batch("a", "event-009"))
	if s := b.Stats(); s.StageLength != 0 || s.QueueLength != 1 || s.QueueEvents != 10 {
		t.Errorf("at 100%%: %+v", s)
	}
}

func TestPacking(t *testing.T) {
	for _, compress := range []string{"text", "gzip", "zstd"} {
		disk := newDisk(102)
		b := open(t, config(func(c *buffer.Config) { c.Compress, c.ChunkLimitSize = compress, 2000 }), buffer.Options{FS: disk.FS()})
		line := strings.Repeat("the same again ", 20)
		want := ""
		for i := range 20 {
			mustAppend(t, b, batch("a", fmt.Sprint(i, line)))
			want += fmt.Sprint(i, line) + "\n"
		}
		disk.PowerCut()
		b = open(t, config(func(c *buffer.Config) { c.Compress = compress }), buffer.Options{FS: disk.FS()})
		b.EnqueueAll()
		got, chunks := "", 0
		for c, ok := b.Dequeue(); ok; c, ok = b.Dequeue() {
			r, packing, err := c.OpenStored()
			if err != nil || packing != compress {
				t.Errorf("%s: stored as %s, %v", compress, packing, err)
			}
			_ = r.Close()
			got += content(t, c)
			chunks++
		}
		if got != want {
			t.Errorf("%s: other events came out", compress)
		}
		if packs := compress != "text"; packs != (chunks < 4) {
			t.Errorf("%s: %d chunks", compress, chunks)
		}
	}
}

func TestChunkKeysTellChunksApart(t *testing.T) {
	b := open(t, config(), buffer.Options{FS: newDisk(103).FS()})
	metas := []event.Meta{
		{},
		{HasTag: true},
		{Tag: "a", HasTag: true},
		{Timekey: 60, HasTimekey: true},
		{Tag: "a", HasTag: true, Timekey: 60, HasTimekey: true},
		{Variables: []event.Variable{{Key: "k", Value: "1"}}},
		{Variables: []event.Variable{{Key: "k", Value: int64(1)}}},
		{Variables: []event.Variable{{Key: "k", Value: nil}}},
		{Variables: []event.Variable{{Key: "k", Value: []any{"x", int64(2)}}}},
	}
	for range 2 {
		for _, m := range metas {
			mustAppend(t, b, &buffer.Batch{Groups: []buffer.Group{{Meta: m, Body: []byte("x\n"), Ends: []int{2}}}})
		}
	}
	if s := b.Stats(); s.StageLength != len(metas) {
		t.Errorf("%d chunks for %d different metas", s.StageLength, len(metas))
	}
}

// TestCallersMemoryMayBeReused: nothing of a batch is looked at after Wait.
func TestCallersMemoryMayBeReused(t *testing.T) {
	for _, typ := range []string{"file", "memory"} {
		disk := newDisk(104)
		b := open(t, config(func(c *buffer.Config) { c.Type, c.Dedup = typ, "content" }), buffer.Options{FS: disk.FS()})
		body, tag := []byte("event\n"), []byte("tag")
		one := withIDs(&buffer.Batch{Groups: []buffer.Group{{
			Meta: event.Meta{HasTag: true, Tag: string(tag), Variables: []event.Variable{{Key: "k", Value: event.Binary("vv")}}},
			Body: body, Ends: []int{6},
		}}})
		mustAppend(t, b, one)
		copy(body, "XXXXXX")
		copy(one.Groups[0].Meta.Variables[0].Value.(event.Binary), "YY")
		one.Groups[0].IDs[0] = buffer.EventID{}
		one.Groups[0].Ends[0] = 99
		b.EnqueueAll()
		c, _ := b.Dequeue()
		if got := content(t, c); got != "event\n" {
			t.Errorf("%s: %q", typ, got)
		}
		if v := c.Meta().Variables[0].Value; event.Text(v) != "vv" {
			t.Errorf("%s: variable %v", typ, v)
		}
	}
}

func TestCommitDelayGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(newDisk(105).FS())
		b := open(t, config(func(c *buffer.Config) { c.CommitDelay = 20 * time.Millisecond }), buffer.Options{FS: g})
		mustAppend(t, b, batch("a", "first"))
		before, began := g.syncs, time.Now()
		done := make(chan error)
		for i := range 4 {
			go func() { done <- b.Append(context.Background(), batch("a", fmt.Sprint(i))) }()
			time.Sleep(4 * time.Millisecond) // the clock of the bubble
		}
		for range 4 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if n, took := g.syncs-before, time.Since(began); n != 1 || took > 25*time.Millisecond {
			t.Errorf("%d fsyncs in %v, want 1 after 20 ms", n, took)
		}
		_ = b.Close(context.Background())
	})
}

// TestPermissions: what the configuration asks for is what files get, whatever
// the umask.
func TestPermissions(t *testing.T) {
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	dir := t.TempDir() + "/a/b"
	b := open(t, config(func(c *buffer.Config) { c.Path, c.FilePermission, c.DirPermission = dir, "0640", "0750" }), buffer.Options{})
	mustAppend(t, b, batch("a", "x"))
	for path, want := range map[string]os.FileMode{dir: 0o750, dir + "/..": 0o750} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	names, err := buffer.ChunkFiles(buffer.Disk(), dir)
	if err != nil || len(names) != 1 {
		t.Fatalf("%v, %v", names, err)
	}
	if info, err := os.Stat(names[0]); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("%s: %v, %v", names[0], info.Mode(), err)
	}
}

func TestPaths(t *testing.T) {
	disk := newDisk(106)
	for path, want := range map[string]string{
		"/var/buf":          "/var/buf/buffer.",
		"/var/buf/":         "/var/buf/buffer.",
		"/var/buf/pre.*":    "/var/buf/pre.",
		"/var/x/pre.*.log":  "/var/x/pre.",
		"/var/buf/*/deeper": "/var/buf/*/deeper/buffer.",
	} {
		b := open(t, config(func(c *buffer.Config) { c.Path = path }), buffer.Options{FS: disk.FS()})
		mustAppend(t, b, batch("a", "x"))
		b.EnqueueAll()
		c, _ := b.Dequeue()
		if !strings.HasPrefix(c.Path(), want+"q") {
			t.Errorf("path %s: chunk %s", path, c.Path())
		}
		if err := b.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}
