package tlsconf

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/sluicelog/sluice/internal/param"
)

// statusRules is how the state of a client's certificate is looked up at the
// responder of its authority (RFC 6960). A response that the client brings along
// counts first; else the responder is asked, once for many handshakes.
type statusRules struct {
	mode string // off, prefer or require
	url  string // in place of the one that the certificate names
}

func (r *statusRules) params(p *param.Set) {
	p.String("ocsp", &r.mode, "off", "Whether the authority's OCSP responder is asked if a client's certificate is revoked, unless the client brings its answer: prefer lets the client in when there is no answer, require does not.").
		Enum("off", "prefer", "require")
	p.String("ocsp_url", &r.url, "", "Address of the responder; the one that the certificate names without it.")
}

var errNoStatus = errors.New("nobody says whether the client's certificate is revoked")

// askStatus looks up the state of a client's certificate. It runs after the
// handshake, without a slot: the responder may be slow.
func (l *live) askStatus(s tls.ConnectionState) error {
	rules := l.server.status
	if rules.mode == "off" || len(s.VerifiedChains) == 0 || len(s.VerifiedChains[0]) < 2 {
		return nil
	}
	leaf, issuer := s.VerifiedChains[0][0], s.VerifiedChains[0][1]
	found, err := readStatus(s.OCSPResponse, leaf, issuer, time.Now())
	if err != nil {
		found, err = l.responders.ask(rules.url, leaf, issuer)
	}
	switch {
	case err == nil && found.Status == ocsp.Revoked:
		return fmt.Errorf("%w since %s: %s", errRevoked, found.RevokedAt.UTC().Format(time.RFC3339), leaf.Subject)
	case err == nil && found.Status == ocsp.Good:
		return nil
	case err == nil:
		err = errors.New("the responder does not know it")
	}
	l.counts.noStatus.Inc()
	if rules.mode == "require" {
		return fmt.Errorf("%w: %s: %w", errNoStatus, leaf.Subject, err)
	}
	if skipped, ok := l.failed.allow("ocsp", time.Now()); ok {
		l.log.Warn("a client comes in although "+errNoStatus.Error(), "client", leaf.Subject.String(), "error", err, "repeated", skipped)
	}
	return nil
}

// clockSkew is how far the responder's clock may be ahead of ours.
const clockSkew = 5 * time.Minute

// readStatus reads a response and holds it to be of now and of one who may give it.
func readStatus(der []byte, leaf, issuer *x509.Certificate, now time.Time) (*ocsp.Response, error) {
	if len(der) == 0 {
		return nil, errors.New("no response")
	}
	// The library would have the issuer sign its own certificate where that is sent
	// along, as OpenSSL's responder does.
	r, err := ocsp.ParseResponseForCert(der, leaf, nil)
	if err != nil {
		return nil, fmt.Errorf("read OCSP response: %w", err)
	}
	if err := checkSigner(r, issuer, now); err != nil {
		return nil, err
	}
	switch {
	case r.ThisUpdate.After(now.Add(clockSkew)):
		return nil, fmt.Errorf("OCSP response is of %s, which is to come", r.ThisUpdate.UTC().Format(time.RFC3339))
	case r.NextUpdate.IsZero() && now.Sub(r.ThisUpdate) > statusTime, !r.NextUpdate.IsZero() && now.After(r.NextUpdate):
		return nil, fmt.Errorf("OCSP response of %s is too old", r.ThisUpdate.UTC().Format(time.RFC3339))
	}
	return r, nil
}

// checkSigner holds a response to be signed by the issuer, or by one whom it has made
// a responder: a client could else vouch for itself by its own certificate.
func checkSigner(r *ocsp.Response, issuer *x509.Certificate, now time.Time) error {
	signer := r.Certificate
	if signer == nil || signer.Equal(issuer) {
		if err := r.CheckSignatureFrom(issuer); err != nil {
			return fmt.Errorf("check signature of OCSP response: %w", err)
		}
		return nil
	}
	if err := issuer.CheckSignature(signer.SignatureAlgorithm, signer.RawTBSCertificate, signer.Signature); err != nil {
		return fmt.Errorf("check certificate of OCSP responder %q: %w", signer.Subject, err)
	}
	switch {
	case !slices.Contains(signer.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning):
		return fmt.Errorf("OCSP response is signed by %q, which may not sign any", signer.Subject)
	case now.Before(signer.NotBefore), now.After(signer.NotAfter):
		return fmt.Errorf("OCSP response is signed by %q, whose certificate is not valid now", signer.Subject)
	}
	return nil
}
