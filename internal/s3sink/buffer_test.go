package s3sink

import (
	"context"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/s3sink/s3test"
)

// TestRealBuffer takes a chunk through a buffer on disk: noted, sent with the
// answer lost, the process gone, taken up by the next one, found stored, purged.
func TestRealBuffer(t *testing.T) {
	s := startServer(t, s3test.Options{})
	cfg := buffer.DefaultConfig()
	cfg.Type, cfg.Path, cfg.ChunkKeys, cfg.TimekeyUseUTC = "file", filepath.Join(t.TempDir(), "buf"), "tag", true
	if err := cfg.Check(); err != nil {
		t.Fatal(err)
	}
	open := func() *buffer.Buffer {
		b, err := buffer.Open(cfg, buffer.Options{ID: "s3"})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	take := func(b *buffer.Buffer) *buffer.Chunk {
		for {
			b.EnqueueAll()
			if c, ok := b.Dequeue(); ok {
				return c
			}
			select {
			case <-b.Ready():
			case <-t.Context().Done():
				t.Fatal("no chunk comes")
			}
		}
	}
	b := open()
	body := []byte("{\"n\":1}\n{\"n\":2}\n")
	batch := &buffer.Batch{Groups: []buffer.Group{{Meta: event.Meta{HasTag: true, Tag: "a"}, Body: body, Ends: []int{8, 16}}}}
	if err := b.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	o, _ := startOutput(t, s, "s3_object_key_format %{path}${tag}/%{index}.%{file_extension}")
	mustWrite(t, o, newChunk(0)) // proves
	s.SetScript(script(http.MethodPut, s3test.Fault{Status: 403, Stored: true}))
	c := take(b)
	id := c.ID().String()
	if err := o.Write(t.Context(), c); err == nil {
		t.Fatal("no error")
	}
	b.TakeBack(c)
	if err := b.Close(context.Background()); err != nil {
		t.Fatal(err)
	}

	b = open()
	defer b.Close(context.Background())
	o, _ = startOutput(t, s, "")
	c = take(b)
	if c.ID().String() != id {
		t.Fatalf("got chunk %s, want %s", c.ID(), id)
	}
	if err := o.Write(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if err := b.Purge(c); err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, obj := range s.Objects("b1") {
		if obj.ChunkID() != id {
			continue
		}
		found++
		data, err := s.Read("b1", obj.Key)
		if err != nil || unzip(t, data) != string(body) || obj.Key != "logs/a/0.gz" {
			t.Errorf("%s holds %q, %v", obj.Key, data, err)
		}
	}
	if found != 1 {
		t.Errorf("%d objects of the chunk", found)
	}
}
