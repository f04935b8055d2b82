// Package pki makes and reads the keys and certificates of the pipeline.
//
// Making: a small certificate authority ([NewCA], [CA.Issue]) that gives the
// fields which Teleport's event handler gives, so that what `handler configure`
// writes is what administrators have today. Reading: PEM in every form that such
// a folder may hold ([ParseCertificates], [ParseKey]), and pairs that are checked
// to belong together ([Pair]). What goes wrong here is read by an administrator,
// so each kind of failure has an error of its own.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
)

// What can be wrong with a key or a certificate. The functions of this package
// wrap them; callers look for them with errors.Is to name the cure.
var (
	ErrNoKey           = errors.New("holds no private key")
	ErrNoCertificate   = errors.New("holds no certificate")
	ErrNoPassphrase    = errors.New("private key is encrypted and no passphrase is given")
	ErrWrongPassphrase = errors.New("passphrase does not open the private key")
	ErrMismatch        = errors.New("private key does not belong to the certificate")
)

// KeyType is the algorithm of a key that is made.
type KeyType string

// The key types that [GenerateKey] makes.
const (
	RSA     KeyType = "rsa"     // as many bits as are asked for
	RSA4096 KeyType = "rsa4096" // what Teleport's configure makes
	ECDSA   KeyType = "ecdsa"   // curve P-256
	Ed25519 KeyType = "ed25519" // not spoken by every TLS client
)

// GenerateKey makes a private key. bits counts for [RSA] only and is 1024, 2048, 3072 or
// 4096; a key of 4096 bits takes seconds.
func GenerateKey(kind KeyType, bits int) (crypto.Signer, error) {
	switch kind {
	case RSA4096:
		return GenerateKey(RSA, 4096)
	case RSA:
		if bits != 1024 && bits != 2048 && bits != 3072 && bits != 4096 {
			return nil, fmt.Errorf("generate rsa key: length %d is none of 1024, 2048, 3072, 4096", bits)
		}
		return signer(rsa.GenerateKey(rand.Reader, bits))
	case ECDSA:
		return signer(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	case Ed25519:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return signer(key, err)
	}
	return nil, fmt.Errorf("generate key: type %q is none of rsa, ecdsa, ed25519", kind)
}

func signer[K crypto.Signer](key K, err error) (crypto.Signer, error) {
	if err != nil {
		return nil, fmt.Errorf("generate key: %w", err)
	}
	return key, nil
}
