package tlsconf

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/sluicelog/sluice/internal/pki"
)

// signed is a response about a certificate.
func signed(t *testing.T, ca *pki.CA, leaf *x509.Certificate, status int, change func(*ocsp.Response)) []byte {
	t.Helper()
	now := time.Now()
	r := ocsp.Response{Status: status, SerialNumber: leaf.SerialNumber, ThisUpdate: now.Add(-time.Minute), NextUpdate: now.Add(time.Hour), RevokedAt: now}
	if change != nil {
		change(&r)
	}
	der, err := ocsp.CreateResponse(ca.Cert, ca.Cert, r, ca.Key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// responder answers by what it is given at the time.
type responder struct {
	*httptest.Server
	answer atomic.Pointer[[]byte] // nil: 500
	asked  atomic.Int64
}

func newResponder(t *testing.T) *responder {
	r := &responder{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.asked.Add(1)
		if a := r.answer.Load(); a != nil && req.Header.Get("Content-Type") == "application/ocsp-request" {
			_, _ = w.Write(*a)
			return
		}
		w.WriteHeader(http.StatusInternalServerError)
	}))
	t.Cleanup(r.Close)
	return r
}

func TestOCSP(t *testing.T) {
	for _, tc := range []struct {
		name, mode    string
		says, stapled int    // -1: nothing
		want          string // reason of the refusal; "" lets the client in
		asked         int64
	}{
		{"good", "require", ocsp.Good, -1, "", 1},
		{"revoked", "prefer", ocsp.Revoked, -1, "revoked", 1},
		{"not known, required", "require", ocsp.Unknown, -1, "no_status", 1},
		{"not known, preferred", "prefer", ocsp.Unknown, -1, "", 1},
		{"silent, required", "require", -1, -1, "no_status", 1},
		{"silent, preferred", "prefer", -1, -1, "", 1},
		{"stapled good", "require", -1, ocsp.Good, "", 0},
		{"stapled revoked", "prefer", ocsp.Good, ocsp.Revoked, "revoked", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newResponder(t)
			e, ca := ownAuthority(t, t.TempDir(), "\n ocsp "+tc.mode+"\n ocsp_url "+r.URL)
			pair := leafOf(t, ca)
			if tc.says >= 0 {
				der := signed(t, ca, pair.Leaf, tc.says, nil)
				r.answer.Store(&der)
			}
			if tc.stapled >= 0 {
				pair.OCSPStaple = signed(t, ca, pair.Leaf, tc.stapled, nil)
			}
			for range 2 { // the second time from memory
				conn, err := enter(t, e, pair)
				if err == nil {
					_ = conn.Close()
				}
				if (err == nil) != (tc.want == "") {
					t.Fatalf("got %v; said %q", err, e.log.all())
				}
			}
			if tc.want != "" && e.failures(tc.want) != 2 {
				t.Errorf("said %q", e.log.all())
			}
			if got := r.asked.Load(); got != tc.asked {
				t.Errorf("the responder was asked %d times", got)
			}
		})
	}
}

// A session from before does not lead past the responder.
func TestOCSPOfAResumedSession(t *testing.T) {
	r := newResponder(t)
	e, ca := ownAuthority(t, t.TempDir(), "\n ocsp require\n ocsp_url "+r.URL)
	pair := leafOf(t, ca)
	good, bad := signed(t, ca, pair.Leaf, ocsp.Good, nil), signed(t, ca, pair.Leaf, ocsp.Revoked, nil)
	r.answer.Store(&good)
	c := client(t, "")
	c.Certificates, c.ClientSessionCache = []tls.Certificate{*pair}, tls.NewLRUClientSessionCache(1)
	for i := range 2 {
		conn, err := dial(e.addr, c)
		if err != nil || conn.ConnectionState().DidResume != (i == 1) {
			t.Fatalf("connection %d: %v", i, err)
		}
		_ = conn.Close()
	}
	r.answer.Store(&bad)
	clear(e.server.live.responders.known) // an hour later
	if _, err := dial(e.addr, c); err == nil {
		t.Error("a revoked client resumes its session")
	}
}

