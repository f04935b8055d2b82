// Package admin is the listener that operators look at: health, readiness and
// metrics. It is on 127.0.0.1:24220 unless the configuration says otherwise, and
// it never takes events.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/sluicelog/sluice/internal/metrics"
	"github.com/sluicelog/sluice/internal/status"
)

// Server serves the admin API.
type Server struct {
	Addr     string // "127.0.0.1:24220"; "off" serves nothing
	Explicit bool   // the user chose Addr: then failing to listen is an error
	Board    func() *status.Board
	Metrics  *metrics.Registry
	Log      *slog.Logger

	ln net.Listener
}

// Listen opens the address. A default address that is in use is only warned
// about: the admin API must not keep events from being taken.
func (s *Server) Listen(ctx context.Context) error {
	if s.Addr == "off" || s.Addr == "" {
		return nil
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", s.Addr)
	if err != nil && s.Explicit {
		return fmt.Errorf("listen on admin address %s: %w", s.Addr, err)
	}
	if err != nil {
		s.Log.Warn("admin API is off: its address is in use", "address", s.Addr, "cure", "choose another: --admin ADDR, RELAY_ADMIN or <system> admin_port")
		return nil
	}
	s.ln = ln
	return nil
}

// Run serves until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	if s.ln == nil {
		<-ctx.Done()
		return nil
	}
	return serve(ctx, s.ln, s.routes())
}

// serve answers until ctx ends, and then has a second to finish what is under way.
func serve(ctx context.Context, ln net.Listener, h http.Handler) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 60 * time.Second}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := srv.Shutdown(grace); err != nil {
		_ = srv.Close()
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (s *Server) routes() http.Handler {
	r := chi.NewRouter()
	r.Get("/healthz", func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "ok\n") })
	r.Get("/readyz", s.ready)
	r.Handle("/metrics", s.Metrics.Handler())
	r.Handle("/aggregated_metrics", s.Metrics.Handler())
	return r
}

// ready is 200 when everything works, else 503 with the reasons as JSON.
func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	problems := s.Board().Problems()
	if len(problems) == 0 {
		writeText(w, http.StatusOK, "ready\n")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusServiceUnavailable)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(map[string]any{"ready": false, "problems": problems})
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}
