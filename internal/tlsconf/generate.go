package tlsconf

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/pki"
)

// generate is how a certificate looks that is made at start.
type generate struct {
	country, state, locality, name string
	length                         int
	expiration                     time.Duration
	digest                         string
}

func (g *generate) params(p *param.Set) {
	p.Int("generate_private_key_length", &g.length, 2048, "Bits of a key made at start: 1024, 2048, 3072 or 4096.")
	p.String("generate_cert_country", &g.country, "US", "Country in a certificate made at start.")
	p.String("generate_cert_state", &g.state, "CA", "State in a certificate made at start.")
	p.String("generate_cert_locality", &g.locality, "Mountain View", "Locality in a certificate made at start.")
	p.String("generate_cert_common_name", &g.name, "", "Name in a certificate made at start; the host's name when it is not set.")
	p.Time("generate_cert_expiration", &g.expiration, 10*365*24*time.Hour, "Life of a certificate made at start.")
	p.String("generate_cert_digest", &g.digest, "sha256", "Accepted; the key's strength decides.").Enum("sha1", "sha256", "sha384", "sha512")
}

// fromAuthority makes a server certificate signed by the authority in the files,
// and sends the authority with it.
func (s *Server) fromAuthority(files *snapshot) (*tls.Certificate, error) {
	certPEM, err := files.content(s.caCertPath)
	if err != nil {
		return nil, unreadable("ca_cert_path", s.caCertPath, err)
	}
	keyPEM, err := files.content(s.caKeyPath)
	if err != nil {
		return nil, unreadable("ca_private_key_path", s.caKeyPath, err)
	}
	ca, err := pki.OpenCA(certPEM, keyPEM, s.caPassphrase)
	switch {
	case errors.Is(err, pki.ErrNoPassphrase), errors.Is(err, pki.ErrWrongPassphrase):
		return nil, param.Errorf("ca_private_key_passphrase", "", "%s: %w", s.caKeyPath, err)
	case errors.Is(err, pki.ErrNoCertificate):
		return nil, param.Errorf("ca_cert_path", "", "%s: %w", s.caCertPath, err)
	case err != nil:
		return nil, param.Errorf("ca_private_key_path", "", "%s: %w", s.caKeyPath, err)
	}
	return s.generate.leaf(ca)
}

// selfMade makes a certificate of an authority that exists only while it is made.
func (g *generate) selfMade() (*tls.Certificate, error) {
	key, err := g.key()
	if err != nil {
		return nil, err
	}
	ca, err := pki.NewCA(key, pkix.Name{CommonName: "self-made"}, time.Now(), g.expiration)
	if err != nil {
		return nil, param.Errorf("generate_cert_expiration", "", "%w", err)
	}
	return g.leaf(ca)
}

func (g *generate) leaf(ca *pki.CA) (*tls.Certificate, error) {
	key, err := g.key()
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("find the name for the certificate: %w", err)
	}
	if g.name != "" {
		host = g.name
	}
	names := []string{host, "localhost"}
	slices.Sort(names)
	cert, err := ca.Issue(key.Public(), pki.Leaf{
		Subject: pkix.Name{Country: []string{g.country}, Province: []string{g.state}, Locality: []string{g.locality}, CommonName: host},
		DNS:     slices.Compact(names), IPs: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		Usage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, From: time.Now(), TTL: g.expiration,
	})
	if err != nil {
		return nil, param.Errorf("generate_cert_expiration", "", "%w", err)
	}
	return pki.Join([]*x509.Certificate{cert, ca.Cert}, key)
}

func (g *generate) key() (crypto.Signer, error) {
	key, err := pki.GenerateKey(pki.RSA, g.length)
	if err != nil {
		return nil, param.Errorf("generate_private_key_length", "", "%w", err)
	}
	return key, nil
}
