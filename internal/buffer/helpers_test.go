package buffer_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/buffer/crashfs"
	"github.com/sluicelog/sluice/internal/event"
)

const folder = "/var/buf"

// clock is a wall clock and a monotonic one that tests move.
type clock struct {
	mu   sync.Mutex
	wall time.Time
	mono time.Duration
}

func newClock() *clock { return &clock{wall: time.Unix(1_700_000_000, 0)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wall
}

func (c *clock) elapsed() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mono
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall, c.mono = c.wall.Add(d), c.mono+d
}

// setBack moves the wall clock alone.
func (c *clock) setBack(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall = c.wall.Add(-d)
}

// config is a file buffer keyed by tag that never fills up by itself.
func config(change ...func(*buffer.Config)) buffer.Config {
	c := buffer.DefaultConfig()
	c.Type, c.Path, c.ChunkKeys, c.MinFree = "file", folder, "tag", 1
	for _, f := range change {
		f(&c)
	}
	return c
}

// open opens a buffer; the test closes it at the end if it has not.
func open(t testing.TB, cfg buffer.Config, o buffer.Options) *buffer.Buffer {
	t.Helper()
	b, err := tryOpen(cfg, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close(context.Background()) })
	return b
}

func tryOpen(cfg buffer.Config, o buffer.Options) (*buffer.Buffer, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	return buffer.Open(cfg, o)
}

func newDisk(seed uint64) *crashfs.Disk { return crashfs.New(rand.New(rand.NewPCG(seed, seed))) }

// batch is lines of one tag.
func batch(tag string, lines ...string) *buffer.Batch {
	g := buffer.Group{Meta: event.Meta{Tag: tag, HasTag: true}}
	for _, line := range lines {
		g.Body = append(g.Body, line+"\n"...)
		g.Ends = append(g.Ends, len(g.Body))
	}
	return &buffer.Batch{Groups: []buffer.Group{g}}
}

// withIDs gives every event its content as its id.
func withIDs(b *buffer.Batch) *buffer.Batch {
	for i := range b.Groups {
		g, from := &b.Groups[i], 0
		for _, end := range g.Ends {
			id := event.ContentID(g.Meta.Tag, g.Body[from:end])
			g.IDs = append(g.IDs, buffer.EventID{ID: id, Content: id})
			from = end
		}
	}
	return b
}

func from(src buffer.Source, b *buffer.Batch) *buffer.Batch {
	b.Source = &src
	return b
}

func mustAppend(t testing.TB, b *buffer.Buffer, batches ...*buffer.Batch) {
	t.Helper()
	for _, batch := range batches {
		if err := b.Append(context.Background(), batch); err != nil {
			t.Fatal(err)
		}
	}
}

func mustFail(t testing.TB, b *buffer.Buffer, batch *buffer.Batch, want error) {
	t.Helper()
	if err := b.Append(context.Background(), batch); !errors.Is(err, want) {
		t.Fatalf("append: got %v, want %v", err, want)
	}
}

// content is a chunk's events.
func content(t testing.TB, c *buffer.Chunk) string {
	t.Helper()
	r, err := c.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("read chunk %s: %v", c.ID(), err)
	}
	return string(text)
}

// drain queues and purges everything, and returns the chunks' contents, each as
// "tag: line line".
func drain(t testing.TB, b *buffer.Buffer) []string {
	t.Helper()
	b.EnqueueAll()
	var all []string
	for c, ok := b.Dequeue(); ok; c, ok = b.Dequeue() {
		all = append(all, c.Meta().Tag+": "+strings.Join(strings.Fields(content(t, c)), " "))
		if err := b.Purge(c); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func wantChunks(t testing.TB, b *buffer.Buffer, want ...string) {
	t.Helper()
	if got := strings.Join(drain(t, b), " | "); got != strings.Join(want, " | ") {
		t.Fatalf("chunks:\n got %s\nwant %s", got, strings.Join(want, " | "))
	}
}

// gate is a disk whose fsyncs can be held up and are watched.
type gate struct {
	buffer.FS
	mu      sync.Mutex
	held    func(path string) bool // these fsyncs wait
	release chan struct{}
	waiting chan string // gets the path of each fsync that begins to wait
	syncs   int
	running map[string]int
	most    int // fsyncs at the same time
	overlap bool
	closes  map[string]bool
}

func (g *gate) closed(path string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closes[path]
}

func newGate(disk buffer.FS) *gate {
	return &gate{FS: disk, release: make(chan struct{}), waiting: make(chan string, 1000), running: map[string]int{}, closes: map[string]bool{}}
}

func (g *gate) hold(held func(path string) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held = held
}

// letGo ends the hold for good.
func (g *gate) letGo() {
	g.hold(nil)
	close(g.release)
}

func (g *gate) Open(name string, flag int, perm fs.FileMode) (buffer.File, error) {
	f, err := g.FS.Open(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &gateFile{f, g, name}, nil
}

type gateFile struct {
	buffer.File
	g    *gate
	name string
}

func (f *gateFile) Sync() error {
	g := f.g
	g.mu.Lock()
	g.syncs++
	g.running[f.name]++
	g.overlap = g.overlap || g.running[f.name] > 1
	total := 0
	for _, n := range g.running {
		total += n
	}
	g.most = max(g.most, total)
	wait := g.held != nil && g.held(f.name)
	g.mu.Unlock()
	if wait {
		g.waiting <- f.name
		<-g.release
	}
	err := f.File.Sync()
	g.mu.Lock()
	g.running[f.name]--
	g.mu.Unlock()
	return err
}

func (f *gateFile) Close() error {
	f.g.mu.Lock()
	f.g.closes[f.name] = true
	f.g.mu.Unlock()
	return f.File.Close()
}
