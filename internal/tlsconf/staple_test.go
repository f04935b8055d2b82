package tlsconf

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/sluicelog/sluice/internal/metrics"
	"github.com/sluicelog/sluice/internal/pki"
)

// ownPair writes a server's certificate of ca, the authority behind it, and its key.
func ownPair(t *testing.T, ca *pki.CA, dir string, responders ...string) *x509.Certificate {
	t.Helper()
	key, err := pki.GenerateKey(pki.ECDSA, 0)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"}, SerialNumber: big.NewInt(time.Now().UnixNano()),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour), OCSPServer: responders,
	}, ca.Cert, key.Public(), ca.Key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	keyPEM, err := pki.EncodeKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"own.crt": pki.EncodeCertificates(cert, ca.Cert), "own.key": keyPEM} {
		if err := os.WriteFile(join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert
}

func stapling(dir, more string) string {
	return "<transport tls>\n cert_path " + join(dir, "own.crt") + "\n private_key_path " + join(dir, "own.key") + "\n ocsp_staple true\n" + more + "</transport>"
}

// stapled is what a client is shown of the responder's word. It connects until that
// is as wanted.
func stapled(t *testing.T, e *echo, ca *pki.CA, want []byte) []byte {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(ca.Cert)
	var got []byte
	for until := time.Now().Add(10 * time.Second); time.Now().Before(until); {
		conn, err := dial(e.addr, &tls.Config{RootCAs: pool, ServerName: "localhost"})
		if err != nil {
			t.Fatal(err)
		}
		got = conn.ConnectionState().OCSPResponse
		_ = conn.Close()
		if bytes.Equal(got, want) {
			break
		}
	}
	return got
}

func TestStaple(t *testing.T) {
	for name, named := range map[string]bool{"named in the certificate": true, "named in the configuration": false} {
		t.Run(name, func(t *testing.T) {
			dir, r := t.TempDir(), newResponder(t)
			ca := authority(t, dir)
			more := " ocsp_staple_url " + r.URL + "\n"
			var urls []string
			if named {
				urls, more = []string{r.URL}, ""
			}
			cert := ownPair(t, ca, dir, urls...)
			der := signed(t, ca, cert, ocsp.Good, nil)
			r.answer.Store(&der)
			e := serve(t, stapling(dir, more))
			if got := stapled(t, e, ca, der); !bytes.Equal(got, der) {
				t.Fatalf("%d bytes are stapled; said %q", len(got), e.log.all())
			}
			if at := value(e.metrics, "relay_tls_cert_expiry_seconds", join(dir, "own.crt"), "ocsp"); at < float64(time.Now().Unix()) {
				t.Errorf("the end of the answer is shown as %v", at)
			}
			// A new certificate has an answer of its own.
			next := ownPair(t, ca, dir, urls...)
			der = signed(t, ca, next, ocsp.Good, nil)
			r.answer.Store(&der)
			if got := stapled(t, e, ca, der); !bytes.Equal(got, der) {
				t.Errorf("%d bytes are stapled to the new certificate; said %q", len(got), e.log.all())
			}
		})
	}
}

// A responder that is away costs no handshake, and one log line.
func TestStapleThatCanNotBeHad(t *testing.T) {
	dir, r := t.TempDir(), newResponder(t)
	ca := authority(t, dir)
	ownPair(t, ca, dir, r.URL)
	e := serve(t, stapling(dir, ""))
	if line := e.log.wait(t, "staple"); !strings.Contains(line, "status 500") {
		t.Errorf("said %q", line)
	}
	if got := stapled(t, e, ca, nil); got != nil {
		t.Errorf("stapled are %d bytes", len(got))
	}
}

func TestStapleIsRefusedAtStart(t *testing.T) {
	dir, ca := t.TempDir(), authority(t, t.TempDir())
	cert := ownPair(t, ca, dir)
	for more, want := range map[string]string{
		"":                              "names no OCSP responder",
		" ocsp_staple_url ://x\n":       "is no URL",
		" ocsp_staple_url ftp://x/y\n":  "is no URL",
		" ocsp_staple_url http://x/y\n": "",
	} {
		s, err := decode(t, stapling(dir, more))
		if err == nil {
			err = s.Open(slog.New(newJournal()), metrics.New())
		}
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", more, err, want)
		}
	}
	if err := os.WriteFile(join(dir, "own.crt"), pki.EncodeCertificates(cert), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := decode(t, stapling(dir, " ocsp_staple_url http://x\n"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Open(slog.New(newJournal()), metrics.New()); err == nil || !strings.Contains(err.Error(), "signed") {
		t.Errorf("nobody knows the authority, and the server opens: %v", err)
	}
	// ca_path knows it as well.
	s, err = decode(t, stapling(dir, " ocsp_staple_url http://x\n ca_path "+join(dir, "ca.crt")+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(join(dir, "ca.crt"), pki.EncodeCertificates(ca.Cert), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Open(slog.New(newJournal()), metrics.New()); err != nil {
		t.Error(err)
	}
	if _, err := decode(t, "<transport tls>\n insecure true\n ocsp_staple true\n</transport>"); err == nil {
		t.Error("a self-made certificate has no responder")
	}
}

// An answer is asked for again well before its end, is kept while it is valid when
// the responder is away, and not shown afterwards; a revoked certificate is shown
// without one.
func TestStapleAges(t *testing.T) {
	dir := t.TempDir()
	ca := authority(t, dir)
	cert := ownPair(t, ca, dir)
	s, err := decode(t, stapling(dir, " ocsp_staple_url http://responder.test/\n"))
	if err != nil {
		t.Fatal(err)
	}
	log := newJournal()
	if err := s.Open(slog.New(log), metrics.New()); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		var asked, says atomic.Int64 // says is a status, or less than any
		s.live.responders.client = &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			asked.Add(1)
			if says.Load() < 0 {
				return nil, errors.New("away")
			}
			w := httptest.NewRecorder()
			_, _ = w.Write(signed(t, ca, cert, int(says.Load()), func(r *ocsp.Response) { r.NextUpdate = time.Now().Add(time.Hour) }))
			return w.Result(), nil
		})}
		st := s.live.stapler
		st.changed = make(chan struct{}, 1)
		go st.run(t.Context())
		for i, step := range []struct {
			wait   time.Duration
			says   int64
			asked  int64
			staple bool
		}{
			{0, ocsp.Good, 1, true},
			{29 * time.Minute, -1, 1, true},
			{2 * time.Minute, -1, 3, true},           // half its life is over, and nobody answers
			{28 * time.Minute, -1, 31, true},         // asked every minute
			{2 * time.Minute, ocsp.Good, 33, false},  // it has ended
			{time.Minute, ocsp.Revoked, 34, true},    // another
			{31 * time.Minute, ocsp.Good, 36, false}, // revoked
		} {
			time.Sleep(step.wait)
			synctest.Wait()
			m := s.live.inUse.Load()
			if got := len(st.dress(m.pair, time.Now()).OCSPStaple) > 0; got != step.staple || asked.Load() != step.asked {
				t.Errorf("step %d: stapled %v, asked %d times, want %v and %d", i, got, asked.Load(), step.staple, step.asked)
			}
			says.Store(step.says)
		}
	})
	all := strings.Join(log.all(), "\n")
	if strings.Count(all, "away") != 1 || strings.Count(all, "revoked") != 1 {
		t.Errorf("said:\n%s", all)
	}
}
