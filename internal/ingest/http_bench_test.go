package ingest

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"testing"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/metrics"
	"github.com/sluicelog/sluice/internal/plugin"
)

// taken is a pipeline that is done at once.
type taken struct{ events int }

func (t *taken) Emit(_ context.Context, _ string, es event.Stream) error {
	t.events += len(es)
	return nil
}

// answer is a ResponseWriter without a connection.
type answer struct {
	head   http.Header
	status int
}

func (a *answer) Header() http.Header         { return a.head }
func (a *answer) Write(p []byte) (int, error) { return len(p), nil }
func (a *answer) WriteHeader(status int)      { a.status = status }

var teleportEvent = []byte(`{"ei":0,"event":"session.start","uid":"55dc09f3-5c85-4c05-9a40-6a2b0a1a2b3c","code":"T2000I","cluster_name":"teleport.example.com","user":"alice@example.com","login":"root","user_kind":1,"sid":"e0a5b5d1-3f5a-4f0c-9d43-5f8f4fb7a3a5","private_key_policy":"none","server_version":"17.2.0","namespace":"default","server_id":"9f1c1a0e-77f7-4d6a-8b56-0f9d6c1c2d11","server_hostname":"node-1.example.com","server_addr":"10.1.2.3:3022","server_labels":{"env":"prod","team":"core"},"proto":"ssh","addr.remote":"203.0.113.7:50432","size":"80:25","initial_command":null,"session_recording":"node"}`)

// BenchmarkPost is what a request costs between net/http and the pipeline.
func BenchmarkPost(b *testing.B) {
	batch := append([]byte{'['}, bytes.Repeat(append(bytes.Clone(teleportEvent), ','), 100)...)
	batch[len(batch)-1] = ']'
	for _, c := range []struct {
		name string
		body []byte
		each int
	}{{"single", teleportEvent, 1}, {"array100", batch, 100}} {
		b.Run(c.name, func(b *testing.B) { benchPost(b, c.body, c.each) })
	}
}

func benchPost(b *testing.B, body []byte, each int) {
	env := plugin.Env{ID: "bench", Log: slog.New(slog.DiscardHandler), Metrics: metrics.New()}
	in := NewHTTP(env).(*inHTTP)
	in.bodyLimit, in.memory, in.counts, in.parser = 1<<20, newMemory(1<<26, 0), newHTTPCounts(env, in.tally), &byType{timeKey: "time"}
	in.decode = newDecoder(in)
	pipeline := &taken{}
	handler := in.routes(pipeline)
	reader := bytes.NewReader(body)
	r, err := http.NewRequest(http.MethodPost, "/test.log", io.NopCloser(reader))
	if err != nil {
		b.Fatal(err)
	}
	r.RequestURI, r.ContentLength = "/test.log", int64(len(body))
	r.Header.Set("Content-Type", "application/json")
	w := &answer{head: http.Header{}}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		reader.Reset(body)
		handler.ServeHTTP(w, r)
	}
	if w.status != http.StatusOK || pipeline.events < each {
		b.Fatalf("answered %d, took %d events", w.status, pipeline.events)
	}
}
