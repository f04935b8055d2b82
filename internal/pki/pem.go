package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// EncodeCertificates is the PEM text of certificates, in order.
func EncodeCertificates(certs ...*x509.Certificate) []byte {
	var out bytes.Buffer
	for _, c := range certs {
		_ = pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}) // a Buffer does not fail
	}
	return out.Bytes()
}

// EncodeKey is the PEM text of a key, in the form that OpenSSL's older tools
// write and everything reads: "RSA PRIVATE KEY" (PKCS#1), "EC PRIVATE KEY" (SEC1),
// and PKCS#8 for what has no older form.
func EncodeKey(key crypto.Signer) ([]byte, error) {
	block, err := keyBlock(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(block), nil
}

// EncryptKeyLegacy is [EncodeKey] under a passphrase, in OpenSSL's old way: the
// headers "Proc-Type: 4,ENCRYPTED" and "DEK-Info: AES-256-CBC,<iv>". Upstream's
// configure writes it and Fluentd reads it. It derives the key with one round of
// MD5, so the strength is that of the passphrase alone: give it 32 random bytes.
// A key that has no older form than PKCS#8 is refused.
func EncryptKeyLegacy(key crypto.Signer, passphrase string) ([]byte, error) {
	block, err := keyBlock(key)
	if err != nil {
		return nil, err
	}
	if block.Type == "PRIVATE KEY" {
		return nil, errors.New("encrypt key: only rsa and ecdsa keys have an encrypted form that every reader knows")
	}
	if passphrase == "" {
		return nil, errors.New("encrypt key: passphrase is empty")
	}
	//lint:ignore SA1019 Fluentd's users have such keys, and nothing else is read by all
	sealed, err := x509.EncryptPEMBlock(rand.Reader, block.Type, block.Bytes, []byte(passphrase), x509.PEMCipherAES256)
	if err != nil {
		return nil, fmt.Errorf("encrypt key: %w", err)
	}
	return pem.EncodeToMemory(sealed), nil
}

func keyBlock(key crypto.Signer) (*pem.Block, error) {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		return &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(k)}, nil
	case *ecdsa.PrivateKey:
		der, err := x509.MarshalECPrivateKey(k)
		if err != nil {
			return nil, fmt.Errorf("encode key: %w", err)
		}
		return &pem.Block{Type: "EC PRIVATE KEY", Bytes: der}, nil
	case ed25519.PrivateKey:
		der, err := x509.MarshalPKCS8PrivateKey(k)
		if err != nil {
			return nil, fmt.Errorf("encode key: %w", err)
		}
		return &pem.Block{Type: "PRIVATE KEY", Bytes: der}, nil
	}
	return nil, fmt.Errorf("encode key: type %T is not known", key)
}

// ParseCertificates reads every certificate of a PEM text, in order; other blocks
// and what stands between blocks are skipped. Text that begins with none is also
// tried as one DER certificate. A text without any is [ErrNoCertificate].
func ParseCertificates(text []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" && block.Type != "TRUSTED CERTIFICATE" && block.Type != "X509 CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("parse certificate %d: %w", len(certs)+1, err)
		}
		certs = append(certs, c)
	}
	if len(certs) == 0 {
		if c, err := x509.ParseCertificate(text); err == nil {
			return []*x509.Certificate{c}, nil
		}
		return nil, ErrNoCertificate
	}
	return certs, nil
}

// Pair joins a certificate chain (leaf first) with its key, ready for crypto/tls.
// [ErrMismatch] when they do not belong together.
func Pair(certPEM, keyPEM []byte, passphrase string) (*tls.Certificate, error) {
	chain, err := ParseCertificates(certPEM)
	if err != nil {
		return nil, err
	}
	key, err := ParseKey(keyPEM, passphrase)
	if err != nil {
		return nil, err
	}
	return Join(chain, key)
}

// Join is [Pair] of what is parsed already. chain holds at least one certificate.
func Join(chain []*x509.Certificate, key crypto.Signer) (*tls.Certificate, error) {
	if !Belongs(key, chain[0]) {
		return nil, ErrMismatch
	}
	pair := &tls.Certificate{PrivateKey: key, Leaf: chain[0]}
	for _, c := range chain {
		pair.Certificate = append(pair.Certificate, c.Raw)
	}
	return pair, nil
}

// Belongs reports whether key is the private half of cert's key.
func Belongs(key crypto.Signer, cert *x509.Certificate) bool {
	pub, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && pub.Equal(cert.PublicKey)
}
