package pki

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"
)

// CA signs certificates.
type CA struct {
	Cert *x509.Certificate
	Key  crypto.Signer
}

// Leaf says what a certificate of a CA shall state.
type Leaf struct {
	Subject pkix.Name
	DNS     []string
	IPs     []net.IP
	Usage   []x509.ExtKeyUsage // serverAuth, clientAuth
	From    time.Time
	TTL     time.Duration
}

// NewCA makes a certificate authority that signs itself and may sign leaves
// only: path length 0, usages certSign and crlSign, a random serial below 2^128,
// valid from now on for ttl.
func NewCA(key crypto.Signer, subject pkix.Name, from time.Time, ttl time.Duration) (*CA, error) {
	template, err := template(subject, from, ttl)
	if err != nil {
		return nil, fmt.Errorf("make ca: %w", err)
	}
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.MaxPathLenZero = true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	cert, err := sign(template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make ca: %w", err)
	}
	return &CA{cert, key}, nil
}

// Issue signs a certificate for pub: key usage digitalSignature, no basic
// constraints, issuer the CA's subject.
func (ca *CA) Issue(pub crypto.PublicKey, l Leaf) (*x509.Certificate, error) {
	template, err := template(l.Subject, l.From, l.TTL)
	if err != nil {
		return nil, fmt.Errorf("issue certificate: %w", err)
	}
	template.DNSNames, template.IPAddresses = l.DNS, l.IPs
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = l.Usage
	cert, err := sign(template, ca.Cert, pub, ca.Key)
	if err != nil {
		return nil, fmt.Errorf("issue certificate: %w", err)
	}
	return cert, nil
}

// OpenCA makes a CA of a certificate and key that exist. The certificate must be
// one that may sign, and the key its own.
func OpenCA(certPEM, keyPEM []byte, passphrase string) (*CA, error) {
	certs, err := ParseCertificates(certPEM)
	if err != nil {
		return nil, fmt.Errorf("open ca: %w", err)
	}
	key, err := ParseKey(keyPEM, passphrase)
	if err != nil {
		return nil, fmt.Errorf("open ca: %w", err)
	}
	if !Belongs(key, certs[0]) {
		return nil, fmt.Errorf("open ca: %w", ErrMismatch)
	}
	// A version 1 certificate has no constraints and may sign, as OpenSSL lets it.
	if certs[0].BasicConstraintsValid && !certs[0].IsCA {
		return nil, errors.New("open ca: certificate is not one of an authority (basic constraints say CA:FALSE)")
	}
	return &CA{certs[0], key}, nil
}

// Signed reports whether the CA signed cert.
func (ca *CA) Signed(cert *x509.Certificate) bool {
	return bytes.Equal(cert.RawIssuer, ca.Cert.RawSubject) && ca.Cert.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature) == nil
}

func template(subject pkix.Name, from time.Time, ttl time.Duration) (*x509.Certificate, error) {
	if ttl <= 0 {
		return nil, fmt.Errorf("ttl %v is not above zero", ttl)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 128))
	if err != nil {
		return nil, fmt.Errorf("draw serial number: %w", err)
	}
	if serial.Sign() == 0 {
		serial.SetInt64(1) // RFC 5280 wants a positive number
	}
	return &x509.Certificate{SerialNumber: serial, Subject: subject, NotBefore: from, NotAfter: from.Add(ttl)}, nil
}

func sign(template, parent *x509.Certificate, pub crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}
