package tlsconf

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"

	"github.com/sluicelog/sluice/internal/param"
)

// ClientCert is a <client_cert> section: what a client's certificate must say for
// the client to come in. Of each kind that is written one value must fit, and
// every kind that is written must. In values, * stands for any characters but the
// separator (a dot in names, a slash in URIs) and ** for any at all. A client that
// several sections fit may send what any of them allows.
//
//	<client_cert>
//	  name handlers
//	  cn Client
//	  dns *.handlers.example.com
//	  uri spiffe://example.com/ns/*/sa/event-handler
//	  tag_prefix teleport
//	</client_cert>
type ClientCert struct {
	Name         string // for logs; "" is the section's number
	CN           []string
	DNS          []string
	URI          []string
	Fingerprints []string // SHA-256 of the certificate, hex, with or without colons
	TagPrefixes  []string // what the tags of such a client must begin with; none is any tag
}

// ClientCerts are the <client_cert> sections of a source.
type ClientCerts []ClientCert

func (c *ClientCert) params(p *param.Set) {
	p.String("name", &c.Name, "", "What the rule is called in messages.")
	p.Strings("cn", &c.CN, nil, "Common names of the subject.")
	p.Strings("dns", &c.DNS, nil, "DNS names, in any case of letters.")
	p.Strings("uri", &c.URI, nil, "URIs, such as SPIFFE ids.")
	p.Strings("fingerprint", &c.Fingerprints, nil, "SHA-256 fingerprints of the certificate, as `openssl x509 -fingerprint -sha256` prints them.").Alias("fingerprint_sha256")
	p.Strings("tag_prefix", &c.TagPrefixes, nil, "Tags that such clients may send: these, and those below them (a.b allows a.b and a.b.c). Without it, any.")
}

func (cs ClientCerts) check() error {
	for i, c := range cs {
		if len(c.CN)+len(c.DNS)+len(c.URI)+len(c.Fingerprints) == 0 {
			return param.Errorf("client_cert", "write cn, dns, uri or fingerprint", "<client_cert> %s fits every certificate", cs.name(i))
		}
		for _, f := range c.Fingerprints {
			if b, err := hex.DecodeString(bareHex(f)); err != nil || len(b) != sha256.Size {
				return param.Errorf("fingerprint", "`openssl x509 -noout -fingerprint -sha256 -in client.crt` prints it", "%q is no SHA-256 fingerprint", f)
			}
		}
	}
	return nil
}

// Allowed reports whether a certificate may come in, and by which rule. Without
// rules every certificate may, by none. The certificate's authority was checked
// before.
func (cs ClientCerts) Allowed(cert *x509.Certificate) (rule string, ok bool) {
	for i := range cs {
		if cs[i].fits(cert) {
			return cs.name(i), true
		}
	}
	return "", len(cs) == 0
}

func (cs ClientCerts) name(i int) string {
	if cs[i].Name != "" {
		return cs[i].Name
	}
	return fmt.Sprintf("#%d", i+1)
}

func (c *ClientCert) fits(cert *x509.Certificate) bool {
	var uris []string
	for _, u := range cert.URIs {
		uris = append(uris, u.String())
	}
	sum := sha256.Sum256(cert.Raw)
	return anyFits(c.CN, []string{cert.Subject.CommonName}, exactDots) &&
		anyFits(c.DNS, cert.DNSNames, anyCaseDots) &&
		anyFits(c.URI, uris, exactSlashes) &&
		anyFits(c.Fingerprints, []string{hex.EncodeToString(sum[:])}, func(want, got string) bool { return bareHex(want) == got })
}

// anyFits reports whether one of the values fits one of the patterns; no pattern
// asks for nothing.
func anyFits(patterns, values []string, fits func(pattern, value string) bool) bool {
	for _, p := range patterns {
		for _, v := range values {
			if fits(p, v) {
				return true
			}
		}
	}
	return len(patterns) == 0
}

func exactDots(pattern, value string) bool    { return wildcard(pattern, value, '.') }
func exactSlashes(pattern, value string) bool { return wildcard(pattern, value, '/') }
func anyCaseDots(pattern, value string) bool {
	return wildcard(strings.ToLower(pattern), strings.ToLower(value), '.')
}

// wildcard compares a value with a pattern; an empty value fits nothing.
func wildcard(pattern, value string, separator rune) bool {
	if value == "" || !strings.Contains(pattern, "*") {
		return value != "" && pattern == value
	}
	expr := regexp.QuoteMeta(pattern)
	expr = strings.ReplaceAll(expr, `\*\*`, `(?s:.*)`)
	expr = strings.ReplaceAll(expr, `\*`, `[^`+regexp.QuoteMeta(string(separator))+`]*`)
	ok, err := regexp.MatchString(`\A`+expr+`\z`, value)
	return ok && err == nil
}

func bareHex(fingerprint string) string {
	_, after, found := strings.Cut(fingerprint, "=") // "sha256 Fingerprint=AB:CD..."
	if found {
		fingerprint = after
	}
	return strings.ToLower(strings.NewReplacer(":", "", " ", "").Replace(fingerprint))
}
