package buffer_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/tinylib/msgp/msgp"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/buffer/crashfs"
)

const fluentID = "66a24181e4000656d90936a8965e2fc8"

// fluentMeta is a .meta file as Fluentd 1.19 writes it.
func fluentMeta(t *testing.T, id, tag string, timekey int64, events int) []byte {
	t.Helper()
	raw, err := hex.DecodeString(id)
	if err != nil {
		t.Fatal(err)
	}
	b := msgp.AppendMapHeader(nil, 8)
	b = msgp.AppendString(b, "timekey")
	if timekey > 0 {
		b = msgp.AppendInt64(b, timekey)
	} else {
		b = msgp.AppendNil(b)
	}
	b = msgp.AppendString(b, "tag")
	if tag != "" {
		b = msgp.AppendBytes(b, []byte(tag))
	} else {
		b = msgp.AppendNil(b)
	}
	b = msgp.AppendMapHeader(msgp.AppendString(b, "variables"), 1)
	b = msgp.AppendString(msgp.AppendString(b, "host"), "web-1")
	b = msgp.AppendInt(msgp.AppendString(b, "seq"), 0)
	b = msgp.AppendBytes(msgp.AppendString(b, "id"), raw)
	b = msgp.AppendInt(msgp.AppendString(b, "s"), events)
	b = msgp.AppendInt(msgp.AppendString(b, "c"), 1_600_000_000)
	b = msgp.AppendInt(msgp.AppendString(b, "m"), 1_600_000_001)
	return append(binary.BigEndian.AppendUint32([]byte{0xc1, 0}, uint32(len(b))), b...)
}

