package tlsconf

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluicelog/sluice/internal/pki"
)

// What does not live long is not warned about all its life.
func TestShortLives(t *testing.T) {
	for _, tc := range []struct {
		life time.Duration
		want []string
	}{
		{time.Hour, []string{"certificate ended"}},
		{5 * 24 * time.Hour, []string{"certificate ends in 1.0 days", "certificate ended"}},
		{20 * 24 * time.Hour, []string{"certificate ends in 7.0 days", "certificate ends in 1.0 days", "certificate ended"}},
	} {
		j, begin := newJournal(), time.Now()
		e, w := []end{{file: "f", use: "server", at: begin.Add(tc.life), life: tc.life}}, expiryWarner{}
		for at := time.Duration(0); at <= tc.life; at += time.Hour {
			w.look(slog.New(j), e, begin.Add(at))
		}
		lines := j.all()
		if len(lines) != len(tc.want) {
			t.Errorf("%v: said %q", tc.life, lines)
			continue
		}
		for i, want := range tc.want {
			if !strings.HasPrefix(lines[i], "WARN "+want) {
				t.Errorf("%v: got %s, want %s", tc.life, lines[i], want)
			}
		}
	}
}

// A client whose connections stay open warns as time goes by.
func TestClientFilesWarnOfEnds(t *testing.T) {
	dir := testSet(t)
	long := longLived(t)
	write(t, join(dir, "client.crt"), pki.EncodeCertificates(long.Leaf))
	key, err := pki.EncodeKey(long.PrivateKey.(crypto.Signer)) //nolint:forcetypeassert // longLived makes it
	if err != nil {
		t.Fatal(err)
	}
	write(t, join(dir, "client.key"), key)
	synctest.Test(t, func(t *testing.T) {
		j := newJournal()
		f := &ClientFiles{Cert: join(dir, "client.crt"), Key: join(dir, "client.key"), Log: slog.New(j)}
		end := long.Leaf.NotAfter
		time.Sleep(time.Until(end.Add(-40 * 24 * time.Hour))) // the clock of the bubble begins in 2000
		if err := f.Open(); err != nil {
			t.Fatal(err)
		}
		for range 41 {
			f.Look()
			f.Look()
			time.Sleep(24 * time.Hour)
		}
		f.Look()
		want := []string{"certificate ends in 30.0 days", "certificate ends in 7.0 days", "certificate ends in 1.0 days", "certificate ended"}
		lines := j.all()
		if len(lines) != len(want) {
			t.Fatalf("said %q", lines)
		}
		for i, w := range want {
			if !strings.HasPrefix(lines[i], "WARN "+w) {
				t.Errorf("got %s, want %s", lines[i], w)
			}
		}
		(*ClientFiles)(nil).Look()
	})
}

func longLived(t *testing.T) *tls.Certificate {
	t.Helper()
	ca := authority(t, t.TempDir())
	key, err := pki.GenerateKey(pki.ECDSA, 0)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue(key.Public(), pki.Leaf{Subject: pkix.Name{CommonName: "c"}, Usage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, From: time.Now(), TTL: 365 * 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := pki.Join([]*x509.Certificate{cert}, key)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}
