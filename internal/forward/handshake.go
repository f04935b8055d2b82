package forward

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/sluicelog/sluice/internal/event"
)

// The handshake: the server says HELO with a nonce; the client answers PING with
// a digest that proves the shared key (and user and password); the server says
// PONG with the verdict and its own proof. All digests are SHA-512 in hex.

// Helo opens the handshake.
type Helo struct {
	Nonce     string // 16 random bytes
	Auth      string // salt for user and password; "" when there are no users
	Keepalive bool
}

// Append appends the message.
func (h Helo) Append(dst []byte) []byte {
	option := event.NewRecord("nonce", event.Binary(h.Nonce), "auth", event.Binary(h.Auth), "keepalive", h.Keepalive)
	return event.AppendMsgpack(dst, []any{"HELO", option})
}

// ReadHelo reads the server's opening.
func ReadHelo(v any) (Helo, error) {
	parts, err := handshakeOf(v, "HELO", 2)
	if err != nil {
		return Helo{}, err
	}
	option, ok := parts[1].(*event.Record)
	if !ok {
		return Helo{}, &InvalidError{Reason: "HELO has no options"}
	}
	h := Helo{Keepalive: true}
	nonce, _ := option.Get("nonce")
	auth, _ := option.Get("auth")
	h.Nonce, _ = textOf(nonce)
	h.Auth, _ = textOf(auth)
	if keep, ok := option.Get("keepalive"); ok {
		h.Keepalive, _ = keep.(bool)
	}
	return h, nil
}

// Ping is the client's proof.
type Ping struct {
	Hostname, Salt, Digest, User, PasswordDigest string
}

// Append appends the message.
func (p Ping) Append(dst []byte) []byte {
	return event.AppendMsgpack(dst, []any{"PING", p.Hostname, event.Binary(p.Salt), p.Digest, p.User, p.PasswordDigest})
}

// ReadPing reads a client's proof.
func ReadPing(v any) (Ping, error) {
	parts, err := handshakeOf(v, "PING", 6)
	if err != nil {
		return Ping{}, err
	}
	var p Ping
	for i, dst := range []*string{&p.Hostname, &p.Salt, &p.Digest, &p.User, &p.PasswordDigest} {
		text, ok := textOf(parts[i+1])
		if !ok {
			return Ping{}, &InvalidError{Reason: "PING has a field that is no text"}
		}
		*dst = text
	}
	return p, nil
}

// Pong is the server's verdict and proof.
type Pong struct {
	OK                       bool
	Reason, Hostname, Digest string
}

// Append appends the message.
func (p Pong) Append(dst []byte) []byte {
	return event.AppendMsgpack(dst, []any{"PONG", p.OK, p.Reason, p.Hostname, p.Digest})
}

// ReadPong reads the server's verdict.
func ReadPong(v any) (Pong, error) {
	parts, err := handshakeOf(v, "PONG", 5)
	if err != nil {
		return Pong{}, err
	}
	p := Pong{}
	p.OK, _ = parts[1].(bool)
	p.Reason, _ = textOf(parts[2])
	p.Hostname, _ = textOf(parts[3])
	p.Digest, _ = textOf(parts[4])
	return p, nil
}

func handshakeOf(v any, name string, length int) ([]any, error) {
	parts, ok := v.([]any)
	if !ok || len(parts) != length {
		return nil, &InvalidError{Reason: name + " expected"}
	}
	if word, _ := textOf(parts[0]); word != name {
		return nil, &InvalidError{Reason: name + " expected"}
	}
	return parts, nil
}

// KeyDigest proves the shared key: a hash of the client's salt, the prover's host
// name, the server's nonce and the key.
func KeyDigest(salt, hostname, nonce, key string) string {
	return digest(salt, hostname, nonce, key)
}

// PasswordDigest proves a password: a hash of the server's salt, user and
// password.
func PasswordDigest(auth, user, password string) string {
	return digest(auth, user, password)
}

func digest(parts ...string) string {
	h := sha512.New()
	for _, p := range parts {
		h.Write([]byte(p))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Equal compares digests without telling by its time how far they agree.
func Equal(a, b string) bool { return hmac.Equal([]byte(a), []byte(b)) }

// Proof is the client's side of a handshake: what it proves, and what the server
// must prove.
type Proof struct{ hostname, key, salt, nonce, auth string }

// NewProof begins the answer to a server's HELO. hostname is the client's own.
func NewProof(hostname, key string, h Helo) *Proof {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // never fails
	return &Proof{hostname: hostname, key: key, salt: string(salt), nonce: h.Nonce, auth: h.Auth}
}

// Ping proves the shared key, and the user where the server asks for one.
func (p *Proof) Ping(user, password string) Ping {
	ping := Ping{Hostname: p.hostname, Salt: p.salt, Digest: KeyDigest(p.salt, p.hostname, p.nonce, p.key)}
	if p.auth != "" {
		ping.User, ping.PasswordDigest = user, PasswordDigest(p.auth, user, password)
	}
	return ping
}

// Judge holds the server to the shared key, too.
func (p *Proof) Judge(pong Pong) error {
	switch {
	case !pong.OK:
		return fmt.Errorf("authentication failed: %s", pong.Reason)
	case pong.Hostname == p.hostname:
		return errors.New("same hostname between input and output: invalid configuration")
	case !Equal(pong.Digest, KeyDigest(p.salt, pong.Hostname, p.nonce, p.key)):
		return errors.New("shared key mismatch")
	}
	return nil
}
