package tlsconf

import (
	"crypto/x509"
	"fmt"
	"net"
	"strings"
)

// Peer is a client that has shown a certificate which was found good.
type Peer struct {
	Subject string // of the certificate, "CN=Client,O=Example"; its URI or DNS name when it has none
	Rule    string // the first <client_cert> section that fits; "" without such sections

	cert  *x509.Certificate
	all   bool     // it may send any tag
	under []string // else tags that begin with these
}

// TagError is a tag that a client may not send.
type TagError struct{ Subject, Tag string }

func (e *TagError) Error() string {
	return fmt.Sprintf("client %q may not send tag %q: no <client_cert> section with its tag_prefix fits", e.Subject, e.Tag)
}

// MaySend returns a [TagError] when no rule that fits the client lets it send a tag.
// Who showed no certificate was asked for none, and may.
func (p *Peer) MaySend(tag string) error {
	if p == nil || p.all {
		return nil
	}
	for _, prefix := range p.under {
		if tag == prefix || strings.HasPrefix(tag, prefix+".") {
			return nil
		}
	}
	return &TagError{p.Subject, tag}
}

// PeerOf is the client at the other end of a connection of [Server.Listen], once
// something was read from it or written to it; nil when it was asked for no
// certificate.
func PeerOf(c net.Conn) *Peer {
	if c, ok := c.(*conn); ok {
		return c.peer
	}
	return nil
}

// peerOf joins what the rules say that fit a certificate.
func (s *Server) peerOf(cert *x509.Certificate) *Peer {
	p := &Peer{Subject: identity(cert), cert: cert, all: len(s.clients) == 0}
	for i := range s.clients {
		c := &s.clients[i]
		if !c.fits(cert) {
			continue
		}
		if p.Rule == "" {
			p.Rule = s.clients.name(i)
		}
		p.all = p.all || len(c.TagPrefixes) == 0
		p.under = append(p.under, c.TagPrefixes...)
	}
	return p
}

// identity is a name for a certificate; those of SPIFFE have no subject.
func identity(cert *x509.Certificate) string {
	subject := cert.Subject.String()
	switch {
	case subject != "":
		return subject
	case len(cert.URIs) > 0:
		return cert.URIs[0].String()
	case len(cert.DNSNames) > 0:
		return cert.DNSNames[0]
	}
	return "serial " + cert.SerialNumber.Text(16)
}