func gzipped(t *testing.T, texts ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	for _, text := range texts { // one member for each append, as Fluentd does
		z := gzip.NewWriter(&out)
		if _, err := z.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

func fluentFolder(t *testing.T, files map[string][]byte) *crashfs.Disk {
	t.Helper()
	disk := newDisk(70)
	d := disk.FS()
	for _, dir := range []string{"/var", folder, folder + "/worker0", folder + "/worker1"} {
		if err := d.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range files {
		writeBytes(t, disk, folder+"/"+name, text)
	}
	return disk
}

func names(t *testing.T, disk *crashfs.Disk, dir string) string {
	t.Helper()
	entries, err := disk.FS().ReadDir(dir)
	if err != nil {
		return ""
	}
	var all []string
	for _, e := range entries {
		if !e.Dir && e.Name != "index.jsonl" {
			all = append(all, e.Name)
		}
	}
	return strings.Join(all, " ")
}

func TestFluentdFolder(t *testing.T) {
	id := func(n int) string { return fmt.Sprintf("%s%02x", fluentID[:30], n) }
	torn := gzipped(t, "p1\n", "p2\n")
	for name, c := range map[string]struct {
		files      map[string][]byte
		change     func(*buffer.Config)
		want       []string
		inBackup   string
		left       string
		wantEvents int
	}{
		"staged and queued with meta": {
			files: map[string][]byte{
				"buffer.b" + id(1) + ".log": []byte("s1\ns2\n"), "buffer.b" + id(1) + ".log.meta": fluentMeta(t, id(1), "app", 1_600_000_000, 2),
				"buffer.q" + id(2) + ".log": []byte("q1\n"), "buffer.q" + id(2) + ".log.meta": fluentMeta(t, id(2), "db", 0, 1),
			},
			want: []string{"app: s1 s2", "db: q1"},
		},
		"without meta": {
			files: map[string][]byte{"buffer.b" + id(1) + ".log": []byte("x\n")},
			want:  []string{": x"},
		},
		"cut off in the middle, sent as it is": {
			files: map[string][]byte{"buffer.b" + id(1) + ".log": []byte("x\nhal"), "buffer.b" + id(1) + ".log.meta": fluentMeta(t, id(1), "app", 0, 2)},
			want:  []string{"app: x hal"},
		},
		"meta cut off": {
			files:    map[string][]byte{"buffer.b" + id(1) + ".log": []byte("x\n"), "buffer.b" + id(1) + ".log.meta": fluentMeta(t, id(1), "app", 0, 2)[:20]},
			inBackup: "buffer.b" + id(1) + ".log buffer.b" + id(1) + ".log.meta",
		},
		"empty": {
			files:    map[string][]byte{"buffer.q" + id(1) + ".log": nil, "buffer.q" + id(1) + ".log.meta": fluentMeta(t, id(1), "app", 0, 2)},
			inBackup: "buffer.q" + id(1) + ".log buffer.q" + id(1) + ".log.meta",
		},
		"gzip": {
			files: map[string][]byte{"buffer.q" + id(1) + ".log": gzipped(t, "g1\n", "g2\n"), "buffer.q" + id(1) + ".log.meta": fluentMeta(t, id(1), "app", 0, 2)},
			want:  []string{"app: g1 g2"},
		},
		"gzip that breaks off": {
			files: map[string][]byte{
				"buffer.q" + id(1) + ".log": torn[:len(torn)-10], "buffer.q" + id(1) + ".log.meta": fluentMeta(t, id(1), "app", 0, 2),
			},
			want: []string{"app: p1 p2"}, inBackup: "buffer.q" + id(1) + ".log",
		},
		"several workers": {
			files: map[string][]byte{
				"worker0/buffer.b" + id(1) + ".log": []byte("w0\n"), "worker0/buffer.b" + id(1) + ".log.meta": fluentMeta(t, id(1), "app", 0, 1),
				"worker1/buffer.q" + id(2) + ".log": []byte("w1\n"), "worker1/buffer.q" + id(2) + ".log.meta": fluentMeta(t, id(2), "app", 0, 1),
			},
			want: []string{"app: w0", "app: w1"},
		},
		"file_single by tag": {
			files: map[string][]byte{"fsb.app%2Fx.y.b" + id(1) + ".buf": []byte("1\n2\n")},
			want:  []string{"app/x.y: 1 2"}, wantEvents: 2,
		},
		"path_suffix .chunk looks like ours": {
			files: map[string][]byte{
				"buffer.b" + id(1) + ".chunk": []byte("c\n"), "buffer.b" + id(1) + ".chunk.meta": fluentMeta(t, id(1), "app", 0, 1),
			},
			change: func(c *buffer.Config) { c.PathSuffix = ".chunk" },
			want:   []string{"app: c"},
		},
		"other files stay": {
			files: map[string][]byte{"buffer.b" + id(1) + ".log.tmp": []byte("x"), "buffer.bnothex.log": []byte("y"), "hello.txt": []byte("z")},
			left:  "buffer.b" + id(1) + ".log.tmp buffer.bnothex.log hello.txt",
		},
	} {
		t.Run(name, func(t *testing.T) {
			disk := fluentFolder(t, c.files)
			cfg := config()
			if c.change != nil {
				c.change(&cfg)
			}
			b := open(t, cfg, buffer.Options{FS: disk.FS()})
			if c.wantEvents > 0 {
				chunk, _ := b.Dequeue()
				if chunk.Events() != c.wantEvents {
					t.Errorf("%d events, want %d", chunk.Events(), c.wantEvents)
				}
				b.TakeBack(chunk)
			}
			wantChunks(t, b, c.want...)
			if got := names(t, disk, folder+"/backup"); got != c.inBackup {
				t.Errorf("in the backup: %q, want %q", got, c.inBackup)
			}
			if got := names(t, disk, folder); got != c.left {
				t.Errorf("left in the folder: %q, want %q", got, c.left)
			}
			if got := names(t, disk, folder+"/worker0") + names(t, disk, folder+"/worker1"); got != "" {
				t.Errorf("left with the workers: %q", got)
			}
			if s := b.Stats(); s.Used != s.BackupBytes {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestFluentdMeta(t *testing.T) {
	disk := fluentFolder(t, map[string][]byte{
		"buffer.b" + fluentID + ".log": []byte("x\ny\n"), "buffer.b" + fluentID + ".log.meta": fluentMeta(t, fluentID, "app", 1_600_000_020, 7),
	})
	b := open(t, config(), buffer.Options{FS: disk.FS()})
	c, ok := b.Dequeue()
	if !ok {
		t.Fatal("nothing was taken over")
	}
	m := c.Meta()
	if c.ID().String() != fluentID || m.ChunkID != c.ID() || m.Tag != "app" || m.Timekey != 1_600_000_020 || !m.HasTimekey {
		t.Errorf("taken over as %s, %+v", c.ID(), m)
	}
	if len(m.Variables) != 1 || m.Variables[0].Key != "host" || m.Variables[0].Value != "web-1" {
		t.Errorf("variables %+v", m.Variables)
	}
	if c.Events() != 7 || c.Created().Unix() != 1_600_000_000 {
		t.Errorf("%d events of %v", c.Events(), c.Created())
	}
	// It is a chunk like any other now: notes survive.
	if err := c.SetNote(map[string]string{"key": "k"}); err != nil {
		t.Fatal(err)
	}
	disk.PowerCut()
	b = open(t, config(), buffer.Options{FS: disk.FS()})
	c, _ = b.Dequeue()
	if note, _ := c.Note(); note["key"] != "k" || c.ID().String() != fluentID {
		t.Errorf("after a restart: chunk %s with note %v", c.ID(), note)
	}
}

// TestInterruptedAdoption: a crash at any step of taking over a chunk neither
// loses it nor makes two of it.
func TestInterruptedAdoption(t *testing.T) {
	for seed := range uint64(120) {
		disk := fluentFolder(t, map[string][]byte{
			"buffer.b" + fluentID + ".log": []byte("x\ny\n"), "buffer.b" + fluentID + ".log.meta": fluentMeta(t, fluentID, "app", 0, 2),
		})
		b := open(t, config(), buffer.Options{FS: disk.FS()})
		steps := int(seed % 15)
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
		wantChunks(t, open(t, config(), buffer.Options{FS: disk.FS()}), "app: x y")
		if left := names(t, disk, folder); left != "" {
			t.Fatalf("seed %d: left over: %s", seed, left)
		}
	}
}

// TestAdoptionOrder: the original goes only when the copy's name is durable.
func TestAdoptionOrder(t *testing.T) {
	disk := fluentFolder(t, map[string][]byte{"buffer.b" + fluentID + ".log": []byte("x\n")})
	b := open(t, config(), buffer.Options{FS: disk.FS()})
	var order []string
	disk.Inject(func(op crashfs.Op, path string) error {
		switch {
		case op == crashfs.Sync, op == crashfs.Rename, op == crashfs.SyncDir, op == crashfs.Remove && strings.HasSuffix(path, ".log"):
			order = append(order, string(op))
		}
		return nil
	})
	b.Dequeue()
	disk.Inject(nil)
	if got := strings.Join(order, " "); !strings.HasPrefix(got, "sync rename syncdir remove") {
		t.Errorf("order is %s", got)
	}
}
