package buffer

import (
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/sluicelog/sluice/internal/event"
)

func TestSmoke(t *testing.T) {
	for _, typ := range []string{"file", "memory"} {
		for _, comp := range []string{"text", "gzip", "zstd"} {
			cfg := DefaultConfig()
			cfg.Type, cfg.Path, cfg.ChunkKeys, cfg.Compress = typ, t.TempDir()+"/buf", "tag", comp
			if err := cfg.Check(); err != nil {
				t.Fatal(err)
			}
			b, err := Open(cfg, Options{})
			if err != nil {
				t.Fatal(err)
			}
			for i := range 10 {
				body := fmt.Sprintf("event %d\n", i)
				if err := b.Append(context.Background(), &Batch{Groups: []Group{{Meta: event.Meta{Tag: "a", HasTag: true}, Body: []byte(body), Ends: []int{len(body)}}}}); err != nil {
					t.Fatal(err)
				}
			}
			if typ == "file" {
				b.Close(context.Background())
				if b, err = Open(cfg, Options{}); err != nil {
					t.Fatal(err)
				}
			}
			b.EnqueueAll()
			c, ok := b.Dequeue()
			if !ok {
				t.Fatal("no chunk")
			}
			if err := c.SetNote(map[string]string{"key": "x"}); err != nil {
				t.Fatal(err)
			}
			r, err := c.Open()
			if err != nil {
				t.Fatal(err)
			}
			all, err := io.ReadAll(r)
			if err != nil || c.Events() != 10 || len(all) != 80 {
				t.Fatal(len(all), c.Events(), err)
			}
			r.Close()
			if err := b.Purge(c); err != nil {
				t.Fatal(err)
			}
			t.Logf("%+v", b.Stats())
			if err := b.Close(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
	}
}
