package pki

import (
	"bytes"
	"crypto"
	"encoding/pem"
	"errors"
	"os"
	"strings"
	"testing"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Every form of one key must give that key.
func TestParseKeyForms(t *testing.T) {
	for _, tc := range []struct{ file, passphrase, same string }{
		{"server.key", "", "server.key"},
		{"server.key", "not looked at", "server.key"},
		{"server.enc-pkcs1.key", "s3cret", "server.key"},
		{"server.enc-pkcs8.key", "s3cret", "server.key"},
		{"server-ec.key", "", "server-ec.key"},
		{"ec-legacy.key", "s3cret", "server-ec.key"},
		{"ec-scrypt.key", "s3cret", "server-ec.key"},
		{"ec-des3.key", "s3cret", "server-ec.key"},
		{"ed25519.key", "", "ed25519.key"},
	} {
		key, err := ParseKey(read(t, tc.file), tc.passphrase)
		if err != nil {
			t.Errorf("%s: %v", tc.file, err)
			continue
		}
		plain, err := ParseKey(read(t, tc.same), "")
		if err != nil {
			t.Fatal(err)
		}
		if !plain.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(key.Public()) {
			t.Errorf("%s is another key than %s", tc.file, tc.same)
		}
	}
}

func TestParseKeyErrors(t *testing.T) {
	for _, tc := range []struct {
		name, text, passphrase string
		want                   error
		say                    string
	}{
		{"legacy, no passphrase", string(read(t, "server.enc-pkcs1.key")), "", ErrNoPassphrase, ""},
		{"legacy, wrong", string(read(t, "server.enc-pkcs1.key")), "wrong", ErrWrongPassphrase, ""},
		{"legacy ec, wrong", string(read(t, "ec-legacy.key")), "wrong", ErrWrongPassphrase, ""},
		{"pkcs8, no passphrase", string(read(t, "server.enc-pkcs8.key")), "", ErrNoPassphrase, ""},
		{"pkcs8, wrong", string(read(t, "server.enc-pkcs8.key")), "wrong", ErrWrongPassphrase, ""},
		{"scrypt, wrong", string(read(t, "ec-scrypt.key")), "wrong", ErrWrongPassphrase, ""},
		{"3des, wrong", string(read(t, "ec-des3.key")), "wrong", ErrWrongPassphrase, ""},
		{"certificate", string(read(t, "server.crt")), "", ErrNoKey, "it holds a certificate"},
		{"empty", "", "", ErrNoKey, ""},
		{"pbes1", string(read(t, "ec-pbes1.key")), "s3cret", nil, "is not PBES2; write it again"},
		{"sha512", string(read(t, "ec-sha512.key")), "s3cret", nil, "unsupported hash function; write it again"},
		{"openssh", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n", "", nil, "ssh-keygen -p -m PEM"},
		{"garbage", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "", nil, "parse private key"},
	} {
		_, err := ParseKey([]byte(tc.text), tc.passphrase)
		if err == nil || tc.want != nil && !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.say) {
			t.Errorf("%s: got %v, want %v %q", tc.name, err, tc.want, tc.say)
		}
		if err != nil && tc.passphrase != "" && strings.Contains(err.Error(), tc.passphrase) {
			t.Errorf("%s: the message shows the passphrase: %v", tc.name, err)
		}
	}
}

// A key file that is cut off must be refused, not crash the decoder of the library.
func TestCutEncryptedKey(t *testing.T) {
	block, _ := pem.Decode(read(t, "server.enc-pkcs8.key"))
	cut := bytes.Clone(block.Bytes)
	// Shorten the last OCTET STRING and the outer SEQUENCE by one byte: valid DER, no whole block.
	cut = cut[:len(cut)-1]
	cut[3]--
	at := bytes.LastIndex(cut[:120], []byte{0x04, 0x82})
	cut[at+3]--
	_, err := ParseKey(pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: cut}), "s3cret")
	if err == nil || !strings.Contains(err.Error(), "cut off") {
		t.Errorf("got %v, want cut off", err)
	}
}

func TestEncodeAndEncryptKey(t *testing.T) {
	for _, tc := range []struct {
		kind KeyType
		bits int
		head string
	}{
		{RSA, 1024, "-----BEGIN RSA PRIVATE KEY-----\n"},
		{ECDSA, 0, "-----BEGIN EC PRIVATE KEY-----\n"},
		{Ed25519, 0, "-----BEGIN PRIVATE KEY-----\n"},
	} {
		key, err := GenerateKey(tc.kind, tc.bits)
		if err != nil {
			t.Fatal(err)
		}
		text, err := EncodeKey(key)
		if err != nil || !strings.HasPrefix(string(text), tc.head) {
			t.Errorf("%s: encoded as %.40q, %v", tc.kind, text, err)
		}
		sealed, err := EncryptKeyLegacy(key, "pass phrase\n")
		if tc.kind == Ed25519 {
			if err == nil {
				t.Error("ed25519 was encrypted in the old way, which nobody reads")
			}
			continue
		}
		if err != nil || !strings.Contains(string(sealed), "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,") {
			t.Errorf("%s: sealed as %.120q, %v", tc.kind, sealed, err)
		}
		back, err := ParseKey(sealed, "pass phrase\n")
		if err != nil || !back.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(key.Public()) {
			t.Errorf("%s: comes back as %v, %v", tc.kind, back, err)
		}
	}
	if _, err := GenerateKey(RSA, 1000); err == nil {
		t.Error("1000 bits were taken")
	}
	key, _ := GenerateKey(ECDSA, 0)
	if _, err := EncryptKeyLegacy(key, ""); err == nil {
		t.Error("a key was encrypted under no passphrase")
	}
}

func FuzzParseKey(f *testing.F) {
	for _, name := range []string{"server.key", "server-ec.key", "server.enc-pkcs1.key", "server.enc-pkcs8.key", "ec-scrypt.key", "ed25519.key", "ec-pbes1.key"} {
		f.Add(read(f, name), "s3cret")
	}
	f.Fuzz(func(t *testing.T, text []byte, passphrase string) {
		key, err := ParseKey(text, passphrase)
		if (key == nil) == (err == nil) {
			t.Fatalf("key %v, error %v", key, err)
		}
	})
}
