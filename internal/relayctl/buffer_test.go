package relayctl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/event"
)

// folderOf opens a file buffer keyed by tag, time and the field user.
func folderOf(t *testing.T, path string) *buffer.Buffer {
	t.Helper()
	c := buffer.DefaultConfig()
	c.Type, c.Path, c.ChunkKeys, c.MinFree = "file", path, "tag,time,user", 1
	c.Timekey = 60_000_000_000
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	b, err := buffer.Open(c, buffer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close(context.Background()) })
	return b
}

func put(t *testing.T, b *buffer.Buffer, tag string, lines ...string) {
	t.Helper()
	g := buffer.Group{Meta: event.Meta{
		Tag: tag, HasTag: true, Timekey: 1_700_000_040, HasTimekey: true,
		Variables: []event.Variable{{Key: "user", Value: "u1"}},
	}}
	for _, line := range lines {
		g.Body = append(g.Body, line+"\n"...)
		g.Ends = append(g.Ends, len(g.Body))
	}
	if err := b.Append(context.Background(), &buffer.Batch{Groups: []buffer.Group{g}}); err != nil {
		t.Fatal(err)
	}
}

// command runs `relay buffer` and returns what it prints.
func command(t *testing.T, b Buffer, name, dir string, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	b.Out = &out
	err := b.Run(name, dir, args)
	return out.String(), err
}

func mustRun(t *testing.T, b Buffer, name, dir string, args ...string) string {
	t.Helper()
	out, err := command(t, b, name, dir, args...)
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return out
}

// TestLiveFolder: a relay may run on the folder for all that only looks, and must
// not for what changes it.
func TestLiveFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "buf")
	b := folderOf(t, dir)
	put(t, b, "queued", "one", "two")
	b.EnqueueAll()
	put(t, b, "staged", "three")
	var all []listed
	if err := json.Unmarshal([]byte(mustRun(t, Buffer{JSON: true}, "ls", dir)), &all); err != nil {
		t.Fatal(err)
	}
	if len(all) != 2 || all[0].State != "queued" || *all[0].Tag != "queued" || all[0].Events != 2 || !all[0].Sealed ||
		*all[0].Timekey != 1_700_000_040 || all[0].Variables["user"] != "u1" || all[1].State != "staged" || all[1].Bytes != 6 {
		t.Errorf("ls --json: %+v", all)
	}
	for name, want := range map[string]string{
		"ls": "queued", "show": "user = u1", "cat": "one\ntwo\n", "verify": "2 chunks, 0 damaged\n",
	} {
		args := map[string][]string{"show": {all[0].ID[:31]}, "cat": {all[0].ID}}[name]
		if got := mustRun(t, Buffer{}, name, dir, args...); !strings.Contains(got, want) {
			t.Errorf("%s: %q", name, got)
		}
	}
	for _, name := range []string{"requeue", "drop"} {
		if _, err := command(t, Buffer{Yes: true}, name, dir, "all"); err == nil || !strings.Contains(err.Error(), "stop the relay first") {
			t.Errorf("%s on a live folder: %v", name, err)
		}
	}
}

// TestRequeue: a chunk that went to the backup folder comes back as it was: tag,
// slice of time and fields decide where its object goes.
func TestRequeue(t *testing.T) {
	for _, name := range []string{"mine.*.log", "mine.*.buf"} { // .buf is how Fluentd's own files end there
		t.Run(name, func(t *testing.T) { requeueOne(t, filepath.Join(t.TempDir(), name)) })
	}
}

func requeueOne(t *testing.T, dir string) {
	t.Helper()
	b := folderOf(t, dir)
	put(t, b, "audit", "one", "two")
	b.EnqueueAll()
	c, _ := b.Dequeue()
	if _, err := b.Backup(c, "no such bucket"); err != nil {
		t.Fatal(err)
	}
	_ = b.Close(context.Background())
	folder := filepath.Dir(dir)
	aside := filepath.Join(folder, "backup", "mine.b"+c.ID().String()+".log") // Fluentd's, with a broken meta file
	if err := os.WriteFile(aside, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	unknown := filepath.Join(folder, "backup", strings.Repeat("f", 32)+".log") // its line of the index is gone
	if err := os.WriteFile(unknown, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := command(t, Buffer{}, "requeue", folder, "0000"); err == nil {
		t.Error("requeued what is not there")
	}
	if got := mustRun(t, Buffer{}, "requeue", folder, "all"); !strings.Contains(got, "requeued 1 chunk") || !strings.Contains(got, "left "+filepath.Base(unknown)) {
		t.Errorf("requeue: %q", got)
	}
	again, ok := folderOf(t, dir).Dequeue()
	if !ok {
		t.Fatal("nothing came back")
	}
	m := again.Meta()
	if again.ID() != c.ID() || m.Tag != "audit" || m.Timekey != 1_700_000_040 || len(m.Variables) != 1 || event.Text(m.Variables[0].Value) != "u1" {
		t.Errorf("came back as %s %+v", again.ID(), m)
	}
	r, err := again.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if text, err := io.ReadAll(r); string(text) != "one\ntwo\n" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
}

// TestStoppedFolder: export writes what Fluentd reads, verify finds damage, drop
// needs to be told twice.
func TestStoppedFolder(t *testing.T) {
	dir, out := filepath.Join(t.TempDir(), "buf"), filepath.Join(t.TempDir(), "out")
	b := folderOf(t, dir)
	put(t, b, "audit", "one", "two")
	b.EnqueueAll()
	_ = b.Close(context.Background())
	mustRun(t, Buffer{}, "export", dir, out)
	if logs, _ := filepath.Glob(filepath.Join(out, "buffer.q*.log")); len(logs) != 1 {
		t.Errorf("exported %v", logs)
	} else if text, _ := os.ReadFile(logs[0]); string(text) != "one\ntwo\n" {
		t.Errorf("exported %q", text)
	}
	back := folderOf(t, out)
	if c, ok := back.Dequeue(); !ok || c.Meta().Tag != "audit" || c.Meta().Timekey != 1_700_000_040 {
		t.Errorf("the export cannot be read back: %v", ok)
	}
	path, _ := filepath.Glob(filepath.Join(dir, "*.chunk"))
	id := filepath.Base(path[0])[len("buffer.q"):][:10]
	text, _ := os.ReadFile(path[0])
	text[bytes.Index(text, []byte("two"))] ^= 1
	if err := os.WriteFile(path[0], text, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := command(t, Buffer{}, "verify", dir); !errors.Is(err, errDamaged) || !strings.Contains(got, "checksum differs") {
		t.Errorf("verify: %v, %q", err, got)
	}
	if _, err := command(t, Buffer{}, "drop", dir, id); err == nil || !strings.Contains(err.Error(), "--yes") {
		t.Errorf("drop: %v", err)
	}
	mustRun(t, Buffer{Yes: true}, "drop", dir, id)
	if got := mustRun(t, Buffer{}, "ls", dir); !strings.Contains(got, "no chunks") {
		t.Errorf("after the drop: %q", got)
	}
}
