package tlsconf

import (
	"crypto/fips140"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/pki"
)

func fipsEnabled() bool { return fips140.Enabled() }

// readPair reads a certificate with its chain, and its key.
func readPair(certPath, keyPath, passphrase string) (*tls.Certificate, error) {
	cert, err := os.ReadFile(certPath)
	if err != nil {
		return nil, param.Errorf("cert_path", "see that the file is there and that the relay may read it", "read certificate: %w", err)
	}
	key, err := os.ReadFile(keyPath)
	if err != nil {
		return nil, param.Errorf("private_key_path", "see that the file is there and that the relay may read it", "read key: %w", err)
	}
	pair, err := pki.Pair(cert, key, passphrase)
	switch {
	case errors.Is(err, pki.ErrNoPassphrase), errors.Is(err, pki.ErrWrongPassphrase):
		return nil, param.Errorf("private_key_passphrase", "handler configure wrote it into fluent.conf beside the key", "%s: %w", keyPath, err)
	case errors.Is(err, pki.ErrMismatch):
		return nil, param.Errorf("private_key_path", "use the certificate and the key of one set", "%s and %s: %w", certPath, keyPath, err)
	case errors.Is(err, pki.ErrNoCertificate):
		return nil, param.Errorf("cert_path", "the file must hold PEM text that begins with BEGIN CERTIFICATE", "%s: %w", certPath, err)
	case err != nil:
		return nil, param.Errorf("private_key_path", "", "%s: %w", keyPath, err)
	}
	return pair, nil
}

// readPool reads the certificates of a file, or of all files of a folder.
func readPool(path string) (*x509.CertPool, []*x509.Certificate, error) {
	files, err := filesOf(path)
	if err != nil {
		return nil, nil, param.Errorf("ca_path", "see that the file is there and that the relay may read it", "read authorities: %w", err)
	}
	pool := x509.NewCertPool()
	var all []*x509.Certificate
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, nil, param.Errorf("ca_path", "", "read authorities: %w", err)
		}
		certs, err := pki.ParseCertificates(text)
		if err != nil && len(files) == 1 {
			return nil, nil, param.Errorf("ca_path", "the file must hold PEM text that begins with BEGIN CERTIFICATE", "%s: %w", file, err)
		}
		for _, c := range certs {
			pool.AddCert(c)
			all = append(all, c)
		}
	}
	if len(all) == 0 {
		return nil, nil, param.Errorf("ca_path", "", "%s: %w", path, pki.ErrNoCertificate)
	}
	return pool, all, nil
}

func filesOf(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return []string{path}, err
	}
	var files []string
	err = filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, p)
		}
		return err
	})
	slices.Sort(files)
	return files, err
}

// generate is how a certificate looks that is made at start.
type generate struct {
	country, state, locality, name string
	length                         int
	expiration                     time.Duration
	digest                         string
}

func (g *generate) params(p *param.Set) {
	p.Int("generate_private_key_length", &g.length, 2048, "Bits of a key made at start.")
	p.String("generate_cert_country", &g.country, "US", "Country in a certificate made at start.")
	p.String("generate_cert_state", &g.state, "CA", "State in a certificate made at start.")
	p.String("generate_cert_locality", &g.locality, "Mountain View", "Locality in a certificate made at start.")
	p.String("generate_cert_common_name", &g.name, "", "Name in a certificate made at start; without it the host's name.")
	p.Time("generate_cert_expiration", &g.expiration, 10*365*24*time.Hour, "Life of a certificate made at start.")
	p.String("generate_cert_digest", &g.digest, "sha256", "Accepted; sha256 is used.").Enum("sha1", "sha256", "sha384", "sha512")
}

// selfMade makes a server certificate signed by the authority in the files.
func (s *Server) selfMade() (*tls.Certificate, error) {
	certPEM, err := os.ReadFile(s.caCertPath)
	if err != nil {
		return nil, param.Errorf("ca_cert_path", "", "read authority: %w", err)
	}
	keyPEM, err := os.ReadFile(s.caKeyPath)
	if err != nil {
		return nil, param.Errorf("ca_private_key_path", "", "read key: %w", err)
	}
	ca, err := pki.OpenCA(certPEM, keyPEM, s.caPassphrase)
	if err != nil {
		return nil, param.Errorf("ca_private_key_path", "", "%s: %w", s.caKeyPath, err)
	}
	key, err := pki.GenerateKey(pki.RSA, s.generate.length)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	name := s.generate.name
	if name == "" {
		name, _ = os.Hostname()
	}
	subject := pkix.Name{Country: []string{s.generate.country}, Province: []string{s.generate.state}, Locality: []string{s.generate.locality}, CommonName: name}
	leaf := pki.Leaf{Subject: subject, DNS: []string{name, "localhost"}, Usage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, From: time.Now(), TTL: s.generate.expiration}
	cert, err := ca.Issue(key.Public(), leaf)
	if err != nil {
		return nil, err
	}
	return pki.Join([]*x509.Certificate{cert, ca.Cert}, key)
}
