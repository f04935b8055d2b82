package pki

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func newKey(t testing.TB) *CA {
	t.Helper()
	key, err := GenerateKey(ECDSA, 0)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := NewCA(key, pkix.Name{CommonName: "CA"}, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func TestAuthority(t *testing.T) {
	ca := newKey(t)
	c := ca.Cert
	if !c.IsCA || !c.BasicConstraintsValid || c.MaxPathLen != 0 || !c.MaxPathLenZero {
		t.Errorf("basic constraints: CA %v, path length %d", c.IsCA, c.MaxPathLen)
	}
	if c.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign || len(c.ExtKeyUsage) != 0 {
		t.Errorf("usages %b %v", c.KeyUsage, c.ExtKeyUsage)
	}
	if got := c.NotAfter.Sub(c.NotBefore); got != time.Hour {
		t.Errorf("valid for %v", got)
	}
	if c.SerialNumber.Sign() <= 0 || c.SerialNumber.BitLen() > 128 || c.SerialNumber.BitLen() < 64 {
		t.Errorf("serial %v", c.SerialNumber)
	}
}

func TestIssue(t *testing.T) {
	ca := newKey(t)
	key, _ := GenerateKey(ECDSA, 0)
	leaf, err := ca.Issue(key.Public(), Leaf{
		Subject: pkix.Name{CommonName: "Client"}, DNS: []string{"localhost"}, IPs: []net.IP{net.ParseIP("127.0.0.1")},
		Usage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, From: time.Now(), TTL: time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	if leaf.Issuer.String() != "CN=CA" || leaf.Subject.String() != "CN=Client" {
		t.Errorf("issuer %v, subject %v", leaf.Issuer, leaf.Subject)
	}
	if leaf.BasicConstraintsValid || leaf.IsCA || leaf.KeyUsage != x509.KeyUsageDigitalSignature {
		t.Errorf("constraints %v %v, usage %b", leaf.BasicConstraintsValid, leaf.IsCA, leaf.KeyUsage)
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca.Cert)
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, DNSName: "localhost"}); err != nil {
		t.Errorf("verify: %v", err)
	}
	if !ca.Signed(leaf) || newKey(t).Signed(leaf) {
		t.Error("Signed does not tell two authorities of one name apart")
	}
	if _, err := ca.Issue(key.Public(), Leaf{TTL: 0}); err == nil {
		t.Error("a certificate of no life was issued")
	}
}

func TestOpenCA(t *testing.T) {
	for _, tc := range []struct{ cert, key, say string }{
		{"server.crt", "client.key", ErrMismatch.Error()},
		{"server.key", "client.key", ErrNoCertificate.Error()},
		{"server.crt", "server.crt", ErrNoKey.Error()},
	} {
		if _, err := OpenCA(read(t, tc.cert), read(t, tc.key), ""); err == nil || !strings.Contains(err.Error(), tc.say) {
			t.Errorf("%s with %s: got %v, want %s", tc.cert, tc.key, err, tc.say)
		}
	}
	ca := newKey(t)
	text, _ := EncryptKeyLegacy(ca.Key, "x")
	back, err := OpenCA(EncodeCertificates(ca.Cert), text, "x")
	if err != nil || !back.Cert.Equal(ca.Cert) {
		t.Errorf("open again: %v", err)
	}
	key, _ := GenerateKey(ECDSA, 0)
	leaf, _ := ca.Issue(key.Public(), Leaf{From: time.Now(), TTL: time.Hour})
	keyPEM, _ := EncodeKey(key)
	// A leaf without basic constraints opens; a certificate that says CA:FALSE does not.
	if _, err := OpenCA(EncodeCertificates(leaf), keyPEM, ""); err != nil {
		t.Errorf("no basic constraints: %v", err)
	}
}

func TestParseCertificates(t *testing.T) {
	two := append(append([]byte("some words\n"), read(t, "ca.crt")...), read(t, "server.crt")...)
	certs, err := ParseCertificates(append(two, read(t, "server.key")...))
	if err != nil || len(certs) != 2 || certs[1].Subject.CommonName != "localhost" {
		t.Errorf("got %d certificates, %v", len(certs), err)
	}
	if der, err := ParseCertificates(certs[0].Raw); err != nil || !der[0].Equal(certs[0]) {
		t.Errorf("DER: %v", err)
	}
	if _, err := ParseCertificates(read(t, "server.key")); !errors.Is(err, ErrNoCertificate) {
		t.Errorf("a key: got %v", err)
	}
	if _, err := ParseCertificates([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")); err == nil || errors.Is(err, ErrNoCertificate) {
		t.Errorf("a broken certificate: got %v", err)
	}
}

func TestPair(t *testing.T) {
	pair, err := Pair(read(t, "server.crt"), read(t, "server.enc-pkcs8.key"), "s3cret")
	if err != nil || pair.Leaf == nil || len(pair.Certificate) != 1 {
		t.Errorf("got %v, %v", pair, err)
	}
	if _, err := Pair(read(t, "server.crt"), read(t, "client.key"), ""); !errors.Is(err, ErrMismatch) {
		t.Errorf("foreign key: got %v", err)
	}
	if _, err := Pair(read(t, "server.crt"), read(t, "server-ec.key"), ""); !errors.Is(err, ErrMismatch) {
		t.Errorf("key of another kind: got %v", err)
	}
}

func FuzzParseCertificates(f *testing.F) {
	f.Add(read(f, "ca.crt"))
	f.Add(read(f, "server.key"))
	f.Fuzz(func(t *testing.T, text []byte) {
		certs, err := ParseCertificates(text)
		if (len(certs) == 0) != (err != nil) {
			t.Fatalf("%d certificates, error %v", len(certs), err)
		}
	})
}

func TestWriteTestSet(t *testing.T) {
	dir := t.TempDir()
	if err := WriteTestSet(dir, ECDSA); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"server", "client"} {
		pair, err := tls.LoadX509KeyPair(filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key"))
		if err != nil || pair.Leaf.VerifyHostname("127.0.0.1") != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
