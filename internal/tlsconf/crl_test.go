package tlsconf

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/internal/metrics"
	"github.com/sluicelog/sluice/internal/pki"
)

// list is a revocation list of an authority, DER.
func list(t *testing.T, ca *pki.CA, next time.Time, serials ...*big.Int) []byte {
	t.Helper()
	l := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: next}
	for _, s := range serials {
		l.RevokedCertificateEntries = append(l.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: s, RevocationTime: time.Now()})
	}
	der, err := x509.CreateRevocationList(rand.Reader, l, ca.Cert, ca.Key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func asPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})
}

func leafOf(t *testing.T, ca *pki.CA) *tls.Certificate {
	t.Helper()
	key, err := pki.GenerateKey(pki.ECDSA, 0)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue(key.Public(), pki.Leaf{
		Subject: pkix.Name{CommonName: "c"}, Usage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, From: time.Now().Add(-time.Minute), TTL: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := pki.Join([]*x509.Certificate{cert}, key)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRevocation(t *testing.T) {
	dir := t.TempDir()
	ca := authority(t, dir)
	good, bad := leafOf(t, ca), leafOf(t, ca)
	write(t, join(dir, "crl"), list(t, ca, time.Now().Add(time.Hour)))
	e := serve(t, strings.Replace(mutual, "ca_path {{CERTS}}/ca.crt", "ca_path "+join(dir, "ca.crt")+"\n crl_path "+join(dir, "crl"), 1))
	e.stop()
	enter := func(pair *tls.Certificate, cache tls.ClientSessionCache) error {
		c := client(t, "")
		c.Certificates, c.ClientSessionCache = []tls.Certificate{*pair}, cache
		conn, err := dial(e.addr, c)
		if err == nil {
			_ = conn.Close()
		}
		return err
	}
	cache := tls.NewLRUClientSessionCache(1)
	if err := enter(bad, cache); err != nil {
		t.Fatalf("before it is revoked: %v", err)
	}
	write(t, join(dir, "crl"), asPEM(list(t, ca, time.Now().Add(time.Hour), bad.Leaf.SerialNumber)))
	e.server.live.look(time.Now())
	// The client holds a session from before; it must not come in by it.
	if err := enter(bad, cache); err == nil {
		t.Error("a revoked client comes in")
	}
	e.log.wait(t, "reason=revoked")
	if err := enter(good, nil); err != nil {
		t.Errorf("another client of the authority: %v", err)
	}
	if value(e.metrics, "relay_tls_cert_expiry_seconds", join(dir, "crl"), "crl") <= 0 {
		t.Error("no metric says when the list should be replaced")
	}
}

func TestRevocationListErrors(t *testing.T) {
	dir := t.TempDir()
	ca, stranger := authority(t, dir), authority(t, t.TempDir())
	forged := list(t, ca, time.Now().Add(time.Hour))
	forged[len(forged)-1] ^= 1
	for name, tc := range map[string]struct {
		content []byte
		say     string
	}{
		"empty":     {nil, "holds no revocation list"},
		"garbage":   {[]byte("garbage"), "read revocation list"},
		"no list":   {pki.EncodeCertificates(ca.Cert), "holds no revocation list"},
		"stranger":  {asPEM(list(t, stranger, time.Now())), "not signed by an authority in ca_path"},
		"signature": {forged, "not signed by an authority in ca_path"},
	} {
		write(t, join(dir, "crl"), tc.content)
		s, err := decode(t, strings.Replace(mutual, "ca_path {{CERTS}}/ca.crt", "ca_path "+join(dir, "ca.crt")+"\n crl_path "+join(dir, "crl"), 1))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Open(slog.New(slog.DiscardHandler), metrics.New()); err == nil || !strings.Contains(err.Error(), tc.say) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// Of several lists in a file the one counts that should be replaced first.
func TestListsOfAFileEndTogether(t *testing.T) {
	dir := t.TempDir()
	ca := authority(t, dir)
	soon, late := time.Now().Add(time.Hour).Truncate(time.Second), time.Now().Add(9*time.Hour)
	write(t, join(dir, "crl"), append(asPEM(list(t, ca, soon)), asPEM(list(t, ca, late))...))
	e := serve(t, strings.Replace(mutual, "ca_path {{CERTS}}/ca.crt", "ca_path "+join(dir, "ca.crt")+"\n crl_path "+join(dir, "crl"), 1))
	if got := value(e.metrics, "relay_tls_cert_expiry_seconds", join(dir, "crl"), "crl"); got != float64(soon.Unix()) {
		t.Errorf("got %v, want %v", got, soon.Unix())
	}
}

// A list that has gone from its folder does not go on being counted.
func TestListsThatGo(t *testing.T) {
	dir, lists := t.TempDir(), t.TempDir()
	ca := authority(t, dir)
	write(t, join(lists, "a"), list(t, ca, time.Now().Add(time.Hour)))
	write(t, join(lists, "b"), list(t, ca, time.Now().Add(time.Hour)))
	e := serve(t, strings.Replace(mutual, "ca_path {{CERTS}}/ca.crt", "ca_path "+join(dir, "ca.crt")+"\n crl_path "+lists, 1))
	e.stop()
	if err := os.Remove(join(lists, "a")); err != nil {
		t.Fatal(err)
	}
	e.server.live.look(time.Now())
	if a, b := value(e.metrics, "relay_tls_cert_expiry_seconds", join(lists, "a"), "crl"), value(e.metrics, "relay_tls_cert_expiry_seconds", join(lists, "b"), "crl"); a != -1 || b <= 0 {
		t.Errorf("a ends at %v, b at %v", a, b)
	}
}

func FuzzRevocations(f *testing.F) {
	f.Add([]byte("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r := &revocations{serials: map[revoked]time.Time{}}
		for _, der := range crlBlocks(text) {
			_ = r.add("f", der, nil)
		}
	})
}
