package buffer_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/event"
)

// TestManyWritersAndFlushers runs everything at once; it is for the race
// detector, and counts: every event comes out once.
func TestManyWritersAndFlushers(t *testing.T) {
	t.Parallel()
	for _, typ := range []string{"file", "memory"} {
		t.Run(typ, func(t *testing.T) {
			cfg := config(func(c *buffer.Config) {
				c.Type, c.Path = typ, t.TempDir()+"/buf"
				c.ChunkLimitSize, c.MaxOpen, c.Dedup, c.Compress = 2000, 4, "content", "zstd"
			})
			b := open(t, cfg, buffer.Options{})
			var writers, flushers sync.WaitGroup
			var stop atomic.Bool
			var out sync.Map
			for range 8 {
				flushers.Go(func() { flush(t, b, &out, &stop) })
			}
			flushers.Go(func() { churn(b, &stop) })
			const each = 30
			for w := range 64 {
				writers.Go(func() {
					for i := range each {
						one := withIDs(batch(fmt.Sprint("t", (w+i)%7), fmt.Sprintf("w%d-%d", w, i)))
						one.Groups = append(one.Groups, withIDs(batch("shared", fmt.Sprint("s", i))).Groups...)
						if err := b.Append(context.Background(), one); err != nil {
							t.Error(err)
						}
					}
				})
			}
			writers.Wait()
			stop.Store(true)
			flushers.Wait()
			for _, chunk := range drain(t, b) {
				count(&out, strings.Fields(chunk)[1:])
			}
			checkCounts(t, &out, 64*each+each)
			if s := b.Stats(); s.Used != 0 || s.StageLength+s.QueueLength != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

func count(out *sync.Map, lines []string) {
	for _, line := range lines {
		n, _ := out.LoadOrStore(line, new(atomic.Int32))
		n.(*atomic.Int32).Add(1)
	}
}

func checkCounts(t *testing.T, out *sync.Map, want int) {
	t.Helper()
	n := 0
	out.Range(func(line, times any) bool {
		n++
		if got := times.(*atomic.Int32).Load(); got != 1 {
			t.Errorf("%v came out %d times", line, got)
		}
		return true
	})
	if n != want {
		t.Errorf("%d events came out, want %d", n, want)
	}
}

// flush delivers; now and then it fails first.
func flush(t *testing.T, b *buffer.Buffer, out *sync.Map, stop *atomic.Bool) {
	for i := 0; !stop.Load(); i++ {
		c, ok := b.Dequeue()
		if !ok {
			select {
			case <-b.Ready():
			case <-time.After(time.Millisecond):
			}
			continue
		}
		if i%3 == 0 {
			b.TakeBack(c)
			continue
		}
		if err := c.SetNote(map[string]string{"attempt": fmt.Sprint(c.Attempts())}); err != nil {
			t.Error(err)
		}
		count(out, strings.Fields(content(t, c)))
		if err := b.Purge(c); err != nil {
			t.Error(err)
		}
	}
}

// churn does what timers and metrics do.
func churn(b *buffer.Buffer, stop *atomic.Bool) {
	for !stop.Load() {
		b.EnqueueOlder(time.Now().Add(-5 * time.Millisecond))
		b.EnqueueDue(time.Now())
		b.NextDue(time.Now())
		b.OldestStaged()
		b.QueuedEvents()
		b.Stats()
		_ = b.Health()
	}
}

// TestCloseWhileBusy: closing in the middle of appends loses nothing that was
// acknowledged, and nobody waits for ever.
func TestCloseWhileBusy(t *testing.T) {
	t.Parallel()
	for round := range 20 {
		disk := newDisk(uint64(round))
		b := open(t, config(func(c *buffer.Config) { c.ChunkLimitSize = 500 }), buffer.Options{FS: disk.FS()})
		var acked sync.Map
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				for i := 0; ; i++ {
					line := fmt.Sprintf("w%d-%d", w, i)
					if b.Append(context.Background(), batch("a", line)) != nil {
						return
					}
					acked.Store(line, true)
				}
			})
		}
		for b.Stats().Used < 2000 {
			b.NextDue(time.Now())
		}
		if err := b.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		disk.PowerCut()
		got := strings.Join(drain(t, open(t, config(), buffer.Options{FS: disk.FS()})), " ") + " "
		acked.Range(func(line, _ any) bool {
			if strings.Count(got, " "+line.(string)+" ") != 1 {
				t.Errorf("%v was acknowledged and is %d times in the buffer", line, strings.Count(got, " "+line.(string)+" "))
			}
			return true
		})
	}
}

// TestStagedChunkIsSmall: ten thousand tags must not cost a gigabyte.
func TestStagedChunkIsSmall(t *testing.T) {
	disk := newDisk(90)
	b := open(t, config(), buffer.Options{FS: disk.FS()})
	many := &buffer.Batch{}
	for i := range 2000 {
		many.Groups = append(many.Groups, buffer.Group{
			Meta: event.Meta{Tag: fmt.Sprint("session.", i), HasTag: true}, Body: []byte("x\n"), Ends: []int{2},
		})
	}
	mustAppend(t, b, many)
	if per := disk.Used() / 2000; per > 12<<10 {
		t.Errorf("a staged chunk with one event takes %d bytes of disk", per)
	}
	if s := b.Stats(); s.StageLength != 2000 || s.OpenFiles > 512 {
		t.Errorf("%+v", s)
	}
}
