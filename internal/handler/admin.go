package handler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/sluicelog/sluice/internal/metrics"
)

// adminServer serves /metrics, /healthz and /readyz.
type adminServer struct {
	addr    string // "off" serves nothing
	health  *health
	metrics *metrics.Registry
	log     *slog.Logger
	ln      net.Listener
}

func (s *adminServer) listen(ctx context.Context) error {
	if s.addr == "" || s.addr == "off" {
		return nil
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", s.addr)
	if err != nil {
		return fmt.Errorf("listen on metrics address: %w; choose another with --metrics-addr, or off", err)
	}
	s.ln = ln
	return nil
}

func (s *adminServer) run(ctx context.Context) error {
	if s.ln == nil {
		<-ctx.Done()
		return nil
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.metrics.Handler())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", s.ready)
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	if err := srv.Serve(s.ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (s *adminServer) ready(w http.ResponseWriter, _ *http.Request) {
	problems := s.health.problems()
	if len(problems) == 0 {
		_, _ = w.Write([]byte("ready\n"))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusServiceUnavailable)
	_ = json.NewEncoder(w).Encode(map[string]any{"ready": false, "problems": problems})
}
