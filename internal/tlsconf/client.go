package tlsconf

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/sluicelog/sluice/internal/pki"
)

// ClientFiles is the files of a client: who signs the server's certificate, and
// the client's own pair. All may be empty. The pair is read again, at most once a
// second, when the files have changed; a broken one leaves the old in place.
type ClientFiles struct {
	CA, Cert, Key, Passphrase string
	ServerName                string
	Insecure                  bool // do not check the server's certificate

	mu    sync.Mutex
	pair  *tls.Certificate
	pool  *x509.CertPool
	seen  []stamp
	check time.Time
}

// Config makes a configuration that follows the files. The error is about files
// that can not be used now.
func (f *ClientFiles) Config() (*tls.Config, error) {
	if err := f.load(); err != nil {
		return nil, err
	}
	f.seen = stamps(f.files())
	c := &tls.Config{
		MinVersion: tls.VersionTLS12, ServerName: f.ServerName,
		ClientSessionCache: tls.NewLRUClientSessionCache(64),
		InsecureSkipVerify: f.Insecure || f.CA != "", //nolint:gosec // VerifyConnection checks against the CA as it is now
	}
	if f.CA != "" && !f.Insecure {
		c.VerifyConnection = f.verify
	}
	if f.Cert != "" {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			f.refresh()
			f.mu.Lock()
			defer f.mu.Unlock()
			return f.pair, nil
		}
	}
	return c, nil
}

// verify checks the server's chain as crypto/tls would, with the authorities that
// the file holds now.
func (f *ClientFiles) verify(s tls.ConnectionState) error {
	f.refresh()
	f.mu.Lock()
	pool := f.pool
	f.mu.Unlock()
	o := x509.VerifyOptions{Roots: pool, DNSName: s.ServerName, Intermediates: x509.NewCertPool()}
	for _, c := range s.PeerCertificates[1:] {
		o.Intermediates.AddCert(c)
	}
	_, err := s.PeerCertificates[0].Verify(o)
	return err
}

func (f *ClientFiles) files() []string { return []string{f.CA, f.Cert, f.Key} }

func (f *ClientFiles) load() error {
	var pair *tls.Certificate
	var pool *x509.CertPool
	if f.Cert != "" {
		cert, err := os.ReadFile(f.Cert)
		if err != nil {
			return fmt.Errorf("read client certificate: %w", err)
		}
		key, err := os.ReadFile(f.Key)
		if err != nil {
			return fmt.Errorf("read client key: %w", err)
		}
		if pair, err = pki.Pair(cert, key, f.Passphrase); err != nil {
			return fmt.Errorf("client certificate %s and key %s: %w", f.Cert, f.Key, err)
		}
	}
	if f.CA != "" {
		var err error
		if pool, _, err = readPool(f.CA); err != nil {
			return fmt.Errorf("authority %s: %w", f.CA, err)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pair, f.pool = pair, pool
	return nil
}

func (f *ClientFiles) refresh() {
	f.mu.Lock()
	due := time.Since(f.check) > time.Second
	if due {
		f.check = time.Now()
	}
	f.mu.Unlock()
	if !due {
		return
	}
	now := stamps(f.files())
	f.mu.Lock()
	changed := !equalStamps(now, f.seen)
	f.mu.Unlock()
	if !changed {
		return
	}
	if f.load() == nil { // broken files: keep what works, and look again at the next handshake
		f.mu.Lock()
		f.seen = now
		f.mu.Unlock()
	}
}
