package buffer_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/event"
)

// benchFolder is on a real disk: SLUICE_BENCH_DIR, or the temporary folder.
func benchFolder(b *testing.B) string {
	dir := os.Getenv("SLUICE_BENCH_DIR")
	if dir == "" {
		return b.TempDir()
	}
	dir, err := os.MkdirTemp(dir, "bench")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// BenchmarkAppend is durable appends of one event of 900 bytes, by so many
// writers into so many chunks; beside them plain writes without any fsync.
func BenchmarkAppend(b *testing.B) {
	for _, chunks := range []int{1, 16, 200} {
		for _, writers := range []int{1, 8, 64, 256} {
			if chunks > writers*4 {
				continue
			}
			b.Run(fmt.Sprintf("chunks=%d/writers=%d", chunks, writers), func(b *testing.B) { benchAppend(b, chunks, writers, nil) })
		}
	}
	b.Run("chunks=1/writers=64/dedup", func(b *testing.B) {
		benchAppend(b, 1, 64, func(c *buffer.Config) { c.Dedup = "content" })
	})
	b.Run("chunks=1/writers=64/memory", func(b *testing.B) {
		benchAppend(b, 1, 64, func(c *buffer.Config) { c.Type, c.TotalLimitSize = "memory", 8<<30 })
	})
	b.Run("plain-writes-no-fsync/writers=64", benchPlain)
}

func benchAppend(b *testing.B, chunks, writers int, change func(*buffer.Config)) {
	cfg := config(func(c *buffer.Config) { c.Path = filepath.Join(benchFolder(b), "buf") })
	if change != nil {
		change(&cfg)
	}
	buf := open(b, cfg, buffer.Options{})
	body := []byte(strings.Repeat("x", 899) + "\n")
	var next, event64 atomic.Int64
	run(b, writers, func(w int) func() error {
		g := buffer.Group{Body: body, Ends: []int{len(body)}}
		one := &buffer.Batch{Groups: []buffer.Group{g}}
		tags := make([]string, chunks)
		for i := range tags {
			tags[i] = fmt.Sprint("tag", i)
		}
		return func() error {
			n := next.Add(1)
			one.Groups[0].Meta = event.Meta{Tag: tags[n%int64(chunks)], HasTag: true}
			if cfg.Dedup == "content" {
				var id event.ID
				copy(id[:], fmt.Appendf(nil, "%016d", event64.Add(1)))
				one.Groups[0].IDs = append(one.Groups[0].IDs[:0], buffer.EventID{ID: id, Content: id})
			}
			return buf.Append(context.Background(), one)
		}
	})
}

func benchPlain(b *testing.B) {
	f, err := os.Create(filepath.Join(benchFolder(b), "plain"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	body := []byte(strings.Repeat("x", 899) + "\n")
	run(b, 64, func(int) func() error {
		return func() error { _, err := f.Write(body); return err }
	})
}

// BenchmarkGroupCommit compares 64 writers into one chunk with 64 writers who sync
// each write for themselves, on the same folder. The ratio should be 15 or more; a
// disk whose fsync costs next to nothing tells nothing.
func BenchmarkGroupCommit(b *testing.B) {
	dir := benchFolder(b)
	cost := fsyncCost(b, dir)
	if cost < 50*time.Microsecond {
		b.Skipf("skipped: an fsync costs %s on this folder, less than 50 µs", cost)
	}
	body := []byte(strings.Repeat("x", 899) + "\n")
	buf := open(b, config(func(c *buffer.Config) { c.Path = filepath.Join(dir, "buf") }), buffer.Options{})
	single, err := os.Create(filepath.Join(dir, "single"))
	if err != nil {
		b.Fatal(err)
	}
	defer single.Close()
	var mu sync.Mutex
	for b.Loop() {
		each := rate(b, 64, 3_000, func() error {
			mu.Lock()
			defer mu.Unlock()
			_, err := single.Write(body)
			return errors.Join(err, single.Sync())
		})
		grouped := rate(b, 64, 100_000, func() error {
			g := buffer.Group{Meta: event.Meta{Tag: "t", HasTag: true}, Body: body, Ends: []int{len(body)}}
			return buf.Append(context.Background(), &buffer.Batch{Groups: []buffer.Group{g}})
		})
		b.ReportMetric(each, "single-ops/s")
		b.ReportMetric(grouped, "grouped-ops/s")
		b.ReportMetric(grouped/each, "ratio")
	}
	b.ReportMetric(float64(cost.Microseconds()), "fsync-µs")
}

// fsyncCost is the median of some fsyncs, each after a small write.
func fsyncCost(b *testing.B, dir string) time.Duration {
	f, err := os.Create(filepath.Join(dir, "cost"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	var all []time.Duration
	for range 51 {
		if _, err := f.WriteString(strings.Repeat("x", 900)); err != nil {
			b.Fatal(err)
		}
		at := time.Now()
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
		all = append(all, time.Since(at))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// rate is how often per second writers do n operations together.
func rate(b *testing.B, writers, n int, do func() error) float64 {
	var left atomic.Int64
	left.Store(int64(n))
	began := time.Now()
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := do(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return float64(n) / time.Since(began).Seconds()
}

// run shares b.N operations among writers and reports their rate and latency.
func run(b *testing.B, writers int, newWriter func(w int) func() error) {
	b.Helper()
	b.ReportAllocs()
	latency := make([][]time.Duration, writers)
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ResetTimer()
	began := time.Now()
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			do := newWriter(w)
			for left.Add(-1) >= 0 {
				at := time.Now()
				if err := do(); err != nil {
					b.Error(err)
					return
				}
				latency[w] = append(latency[w], time.Since(at))
			}
		})
	}
	wg.Wait()
	took := time.Since(began)
	b.StopTimer()
	all := slices.Concat(latency...)
	slices.Sort(all)
	b.ReportMetric(float64(len(all))/took.Seconds(), "ops/s")
	b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "p99-ms")
}

// BenchmarkRead reads a chunk that single requests filled: 2,000 frames of one event
// of 600 bytes. Divide by 2,000 for the cost of an event.
func BenchmarkRead(b *testing.B) {
	buf := open(b, config(func(c *buffer.Config) { c.Path = filepath.Join(benchFolder(b), "buf") }), buffer.Options{})
	for range 20 {
		many := &buffer.Batch{}
		for range 100 {
			many.Groups = append(many.Groups, batch("t", strings.Repeat("x", 599)).Groups...)
		}
		mustAppend(b, buf, many)
	}
	buf.EnqueueAll()
	c, ok := buf.Dequeue()
	if !ok {
		b.Fatal("no chunk")
	}
	defer buf.TakeBack(c)
	p := make([]byte, 64<<10)
	b.SetBytes(2000 * 600)
	b.ReportAllocs()
	for b.Loop() {
		r, err := c.Open()
		if err != nil {
			b.Fatal(err)
		}
		if n, err := io.CopyBuffer(writerOnly{io.Discard}, r, p); err != nil || n < 2000*599 {
			b.Fatal(n, err)
		}
		_ = r.Close()
	}
}

// writerOnly hides Discard's ReadFrom.
type writerOnly struct{ io.Writer }

// BenchmarkResume opens a folder with 10,000 queued chunks of 2 MB.
func BenchmarkResume(b *testing.B) {
	dir := filepath.Join(benchFolder(b), "buf")
	makeQueue(b, dir, 10_000, 2<<20)
	cfg := config(func(c *buffer.Config) { c.Path = dir })
	for b.Loop() {
		buf := open(b, cfg, buffer.Options{})
		if n := buf.Stats().QueueLength; n != 10_000 {
			b.Fatalf("%d chunks", n)
		}
		b.StopTimer()
		_ = buf.Close(context.Background())
		b.StartTimer()
	}
}

// BenchmarkResumeStaged opens a folder with 10,000 staged chunks, each of which is
// synced, dropped from the cache and read.
func BenchmarkResumeStaged(b *testing.B) {
	dir := filepath.Join(benchFolder(b), "buf")
	cfg := config(func(c *buffer.Config) {
		c.Path, c.ChunkKeys, c.Timekey, c.TimekeyWait = dir, "tag,time", 24*time.Hour, 24*time.Hour
	})
	buf := open(b, cfg, buffer.Options{})
	for i := range 100 {
		many := &buffer.Batch{}
		for j := range 100 {
			g := batch(fmt.Sprint("session.", i*100+j), strings.Repeat("x", 900)).Groups[0]
			g.Meta.Timekey, g.Meta.HasTimekey = time.Now().Unix(), true
			many.Groups = append(many.Groups, g)
		}
		mustAppend(b, buf, many)
	}
	_ = buf.Close(context.Background())
	for b.Loop() {
		buf := open(b, cfg, buffer.Options{})
		if s := buf.Stats(); s.StageLength != 10_000 {
			b.Fatalf("%+v", s)
		}
		b.StopTimer()
		_ = buf.Close(context.Background())
		b.StartTimer()
	}
}

// makeQueue makes n queued chunks and makes each size bytes long, as sparse files:
// a start reads only their heads.
func makeQueue(b *testing.B, dir string, n int, size int64) {
	b.Helper()
	buf := open(b, config(func(c *buffer.Config) { c.Path = dir }), buffer.Options{})
	const at = 100
	for i := 0; i < n; i += at {
		many := &buffer.Batch{}
		for j := range at {
			many.Groups = append(many.Groups, batch(fmt.Sprint("session.", i+j), "x").Groups...)
		}
		mustAppend(b, buf, many)
	}
	buf.EnqueueAll()
	if err := buf.Close(context.Background()); err != nil {
		b.Fatal(err)
	}
	names, err := filepath.Glob(dir + "/*.chunk")
	if err != nil || len(names) != n {
		b.Fatalf("%d chunks, %v", len(names), err)
	}
	for _, name := range names {
		if err := os.Truncate(name, size); err != nil {
			b.Fatal(err)
		}
	}
}
