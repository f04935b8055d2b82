package handler

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/sluicelog/sluice/internal/teleport"
	"github.com/sluicelog/sluice/internal/teleport/teleporttest"
)

// BenchmarkSource reads from a simulated cluster over TLS and acknowledges at
// once; cluster and handler share the machine.
func BenchmarkSource(b *testing.B) {
	for name, mode := range modes {
		b.Run(name, func(b *testing.B) {
			srv, err := teleporttest.Start(b.Context(), teleporttest.Options{Dir: b.TempDir(), Mode: mode, Start: begin})
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
			cfg := testConfig(b.TempDir(), c)
			cfg.batch, cfg.log, cfg.window = 500, slog.New(slog.DiscardHandler), 72*time.Hour
			src, err := openSource(cfg, &cfg.start)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.ResetTimer()
			if err := src.Run(b.Context(), func(_ context.Context, r *Read) error { src.Ack(r); return nil }); err != nil {
				b.Fatal(err)
			}
			if err := src.Close(); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
