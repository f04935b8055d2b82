package tlsconf

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/sluicelog/sluice/internal/param"
)

// stapleRules is whether the server shows its clients what its authority's OCSP
// responder says about the server's own certificate.
type stapleRules struct {
	on  bool
	url string // in place of the one that the certificate names
}

func (r *stapleRules) params(p *param.Set) {
	p.Bool("ocsp_staple", &r.on, false, "Show clients that ask for it the OCSP response about the server's own certificate. It is asked for in the background, again when half of its life is over and every hour; no handshake waits for it or fails without it.")
	p.String("ocsp_staple_url", &r.url, "", "Address of that responder, http://host/path; the one that the certificate names without it.")
}

func (r *stapleRules) check(certPath string) error {
	switch {
	case !r.on && r.url != "":
		return param.Errorf("ocsp_staple_url", "add ocsp_staple true", "ocsp_staple_url has no effect without ocsp_staple")
	case r.on && certPath == "":
		return param.Errorf("ocsp_staple", "leave it out", "nobody answers for a certificate that is made at start")
	case r.url == "":
		return nil
	}
	if u, err := url.Parse(r.url); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return param.Errorf("ocsp_staple_url", "write http://host/path", "%s is no URL of a responder", r.url)
	}
	return nil
}

// prepare gives a material what stapling needs; the error is about a certificate
// that nobody could answer for.
func (r *stapleRules) prepare(m *material, pair *tls.Certificate, authorities []*x509.Certificate) error {
	if r.url == "" && len(pair.Leaf.OCSPServer) == 0 {
		return param.Errorf("ocsp_staple", "add ocsp_staple_url", "the certificate names no OCSP responder")
	}
	issuer := issuerOf(pair, authorities)
	if issuer == nil {
		return param.Errorf("ocsp_staple", "put the certificate of that authority behind the server's own in cert_path, or into ca_path", "nobody knows the authority that signed the certificate: %s", pair.Leaf.Issuer)
	}
	m.pair, m.issuer = pair, issuer
	return nil
}

// issuerOf looks for the authority among those that are sent along, and the others.
func issuerOf(pair *tls.Certificate, others []*x509.Certificate) *x509.Certificate {
	var all []*x509.Certificate
	for _, der := range pair.Certificate[1:] {
		if c, err := x509.ParseCertificate(der); err == nil {
			all = append(all, c)
		}
	}
	for _, c := range append(all, others...) {
		if bytes.Equal(c.RawSubject, pair.Leaf.RawIssuer) && pair.Leaf.CheckSignatureFrom(c) == nil {
			return c
		}
	}
	return nil
}

// stapler keeps the responder's word about the server's certificate.
type stapler struct {
	live    *live
	changed chan struct{} // the certificate may be another
	held    atomic.Pointer[staple]
	failing string // of run alone: why there is no new answer, in a word
}

type staple struct {
	leaf  *x509.Certificate
	der   []byte
	until time.Time
}

func newStapler(l *live) *stapler { return &stapler{live: l, changed: make(chan struct{}, 1)} }

// dress is the certificate with the word about it, while that is valid.
func (s *stapler) dress(pair *tls.Certificate, now time.Time) *tls.Certificate {
	st := s.held.Load()
	if st == nil || !now.Before(st.until) || !st.leaf.Equal(pair.Leaf) {
		return pair
	}
	dressed := *pair
	dressed.OCSPStaple = st.der
	return &dressed
}

// wake lets run ask at once.
func (s *stapler) wake() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// run asks again and again until ctx ends.
func (s *stapler) run(ctx context.Context) {
	for {
		timer := time.NewTimer(s.ask(ctx))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-s.changed:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// staplePause is how long a responder is left alone that has not answered.
const staplePause = time.Minute

var errOwnRevoked = errors.New("the server's own certificate is revoked")

// ask asks once, and returns when to ask again.
func (s *stapler) ask(ctx context.Context) time.Duration {
	m := s.live.inUse.Load()
	r, err := s.live.responders.question(ctx, s.live.server.staple.url, m.pair.Leaf, m.issuer)
	switch {
	case ctx.Err() != nil:
		return staplePause
	case err == nil && r.Status == ocsp.Revoked:
		s.held.Store(nil) // what it said before is known to be wrong
		err = fmt.Errorf("%w since %s", errOwnRevoked, r.RevokedAt.UTC().Format(time.RFC3339))
	case err == nil && r.Status != ocsp.Good:
		err = errors.New("the responder does not know the certificate")
	}
	if err != nil {
		s.complain(err)
		return staplePause
	}
	return s.keep(m, r)
}

// complain says once that there is no new answer.
func (s *stapler) complain(err error) {
	why, words := "no answer", "there is no new OCSP response to staple; the one before is shown while it is valid"
	if errors.Is(err, errOwnRevoked) {
		why, words = "revoked", "no OCSP response is stapled any more"
	}
	if s.failing != why {
		s.live.log.Warn(words, "certificate", s.live.server.certPath, "error", err)
	}
	s.failing = why
}

func (s *stapler) keep(m *material, r *ocsp.Response) time.Duration {
	now, until := time.Now(), r.NextUpdate
	if until.IsZero() {
		until = r.ThisUpdate.Add(statusTime)
	}
	s.held.Store(&staple{leaf: m.pair.Leaf, der: r.Raw, until: until})
	s.live.counts.expiry.WithLabelValues(s.live.server.certPath, "ocsp").Set(float64(until.Unix()))
	if s.failing != "" {
		s.live.log.Info("there is an OCSP response to staple again", "certificate", s.live.server.certPath)
	}
	s.failing = ""
	return min(max(until.Sub(now)/2, staplePause), statusTime)
}
