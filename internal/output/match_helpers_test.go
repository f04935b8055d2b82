package output

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/metrics"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// lineFormat is the formatter of these tests: tag and JSON, or JSON alone.
type lineFormat struct{ tag bool }

func (lineFormat) Params(*param.Set) {}

func (f lineFormat) Format(dst []byte, tag string, e event.Event) ([]byte, error) {
	if f.tag {
		dst = append(append(dst, tag...), '\t')
	}
	return append(e.Record.AppendJSON(dst), '\n'), nil
}

// safeLog is a log that a test reads while the output writes it.
type safeLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *safeLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *safeLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

var testOutputs = map[string]func(plugin.Env) plugin.Output{"file": NewFile, "http": NewHTTP, "secondary_file": NewSecondaryFile}

// matchOf builds the output of a <match> section's lines.
func matchOf(t *testing.T, lines string) (*Buffered, *safeLog, error) {
	t.Helper()
	tree, err := conf.Parse("t.conf", []byte("<match **>\n"+lines+"\n</match>"), conf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	n := tree.Children[0]
	log := &safeLog{}
	env := plugin.Env{ID: "out", Type: n.Text("@type"), Log: slog.New(slog.NewTextHandler(log, nil)), Metrics: metrics.New(), Node: n}
	env.Formatter = func(typ string) (plugin.Formatter, error) { return lineFormat{tag: typ == "out_file"}, nil }
	o := NewBuffered(env, testOutputs[env.Type](env), func(typ string) (plugin.Output, error) {
		build, ok := testOutputs[typ]
		if !ok {
			return nil, fmt.Errorf("no %s", typ)
		}
		return build(env), nil
	})
	problems := &conf.Problems{}
	param.DecodePlugin(n, "match", problems, o)
	return o, log, problems.Err()
}

// pass sends events through an output, from its start to its end.
func pass(t *testing.T, lines string, events ...string) *safeLog {
	t.Helper()
	return passUntil(t, func() {}, lines, events...)
}

// passUntil is pass that stops the output when ready returns.
func passUntil(t *testing.T, ready func(), lines string, events ...string) *safeLog {
	t.Helper()
	o, log, err := matchOf(t, lines)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { _ = o.Run(ctx); close(done) }()
	for _, line := range events {
		tag, body, _ := strings.Cut(line, " ")
		record, err := event.ParseRecord([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		tx := plugin.Begin(t.Context())
		if err := o.Accept(tx, tag, event.Stream{{Time: event.Time{Sec: 1600000000}, Record: record}}); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ready()
	cancel()
	<-done
	if err := o.Close(context.Background()); err != nil {
		t.Error(err)
	}
	return log
}

// filesOf is what stands in a folder, "name: text" sorted by name, unpacked.
func filesOf(t *testing.T, dir string) string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		all = append(all, name+": "+strings.ReplaceAll(strings.TrimSuffix(unpacked(t, text), "\n"), "\n", " | "))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, "\n")
}

func unpacked(t *testing.T, text []byte) string {
	t.Helper()
	var r io.Reader = bytes.NewReader(text)
	switch {
	case bytes.HasPrefix(text, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		r = z
	case bytes.HasPrefix(text, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		r = z
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(plain)
}

// noteChunk is a chunk whose note can be looked at.
type noteChunk struct {
	id   byte
	body string
	note map[string]string
}

func (c *noteChunk) ID() event.ChunkID { return event.ChunkID{c.id} }
func (c *noteChunk) Meta() event.Meta  { return event.Meta{} }
func (c *noteChunk) Events() int       { return strings.Count(c.body, "\n") }
func (c *noteChunk) Open() (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(c.body)), nil
}

func (c *noteChunk) OpenStored() (io.ReadCloser, string, error) {
	r, err := c.Open()
	return r, "text", err
}
func (c *noteChunk) Note() (map[string]string, bool)   { return c.note, c.note != nil }
func (c *noteChunk) SetNote(n map[string]string) error { c.note = n; return nil }

// tagged is a noteChunk with a tag.
type tagged struct {
	noteChunk
	tag string
}

func (c *tagged) Meta() event.Meta {
	return event.Meta{Tag: c.tag, HasTag: true, ChunkID: c.ID()}
}

// writeBoth hands a secondary one chunk of tag a and one of tag b.
func writeBoth(t *testing.T, o interface{ write(chunk) error }) {
	t.Helper()
	for i, tag := range []string{"a", "b"} {
		c := &tagged{noteChunk{id: byte(i + 1), body: fmt.Sprintf("{\"n\":%d}\n", i+1)}, tag}
		if err := o.write(c); err != nil {
			t.Fatal(err)
		}
	}
}
