package handler

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/sluicelog/sluice/internal/teleport"
	"github.com/sluicelog/sluice/internal/teleport/teleporttest"
)

// BenchmarkPipeline is the handler whole: a simulated cluster is read in bulk and
// posted over TLS to a server that throws events away. All share the machine.
func BenchmarkPipeline(b *testing.B) {
	for name, offer := range map[string]string{"single": "", "batches": "200"} {
		b.Run(name, func(b *testing.B) {
			srv, err := teleporttest.Start(b.Context(), teleporttest.Options{Dir: b.TempDir(), Mode: teleporttest.Bulk, Start: begin, UploadEvery: -1})
			if err != nil {
				b.Fatal(err)
			}
			defer srv.Close()
			srv.Generate(b.N)
			c, err := teleport.Dial(b.Context(), teleport.Config{Addr: srv.Addr(), Identity: srv.IdentityPath()})
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			sink := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				if offer != "" {
					w.Header().Set("Sluice-Batch", offer)
				}
			}))
			defer sink.Close()
			cfg := testConfig(b.TempDir(), c)
			src, err := openSource(cfg, &cfg.start)
			if err != nil {
				b.Fatal(err)
			}
			d := newTestDelivery(b, func(s *StartCmd) { trust(b, s, sink) }, sink.URL+"/test.log")
			d.ack = src.Ack
			b.ReportAllocs()
			b.ResetTimer()
			events := make(chan *Read, maxUnsettled)
			done := make(chan error, 1)
			go func() { done <- d.run(b.Context(), b.Context(), events) }()
			err = src.Run(b.Context(), func(_ context.Context, r *Read) error { events <- r; return nil })
			close(events)
			if sent := <-done; err != nil || sent != nil {
				b.Fatal(err, sent)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
