package pki

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// ParseKey reads the first private key of a PEM text. It knows PKCS#1, SEC1 and
// PKCS#8, OpenSSL's old encryption (DEK-Info with AES, 3DES or DES in CBC mode)
// and PKCS#8 encrypted by PBES2 (AES or 3DES in CBC mode, key by PBKDF2 or scrypt). The
// passphrase is not looked at when the key is not encrypted. Errors:
// [ErrNoKey], [ErrNoPassphrase], [ErrWrongPassphrase], or what is malformed.
func ParseKey(text []byte, passphrase string) (crypto.Signer, error) {
	for rest := text; ; {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			return nil, noKey(text)
		}
		if strings.HasSuffix(block.Type, "PRIVATE KEY") {
			return parseBlock(block, passphrase)
		}
	}
}

// noKey says what the text holds in place of a key, when that can be told.
func noKey(text []byte) error {
	if block, _ := pem.Decode(text); block != nil {
		return fmt.Errorf("%w (it holds a %s)", ErrNoKey, strings.ToLower(block.Type))
	}
	return ErrNoKey
}

func parseBlock(block *pem.Block, passphrase string) (crypto.Signer, error) {
	switch {
	case block.Type == "OPENSSH PRIVATE KEY":
		return nil, errors.New("parse private key: it is in OpenSSH's own format; write it with `ssh-keygen -p -m PEM -f FILE`")
	case block.Type == "ENCRYPTED PRIVATE KEY":
		return openPBES2(block.Bytes, passphrase)
	//lint:ignore SA1019 it is the form that upstream's configure writes
	case x509.IsEncryptedPEMBlock(block):
		return openLegacy(block, passphrase)
	}
	return parseDER(block.Bytes)
}

// openLegacy checks the padding only, so one wrong passphrase in 256 yields
// garbage; that it is no key then says the same thing.
func openLegacy(block *pem.Block, passphrase string) (crypto.Signer, error) {
	if passphrase == "" {
		return nil, ErrNoPassphrase
	}
	//lint:ignore SA1019 it is the form that upstream's configure writes
	der, err := x509.DecryptPEMBlock(block, []byte(passphrase))
	if errors.Is(err, x509.IncorrectPasswordError) {
		return nil, ErrWrongPassphrase
	}
	if err != nil {
		return nil, fmt.Errorf("decrypt private key: %w", err)
	}
	key, err := parseDER(der)
	if err != nil {
		return nil, ErrWrongPassphrase
	}
	return key, nil
}

// parseDER tries the three encodings; the PEM type is not trusted, as tools
// disagree about it.
func parseDER(der []byte) (crypto.Signer, error) {
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("parse private key: %w", err)
	}
	return asSigner(key)
}

func asSigner(key any) (crypto.Signer, error) {
	s, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("parse private key: a key of type %T can not sign", key)
	}
	return s, nil
}
