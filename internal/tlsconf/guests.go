package tlsconf

import (
	"crypto/tls"
	"crypto/x509"
	"sync"
	"time"
)

// guests are the open connections whose client has shown a certificate. When the
// files change those are closed whose client would not come in any more: a client
// that keeps its connection open must not outlive its revocation.
type guests struct {
	live *live
	mu   sync.Mutex
	in   map[*conn]struct{}
}

// enter notes a connection, unless the files have changed during its handshake and
// it may not stay. Whoever changes them looks at all that are noted afterwards.
func (g *guests) enter(c *conn) error {
	g.mu.Lock()
	if g.in == nil {
		g.in = map[*conn]struct{}{}
	}
	g.in[c] = struct{}{}
	g.mu.Unlock()
	return g.mayStay(c, g.live.inUse.Load())
}

func (g *guests) leave(c *conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.in, c)
}

// review closes the connections that may not stay under m. Requests under way on
// them fail, which is the point.
func (g *guests) review(m *material) {
	g.mu.Lock()
	var all []*conn
	for c := range g.in {
		all = append(all, c)
	}
	g.mu.Unlock()
	for _, c := range all {
		if err := g.mayStay(c, m); err != nil {
			g.live.counts.ejected.WithLabelValues(reason(err)).Inc()
			g.live.log.Warn("a connection was closed: its client may not come in any more", "address", c.RemoteAddr().String(), "client", c.peer.Subject, "error", err)
			_ = c.gate.Conn.Close() // not by TLS, whose farewell waits for a reader
		}
	}
}

// mayStay checks a client's certificate as a handshake of now would. One that has
// ended since does not end its connection; only a change of the files does.
func (g *guests) mayStay(c *conn, m *material) error {
	if c.gate.under == m {
		return nil
	}
	s := c.ConnectionState()
	at := time.Now()
	if end := s.PeerCertificates[0].NotAfter; end.Before(at) {
		at = end
	}
	chains, err := verifyClient(s.PeerCertificates, m.config.ClientCAs, at)
	if err != nil {
		return err
	}
	s.VerifiedChains = chains
	return m.config.VerifyConnection(s)
}

func verifyClient(shown []*x509.Certificate, roots *x509.CertPool, at time.Time) ([][]*x509.Certificate, error) {
	o := x509.VerifyOptions{
		Roots: roots, Intermediates: x509.NewCertPool(), CurrentTime: at,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, c := range shown[1:] {
		o.Intermediates.AddCert(c)
	}
	chains, err := shown[0].Verify(o)
	if err != nil {
		return nil, &tls.CertificateVerificationError{UnverifiedCertificates: shown, Err: err}
	}
	return chains, nil
}
