package s3sink

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/metrics"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
	"github.com/sluicelog/sluice/internal/s3sink/s3test"
)

// slice is 2020-09-13 12:00:00 UTC, the hour of the golden cases' events.
const slice = 1599998400

// testChunk is a chunk in memory. noteWrites counts, and every note is kept, so
// that a test can see what was durable when a request went out.
type testChunk struct {
	mu          sync.Mutex
	meta        event.Meta
	body        []byte
	note        map[string]string
	noteWrites  int
	noteError   error
	conditional bool
	opens       int
}

func (c *testChunk) ID() event.ChunkID { return c.meta.ChunkID }
func (c *testChunk) Meta() event.Meta  { return c.meta }

func (c *testChunk) Open() (io.ReadCloser, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opens++
	return io.NopCloser(bytes.NewReader(c.body)), nil
}

func (c *testChunk) Note() (map[string]string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.note), c.note != nil
}

func (c *testChunk) SetNote(n map[string]string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.noteError != nil {
		return c.noteError
	}
	c.note = maps.Clone(n)
	c.noteWrites++
	return nil
}

func (c *testChunk) Conditional(yes bool) { c.conditional = yes }

func newChunk(n int) *testChunk {
	var id event.ChunkID
	copy(id[:], "chunk-id")
	binary.BigEndian.PutUint64(id[8:], uint64(n)*0x9E3779B97F4A7C15)
	return &testChunk{
		meta: event.Meta{ChunkID: id, HasTimekey: true, Timekey: slice, HasTag: true, Tag: "a.b"},
		body: fmt.Appendf(nil, "{\"n\":%d}\n", n),
	}
}

// lineFormat stands for the formatters, which live elsewhere.
type lineFormat struct{}

func (lineFormat) Params(*param.Set) {}

func (lineFormat) Format(dst []byte, _ string, e event.Event) ([]byte, error) {
	return append(e.Record.AppendJSON(dst), '\n'), nil
}

// logLines collects log lines as "LEVEL message".
type logLines struct {
	mu    sync.Mutex
	lines []string
}

func (l *logLines) Enabled(context.Context, slog.Level) bool { return true }
func (l *logLines) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *logLines) WithGroup(string) slog.Handler            { return l }

func (l *logLines) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, r.Level.String()+" "+r.Message)
	return nil
}

func (l *logLines) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(strings.Join(l.lines, "\n"), text)
}

// decode makes an output of the lines of a <match>; the second result is all that
// is wrong with them.
func decode(lines string, threads int) (*output, *logLines, error) {
	log := &logLines{}
	var problems conf.Problems
	tree, err := conf.Parse("fluent.conf", []byte("<match **>\n@type s3\n"+lines+"\n</match>\n"), conf.Options{Problems: &problems})
	if err != nil {
		return nil, log, err
	}
	n := tree.Children[0]
	o := New(plugin.Env{
		ID: "object:1", Type: "s3", Log: slog.New(log), Metrics: metrics.New(), Hostname: "host.example", Node: n,
		Formatter: func(string) (plugin.Formatter, error) { return lineFormat{}, nil },
	}).(*output)
	cfg := buffer.DefaultConfig()
	o.BufferDefaults(&cfg)
	param.Decode(n, "match ** (s3)", &problems, func(p *param.Set) {
		o.Params(p)
		param.Section(p, "buffer", &cfg, func(p *param.Set, c *buffer.Config) { c.Params(p) }, "")
	})
	if err := problems.Err(); err != nil {
		return nil, log, err
	}
	if err := o.SetBuffer(cfg, threads); err != nil {
		return nil, log, err
	}
	o.pause = func(ctx context.Context, _ int) error { return ctx.Err() }
	return o, log, o.Check()
}

const hourly = "<buffer time>\ntimekey 3600\ntimekey_use_utc true\n</buffer>\n"

// common is what every test's configuration begins with.
func common(endpoint string) string {
	return "s3_bucket b1\naws_key_id AKIDEXAMPLE\naws_sec_key secret\nforce_path_style true\npath logs/\ns3_endpoint " + endpoint + "\n"
}

func startServer(t testing.TB, o s3test.Options) *s3test.Server {
	t.Helper()
	if o.Buckets == nil {
		o.Buckets = []string{"b1"}
	}
	o.NoSync = true
	s, err := s3test.Start(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// startOutput decodes and starts; lines come after common and hourly.
func startOutput(t testing.TB, s *s3test.Server, lines string) (*output, *logLines) {
	t.Helper()
	o, log, err := decode(common(s.URL())+lines+"\n"+hourly, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Close(context.Background()) })
	return o, log
}

func mustWrite(t testing.TB, o *output, c *testChunk) {
	t.Helper()
	if err := o.write(t.Context(), c); err != nil {
		t.Fatalf("write: %v", err)
	}
}

// keysOf lists the keys of a bucket.
func keysOf(s *s3test.Server) []string {
	var keys []string
	for _, o := range s.Objects("b1") {
		keys = append(keys, o.Key)
	}
	return keys
}

func unzip(t testing.TB, b []byte) string {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// onceEach is the promise: each chunk is in the bucket once, whole, under its id.
func onceEach(s *s3test.Server, chunks ...*testChunk) error {
	found := map[string]int{}
	for _, o := range s.Objects("b1") {
		found[o.ChunkID()]++
	}
	for _, c := range chunks {
		id := c.ID().String()
		if found[id] != 1 {
			return fmt.Errorf("chunk %s is in the bucket %d times: %v", id, found[id], keysOf(s))
		}
		for _, o := range s.Objects("b1") {
			if o.ChunkID() != id {
				continue
			}
			b, err := s.Read("b1", o.Key)
			if err != nil {
				return err
			}
			z, err := gzip.NewReader(bytes.NewReader(b))
			if err != nil {
				return fmt.Errorf("%s: %w", o.Key, err)
			}
			text, err := io.ReadAll(z)
			if err != nil || !bytes.Equal(text, c.body) {
				return errors.Join(fmt.Errorf("%s holds %q, want %q", o.Key, text, c.body), err)
			}
		}
	}
	return nil
}
