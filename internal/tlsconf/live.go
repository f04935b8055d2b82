package tlsconf

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluicelog/sluice/internal/metrics"
)

// watchInterval is how often files are looked at. A look is a stat a file; it
// sees symbolic links that were swapped, and works on every file system.
const watchInterval = 500 * time.Millisecond

// live is a server's configuration that follows its files.
type live struct {
	server  *Server
	log     *slog.Logger
	current atomic.Pointer[tls.Config]
	seen    []stamp

	expiry  *prometheus.GaugeVec
	reloads *prometheus.CounterVec
	failed  *prometheus.CounterVec
	warned  time.Duration // the least of the steps that was warned about
}

func newLive(s *Server, log *slog.Logger, m *metrics.Registry) (*live, error) {
	l := &live{
		server: s, log: log,
		expiry:  m.Gauge("relay_tls_certificate_expiry_seconds", "When a certificate ends, Unix seconds.", "file"),
		reloads: m.Counter("relay_tls_reloads_total", "Times that certificates were read again.", "result"),
		failed:  m.Counter("relay_tls_handshake_errors_total", "Handshakes that failed, by reason.", "reason"),
	}
	l.seen = stamps(l.files())
	if err := l.load(); err != nil {
		return nil, err
	}
	l.warnExpiry()
	return l, nil
}

func (l *live) files() []string {
	s := l.server
	files := []string{}
	for _, path := range []string{s.certPath, s.keyPath, s.caPath, s.caCertPath, s.caKeyPath} {
		if path == "" {
			continue
		}
		if inner, err := filesOf(path); err == nil {
			files = append(files, inner...)
		}
		files = append(files, path)
	}
	return files
}

// load reads the files and puts the new configuration in place.
func (l *live) load() error {
	s := l.server
	var pair *tls.Certificate
	var err error
	if s.certPath != "" {
		pair, err = readPair(s.certPath, s.keyPath, s.passphrase)
	} else {
		pair, err = s.selfMade()
	}
	if err != nil {
		return err
	}
	var clients *x509.CertPool
	if s.caPath != "" {
		if clients, _, err = readPool(s.caPath); err != nil {
			return err
		}
	}
	config, err := s.config(pair, clients)
	if err != nil {
		return err
	}
	l.current.Store(config)
	if pair.Leaf != nil {
		l.expiry.WithLabelValues(s.certPath).Set(float64(pair.Leaf.NotAfter.Unix()))
	}
	return nil
}

// listen accepts connections with whatever configuration is the present one.
func (l *live) listen(ln net.Listener, handshakes int) net.Listener {
	outer := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return l.current.Load(), nil },
		NextProtos:         []string{"http/1.1"},
	}
	return &listener{Listener: ln, config: outer, slots: make(chan struct{}, max(handshakes, 1)), live: l}
}

// Watch follows the files until ctx ends.
func (s *Server) Watch(ctx context.Context) error {
	if s.live == nil {
		<-ctx.Done()
		return nil
	}
	return s.live.watch(ctx)
}

func (l *live) watch(ctx context.Context) error {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		l.warnExpiry()
		now := stamps(l.files())
		if equalStamps(now, l.seen) {
			continue
		}
		l.seen = now
		if err := l.load(); err != nil {
			l.reloads.WithLabelValues("failed").Inc()
			l.log.Error("certificates changed and can not be used; the old ones stay", "error", err)
			continue
		}
		l.reloads.WithLabelValues("ok").Inc()
		l.warned = 0
		l.log.Info("certificates were read again", "certificate", l.server.certPath)
	}
}

// expirySteps is when the end of a certificate is warned about.
var expirySteps = []time.Duration{24 * time.Hour, 7 * 24 * time.Hour, 30 * 24 * time.Hour}

func (l *live) warnExpiry() {
	config := l.current.Load()
	if len(config.Certificates) == 0 || config.Certificates[0].Leaf == nil {
		return
	}
	end := config.Certificates[0].Leaf.NotAfter
	left := time.Until(end)
	for _, step := range expirySteps {
		if left > step {
			continue
		}
		if l.warned == 0 || step < l.warned {
			l.warned = step
			l.log.Warn(fmt.Sprintf("certificate ends in %.1f days", left.Hours()/24), "certificate", l.server.certPath, "end", end)
		}
		return
	}
}

// stamp is what changes when a file does.
type stamp struct {
	path string
	time time.Time
	size int64
	info os.FileInfo
}

func stamps(files []string) []stamp {
	var all []stamp
	for _, path := range files {
		if info, err := os.Stat(path); err == nil {
			all = append(all, stamp{path, info.ModTime(), info.Size(), info})
		}
	}
	return all
}

func equalStamps(a, b []stamp) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].path != b[i].path || !a[i].time.Equal(b[i].time) || a[i].size != b[i].size || !os.SameFile(a[i].info, b[i].info) {
			return false
		}
	}
	return true
}