func TestReadStatus(t *testing.T) {
	ca, stranger := authority(t, t.TempDir()), authority(t, t.TempDir())
	leaf := leafOf(t, ca)
	now := time.Now()
	// A client that signs for itself, with a certificate that the authority gave it.
	own, err := ocsp.CreateResponse(ca.Cert, leaf.Leaf, ocsp.Response{
		Status: ocsp.Good, SerialNumber: leaf.Leaf.SerialNumber, ThisUpdate: now, NextUpdate: now.Add(time.Hour), Certificate: leaf.Leaf,
	}, leaf.PrivateKey.(crypto.Signer)) //nolint:forcetypeassert // leafOf makes it
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		der []byte
		say string
	}{
		"none":           {nil, "no response"},
		"garbage":        {[]byte("x"), "read OCSP response"},
		"for another":    {signed(t, ca, leafOf(t, ca).Leaf, ocsp.Good, nil), "read OCSP response"},
		"of a stranger":  {signed(t, stranger, leaf.Leaf, ocsp.Good, nil), "check signature"},
		"of another ca":  {signed(t, stranger, leaf.Leaf, ocsp.Good, func(r *ocsp.Response) { r.Certificate = stranger.Cert }), "check certificate of OCSP responder"},
		"names its ca":   {signed(t, ca, leaf.Leaf, ocsp.Good, func(r *ocsp.Response) { r.Certificate = ca.Cert }), ""},
		"of the client":  {own, "may not sign any"},
		"too old":        {signed(t, ca, leaf.Leaf, ocsp.Good, func(r *ocsp.Response) { r.NextUpdate = now.Add(-time.Second) }), "too old"},
		"old, endless":   {signed(t, ca, leaf.Leaf, ocsp.Good, func(r *ocsp.Response) { r.ThisUpdate, r.NextUpdate = now.Add(-2*time.Hour), time.Time{} }), "too old"},
		"of a later day": {signed(t, ca, leaf.Leaf, ocsp.Good, func(r *ocsp.Response) { r.ThisUpdate = now.Add(time.Hour) }), "to come"},
		"good":           {signed(t, ca, leaf.Leaf, ocsp.Good, nil), ""},
		"good, endless":  {signed(t, ca, leaf.Leaf, ocsp.Good, func(r *ocsp.Response) { r.NextUpdate = time.Time{} }), ""},
	} {
		_, err := readStatus(tc.der, leaf.Leaf, ca.Cert, now)
		if (err == nil) != (tc.say == "") || err != nil && !strings.Contains(err.Error(), tc.say) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// A responder of its own may answer while its certificate lasts.
func TestDelegatedResponder(t *testing.T) {
	ca := authority(t, t.TempDir())
	key, err := pki.GenerateKey(pki.ECDSA, 0)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	cert, err := ca.Issue(key.Public(), pki.Leaf{Subject: pkix.Name{CommonName: "ocsp"}, Usage: []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}, From: now.Add(-time.Minute), TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	leaf := leafOf(t, ca).Leaf
	der, err := ocsp.CreateResponse(ca.Cert, cert, ocsp.Response{Status: ocsp.Good, SerialNumber: leaf.SerialNumber, ThisUpdate: now, NextUpdate: now.Add(24 * time.Hour), Certificate: cert}, key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := readStatus(der, leaf, ca.Cert, now); err != nil {
		t.Error(err)
	}
	if _, err := readStatus(der, leaf, ca.Cert, now.Add(2*time.Hour)); err == nil || !strings.Contains(err.Error(), "not valid now") {
		t.Errorf("got %v", err)
	}
}

// A responder that fails is left alone for a while, and an answer lasts as long as
// it says.
func TestAnswersAge(t *testing.T) {
	ca := authority(t, t.TempDir())
	leaf := leafOf(t, ca).Leaf
	synctest.Test(t, func(t *testing.T) {
		r := newResponders()
		asked := 0
		fails := true
		r.client = &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			asked++
			if fails {
				return nil, errors.New("away")
			}
			w := httptest.NewRecorder()
			_, _ = w.Write(signed(t, ca, leaf, ocsp.Good, func(r *ocsp.Response) { r.NextUpdate = time.Now().Add(10 * time.Minute) }))
			return w.Result(), nil
		})}
		for _, step := range []struct {
			wait  time.Duration
			fails bool
			asked int
		}{{0, true, 1}, {failureTime - 1, true, 1}, {1, false, 2}, {10*time.Minute - 1, false, 2}, {time.Second, false, 3}} {
			time.Sleep(step.wait)
			fails = step.fails
			_, err := r.ask("http://responder.test", leaf, ca.Cert)
			if asked != step.asked || (err != nil) != step.fails {
				t.Errorf("%+v: asked %d times, %v", step, asked, err)
			}
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
