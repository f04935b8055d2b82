package handler

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/sluicelog/sluice/internal/pki"
)

// configured is everything that the files are made of.
type configured struct {
	c          *ConfigureCmd
	passphrase string
	files      []outFile
}

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// prepare makes the certificates: an authority, a pair for the server whose key is
// encrypted, and a pair for the client. Both leaves carry the same names, as
// upstream's do.
func (c *ConfigureCmd) prepare(ctx context.Context, stdin io.Reader) (*configured, error) {
	passphrase, err := passphraseFrom(stdin)
	if err != nil {
		return nil, err
	}
	ips, err := c.addresses(ctx)
	if err != nil {
		return nil, err
	}
	set := &configured{c: c, passphrase: passphrase}
	now := time.Now()
	key, err := pki.GenerateKey(c.keyKind(), c.Length)
	if err != nil {
		return nil, err
	}
	ca, err := pki.NewCA(key, pkix.Name{CommonName: "CA"}, now, c.TTL)
	if err != nil {
		return nil, err
	}
	caKey, err := pki.EncodeKey(key)
	if err != nil {
		return nil, err
	}
	set.files = append(set.files, outFile{c.CA + ".crt", pki.EncodeCertificates(ca.Cert)}, outFile{c.CA + ".key", caKey})
	server := "Server"
	if c.CN != "" {
		server = c.CN
	}
	for _, leaf := range []struct {
		stem, name, passphrase string
		usage                  x509.ExtKeyUsage
	}{{c.Server, server, passphrase, x509.ExtKeyUsageServerAuth}, {c.Client, "Client", "", x509.ExtKeyUsageClientAuth}} {
		l := pki.Leaf{Subject: pkix.Name{CommonName: leaf.name}, DNS: c.DNSNames, IPs: ips, Usage: []x509.ExtKeyUsage{leaf.usage}, From: now, TTL: c.TTL}
		if err := set.issue(ca, l, leaf.stem, leaf.passphrase); err != nil {
			return nil, fmt.Errorf("make %s certificate: %w", leaf.stem, err)
		}
	}
	return set, nil
}

func (set *configured) issue(ca *pki.CA, l pki.Leaf, stem, passphrase string) error {
	l.IPs = unique(l.IPs)
	key, err := pki.GenerateKey(set.c.keyKind(), set.c.Length)
	if err != nil {
		return err
	}
	cert, err := ca.Issue(key.Public(), l)
	if err != nil {
		return err
	}
	var text []byte
	if passphrase == "" {
		text, err = pki.EncodeKey(key)
	} else {
		text, err = pki.EncryptKeyLegacy(key, passphrase)
	}
	set.files = append(set.files, outFile{stem + ".crt", pki.EncodeCertificates(cert)}, outFile{stem + ".key", text})
	return err
}

func unique(ips []net.IP) []net.IP {
	seen := map[string]bool{}
	var kept []net.IP
	for _, ip := range ips {
		if !seen[ip.String()] {
			seen[ip.String()] = true
			kept = append(kept, ip)
		}
	}
	return kept
}

func (set *configured) certificates() []outFile { return set.files }
