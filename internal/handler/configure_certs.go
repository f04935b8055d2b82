package handler

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"sync"

	"github.com/sluicelog/sluice/internal/pki"
	"github.com/sluicelog/sluice/internal/state"
)

// makeCertificates makes the pairs that the plan writes, with the fields that
// upstream's have: CN=CA signs CN=Server (serverAuth, key encrypted) and CN=Client
// (clientAuth), both with the same names and addresses.
func (s *setup) makeCertificates(p *plan) ([]state.File, error) {
	keys, err := s.makeKeys(p)
	if err != nil {
		return nil, err
	}
	var files []state.File
	ca := p.ca
	if p.writes[s.cmd.CA+".key"] {
		if ca, err = pki.NewCA(keys[s.cmd.CA], pkix.Name{CommonName: "CA"}, s.now, s.cmd.TTL); err != nil {
			return nil, err
		}
		if files, err = s.pair(files, s.cmd.CA, ca.Cert, ca.Key, ""); err != nil {
			return nil, err
		}
	}
	for _, leaf := range []struct {
		stem, name, passphrase string
		usage                  x509.ExtKeyUsage
	}{
		{s.cmd.Server, "Server", s.passphrase, x509.ExtKeyUsageServerAuth},
		{s.cmd.Client, "Client", "", x509.ExtKeyUsageClientAuth},
	} {
		key := keys[leaf.stem]
		if key == nil {
			continue
		}
		if s.cmd.CN != "" {
			leaf.name = s.cmd.CN
		}
		cert, err := ca.Issue(key.Public(), pki.Leaf{
			Subject: pkix.Name{CommonName: leaf.name}, DNS: s.dns, IPs: s.ips,
			Usage: []x509.ExtKeyUsage{leaf.usage}, From: s.now, TTL: s.cmd.TTL,
		})
		if err != nil {
			return nil, err
		}
		if files, err = s.pair(files, leaf.stem, cert, key, leaf.passphrase); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// makeKeys makes all keys at the same time: one of 4096 bits takes seconds.
func (s *setup) makeKeys(p *plan) (map[string]crypto.Signer, error) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	keys, failed := map[string]crypto.Signer{}, error(nil)
	for _, stem := range []string{s.cmd.CA, s.cmd.Server, s.cmd.Client} {
		if !p.writes[stem+".key"] {
			continue
		}
		wg.Go(func() {
			key, err := pki.GenerateKey(s.cmd.keyKind(), s.cmd.Length)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = fmt.Errorf("make %s: %w", stem, err)
				return
			}
			keys[stem] = key
		})
	}
	wg.Wait()
	return keys, failed
}

// pair appends a certificate and its key; the key first, so that whoever watches
// for the certificate finds its key.
func (s *setup) pair(files []state.File, stem string, cert *x509.Certificate, key crypto.Signer, passphrase string) ([]state.File, error) {
	text, err := pki.EncodeKey(key)
	if passphrase != "" {
		text, err = pki.EncryptKeyLegacy(key, passphrase)
	}
	if err != nil {
		return nil, fmt.Errorf("make %s.key: %w", stem, err)
	}
	names := pairFiles(stem)
	return append(files,
		state.File{Path: s.path(names[1]), Data: text},
		state.File{Path: s.path(names[0]), Data: pki.EncodeCertificates(cert)}), nil
}
