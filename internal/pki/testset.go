package pki

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"
)

// WriteTestSet writes ca.crt, ca.key, server.crt, server.key, client.crt and
// client.key into a folder, for benchmarks and tests: names as `handler
// configure` gives them, keys not encrypted, good for localhost and a day.
func WriteTestSet(dir string, kind KeyType) error {
	from := time.Now().Add(-time.Minute)
	key, err := GenerateKey(kind, 2048)
	if err != nil {
		return err
	}
	ca, err := NewCA(key, pkix.Name{CommonName: "CA"}, from, 24*time.Hour)
	if err != nil {
		return err
	}
	if err := writePair(dir, "ca", ca.Cert, ca.Key); err != nil {
		return err
	}
	for name, usage := range map[string]x509.ExtKeyUsage{"server": x509.ExtKeyUsageServerAuth, "client": x509.ExtKeyUsageClientAuth} {
		key, err := GenerateKey(kind, 2048)
		if err != nil {
			return err
		}
		cert, err := ca.Issue(key.Public(), Leaf{
			Subject: pkix.Name{CommonName: name}, DNS: []string{"localhost"}, IPs: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
			Usage: []x509.ExtKeyUsage{usage}, From: from, TTL: 24 * time.Hour,
		})
		if err != nil {
			return err
		}
		if err := writePair(dir, name, cert, key); err != nil {
			return err
		}
	}
	return nil
}

func writePair(dir, name string, cert *x509.Certificate, key crypto.Signer) error {
	text, err := EncodeKey(key)
	if err != nil {
		return err
	}
	for ext, content := range map[string][]byte{".crt": EncodeCertificates(cert), ".key": text} {
		if err := os.WriteFile(filepath.Join(dir, name+ext), content, 0o600); err != nil {
			return fmt.Errorf("write test set: %w", err)
		}
	}
	return nil
}
