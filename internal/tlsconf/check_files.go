package tlsconf

import (
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/sluicelog/sluice/internal/metrics"
	"github.com/sluicelog/sluice/internal/param"
)

// ErrEnded means that a certificate is past its time: a server starts with it, and
// no client takes it.
var ErrEnded = errors.New("the certificate has ended")

// CheckFiles says what Open would refuse, and what has ended by now. Files that are
// not to be read here are no error: a check may run on another machine than the
// server, or as another user.
func (s *Server) CheckFiles(now time.Time) error {
	if !s.TLS() {
		return nil
	}
	l := newLive(s, slog.New(slog.DiscardHandler), metrics.New())
	for _, path := range l.paths() {
		if path != "" && !readable(path) {
			return nil
		}
	}
	m, err := l.read(take(l.paths()...))
	if err != nil {
		return err
	}
	for _, e := range m.ends {
		if name, ok := map[string]string{"server": "cert_path", "ca": "ca_path"}[e.use]; ok && e.at.Before(now) {
			return param.Errorf(name, "make a new one: `handler configure --yes` makes the whole set", "%s: %w at %s", e.file, ErrEnded, e.at.UTC().Format(time.RFC3339))
		}
	}
	return nil
}

func readable(path string) bool {
	f, err := os.Open(path)
	if err == nil {
		_ = f.Close() // nothing was written
	}
	return err == nil
}
