package tlsconf

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluicelog/sluice/internal/metrics"
)

var errNotAllowed = errors.New("no <client_cert> rule fits the client's certificate")

// describe names a certificate by what rules look at.
func describe(c *x509.Certificate) string {
	text := c.Subject.String()
	if len(c.DNSNames) > 0 {
		text += ", DNS " + strings.Join(c.DNSNames, " ")
	}
	for _, u := range c.URIs {
		text += ", URI " + u.String()
	}
	return text
}

// failures counts handshakes that failed, and says so now and then: whoever can
// reach the port can make as many as they like.
type failures struct {
	log   *slog.Logger
	count *prometheus.CounterVec

	mu   sync.Mutex
	said map[string]*said // by reason: they are few
}

type said struct {
	at      time.Time
	skipped int
}

// failureInterval is how often each reason is logged.
const failureInterval = 10 * time.Second

func newFailures(log *slog.Logger, m *metrics.Registry) *failures {
	return &failures{
		log: log, said: map[string]*said{},
		count: m.Counter("relay_tls_handshake_errors_total", "TLS handshakes that failed, by reason.", "reason"),
	}
}

// note counts a failed handshake and logs it, in Fluentd's words, unless its
// reason was logged just now. A client that closes before it has said a word is a
// probe of the port, and none.
func (f *failures) note(err error, from net.Addr, spoke bool) {
	if !spoke && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, net.ErrClosed)) {
		return
	}
	why := reason(err)
	f.count.WithLabelValues(why).Inc()
	skipped, ok := f.allow(why, time.Now())
	if !ok {
		return
	}
	args := []any{"addr", from.String(), "reason", why, "error", err}
	if tcp, ok := from.(*net.TCPAddr); ok {
		args = append([]any{"addr", tcp.IP.String(), "port", tcp.Port}, args[2:]...)
	}
	if skipped > 0 {
		args = append(args, "repeated", skipped)
	}
	f.log.Warn("unexpected error before accepting TLS connection", args...)
}

func (f *failures) allow(why string, now time.Time) (skipped int, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.said[why]
	if s == nil {
		f.said[why] = &said{at: now}
		return 0, true
	}
	if now.Sub(s.at) < failureInterval {
		s.skipped++
		return 0, false
	}
	skipped, s.skipped, s.at = s.skipped, 0, now
	return skipped, true
}

// reason is the metric's label: one of a fixed set.
func reason(err error) string {
	var (
		invalid x509.CertificateInvalidError
		unknown x509.UnknownAuthorityError
		record  tls.RecordHeaderError
		op      *net.OpError
	)
	switch {
	case errors.Is(err, errNotAllowed):
		return "not_allowed"
	case errors.Is(err, errRevoked):
		return "revoked"
	case errors.Is(err, errNoStatus):
		return "no_status"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "expired"
	case errors.As(err, &invalid) && invalid.Reason == x509.IncompatibleUsage:
		return "wrong_usage"
	case errors.As(err, &invalid):
		return "invalid_certificate"
	case errors.As(err, &unknown):
		return "unknown_authority"
	case errors.As(err, &record):
		return "no_tls"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "timeout"
	case errors.As(err, &op) && op.Op == "remote error":
		return "refused_by_client" // an alert: it does not like our certificate, say
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, net.ErrClosed):
		return "closed"
	}
	return reasonByText(err.Error())
}

// reasonByText knows the errors of crypto/tls that have no type.
func reasonByText(text string) string {
	for _, known := range []struct{ part, reason string }{
		{"didn't provide a certificate", "no_certificate"},
		{"protocol version", "version"},
		{"unsupported versions", "version"},
		{"no cipher suite", "cipher"},
	} {
		if strings.Contains(text, known.part) {
			return known.reason
		}
	}
	return "other"
}
