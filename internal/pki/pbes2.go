package pki

import (
	"crypto"
	"encoding/asn1"
	"errors"
	"fmt"
	"strings"

	"github.com/youmark/pkcs8"
)

// openPBES2 reads an encrypted PKCS#8 key. The library that decrypts it trusts
// what the file says, so the file is checked first.
func openPBES2(der []byte, passphrase string) (crypto.Signer, error) {
	if passphrase == "" {
		return nil, ErrNoPassphrase
	}
	if err := checkPBES2(der); err != nil {
		return nil, fmt.Errorf("decrypt private key: %w", err)
	}
	key, _, err := pkcs8.ParsePrivateKey(der, []byte(passphrase))
	if err != nil {
		// The library has no error value for it.
		if strings.Contains(err.Error(), "incorrect password") {
			return nil, ErrWrongPassphrase
		}
		return nil, fmt.Errorf("decrypt private key: %w; %s", err, rewrite)
	}
	return asSigner(key)
}

// pbes2 is an encrypted PKCS#8 key (RFC 5958, 3, with RFC 8018, appendix A).
type pbes2 struct {
	Algorithm struct {
		OID    asn1.ObjectIdentifier
		Params asn1.RawValue
	}
	Data []byte
}

type pbes2Params struct {
	KDF    struct{ OID, Params asn1.RawValue }
	Cipher struct {
		OID asn1.ObjectIdentifier
		IV  []byte
	}
}

// maxRounds and maxScrypt bound what a key file can make us compute and
// allocate: about two seconds. OpenSSL writes 2048 rounds, careful people a million.
const (
	maxRounds = 2_000_000
	maxScrypt = 256 << 20 // bytes
)

// How to write a key that we do not read in a form that we do.
const rewrite = "write it again with `openssl pkcs8 -topk8 -v2 aes-256-cbc -in OLD -out NEW`"

// checkPBES2 refuses what would make the library hang, panic or guess: costs
// without bound, data that are no whole blocks, an IV of the wrong size.
func checkPBES2(der []byte) error {
	var k pbes2
	if _, err := asn1.Unmarshal(der, &k); err != nil {
		return errors.New("it is malformed")
	}
	var p pbes2Params
	if k.Algorithm.OID.String() != "1.2.840.113549.1.5.13" {
		return fmt.Errorf("its encryption %v is not PBES2; %s", k.Algorithm.OID, rewrite)
	}
	if _, err := asn1.Unmarshal(k.Algorithm.Params.FullBytes, &p); err != nil {
		return errors.New("its PBES2 parameters are malformed")
	}
	block := cipherBlock(p.Cipher.OID)
	switch {
	case block == 0:
		return fmt.Errorf("its cipher %v is not known; %s", p.Cipher.OID, rewrite)
	case len(p.Cipher.IV) != block || len(k.Data) == 0 || len(k.Data)%block != 0:
		return errors.New("its encrypted part is cut off")
	}
	return checkKDF(p.KDF.OID, p.KDF.Params.FullBytes)
}

// cipherBlock is the block size of the ciphers that are read, else 0.
func cipherBlock(oid asn1.ObjectIdentifier) int {
	switch oid.String() {
	case "2.16.840.1.101.3.4.1.2", "2.16.840.1.101.3.4.1.22", "2.16.840.1.101.3.4.1.42": // AES-128, 192, 256-CBC
		return 16
	case "1.2.840.113549.3.7": // 3DES-CBC
		return 8
	}
	return 0
}

func checkKDF(id asn1.RawValue, params []byte) error {
	var oid asn1.ObjectIdentifier
	if _, err := asn1.Unmarshal(id.FullBytes, &oid); err != nil {
		return errors.New("its key derivation is malformed")
	}
	switch oid.String() {
	case "1.2.840.113549.1.5.12":
		return checkPBKDF2(params)
	case "1.3.6.1.4.1.11591.4.11":
		return checkScrypt(params)
	}
	return fmt.Errorf("its key derivation %v is not known; %s", oid, rewrite)
}

func checkPBKDF2(der []byte) error {
	var p struct {
		Salt   []byte
		Rounds int
		Length int           `asn1:"optional"`
		Hash   asn1.RawValue `asn1:"optional"`
	}
	if _, err := asn1.Unmarshal(der, &p); err != nil {
		return errors.New("its pbkdf2 parameters are malformed")
	}
	if p.Rounds < 1 || p.Rounds > maxRounds {
		return fmt.Errorf("it asks for %d rounds of pbkdf2; %s", p.Rounds, rewrite)
	}
	if p.Length != 0 {
		// The library takes what follows the rounds for the hash and derives another key.
		return fmt.Errorf("it states the length of its pbkdf2 key; %s", rewrite)
	}
	return nil
}

func checkScrypt(der []byte) error {
	var p struct {
		Salt               []byte
		Cost, Block, Lanes int
	}
	if _, err := asn1.Unmarshal(der, &p); err != nil {
		return errors.New("its scrypt parameters are malformed")
	}
	if p.Cost < 2 || p.Block < 1 || p.Block > 1024 || p.Lanes < 1 || p.Lanes > 64 || p.Cost > maxScrypt/128/p.Block {
		return fmt.Errorf("it asks for scrypt with cost %d, block %d, lanes %d; %s", p.Cost, p.Block, p.Lanes, rewrite)
	}
	return nil
}
