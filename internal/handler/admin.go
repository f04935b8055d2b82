package handler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluicelog/sluice/internal/metrics"
)

// adminServer serves /metrics, /healthz, /readyz and /status. Nothing that it
// tells holds an event's content.
type adminServer struct {
	addr    string // "off" serves nothing
	health  *health
	metrics *metrics.Registry
	log     *slog.Logger
	version string
	began   time.Time
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

// close lets go of the address.
func (s *adminServer) close() error {
	if s.ln == nil {
		return nil
	}
	if err := s.ln.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
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
	mux.HandleFunc("GET /status", s.status)
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

// ProcessStatus is what a running handler says of itself at /status.
type ProcessStatus struct {
	Version  string             `json:"version"`
	PID      int                `json:"pid"`
	Since    time.Time          `json:"since"`
	Ready    bool               `json:"ready"`
	Problems []string           `json:"problems,omitempty"`
	Numbers  map[string]float64 `json:"numbers"` // the handler_* metrics, labels added up
	Ends     map[string]float64 `json:"ends"`    // Unix seconds when certificates end, by file or "teleport"
}

func (s *adminServer) status(w http.ResponseWriter, _ *http.Request) {
	p := ProcessStatus{Version: s.version, PID: os.Getpid(), Since: s.began.UTC(), Problems: s.health.problems()}
	p.Ready = len(p.Problems) == 0
	var err error
	if p.Numbers, p.Ends, err = numbers(s.metrics.Gatherer()); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(p)
}

// numbers are the handler's metrics by name, those of several labels added up,
// and the ends of certificates.
func numbers(g prometheus.Gatherer) (all, ends map[string]float64, err error) {
	families, err := g.Gather()
	if err != nil {
		return nil, nil, fmt.Errorf("gather metrics: %w", err)
	}
	all, ends = map[string]float64{}, map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			v := m.GetCounter().GetValue() + m.GetGauge().GetValue() + m.GetHistogram().GetSampleSum()
			switch name := f.GetName(); {
			case strings.HasSuffix(name, "_expiry_seconds"):
				if labels := m.GetLabel(); len(labels) > 0 {
					ends[labels[0].GetValue()] = v
				}
			case strings.HasPrefix(name, "handler_"):
				all[name] += v
			}
		}
	}
	return all, ends, nil
}
