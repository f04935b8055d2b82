package teleporttest

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/gravitational/teleport/api/constants"
	"golang.org/x/crypto/ssh"

	"github.com/sluicelog/sluice/internal/pki"
)

// authority signs what a cluster's user and host CAs sign: the server's
// certificate, users' TLS certificates, and the SSH certificates of users and of
// the proxy.
type authority struct {
	cluster string
	ca      *pki.CA
	server  *tls.Certificate
	stale   *tls.Certificate // of the server, past its time
	users   ssh.Signer
	hosts   ssh.Signer

	principals []string
}

const userName = "teleport-event-handler"

func newAuthority(cluster string) (*authority, error) {
	key, err := pki.GenerateKey(pki.ECDSA, 0)
	if err != nil {
		return nil, err
	}
	from := time.Now().Add(-time.Hour)
	ca, err := pki.NewCA(key, pkix.Name{Organization: []string{cluster}, CommonName: cluster}, from, longLife)
	if err != nil {
		return nil, err
	}
	a := &authority{cluster: cluster, ca: ca}
	for _, signer := range []*ssh.Signer{&a.users, &a.hosts} {
		if *signer, err = newSSHKey(); err != nil {
			return nil, err
		}
	}
	if a.server, err = a.serverCert(from, longLife); err != nil {
		return nil, err
	}
	a.stale, err = a.serverCert(from, 30*time.Minute)
	return a, err
}

func newSSHKey() (ssh.Signer, error) {
	key, err := pki.GenerateKey(pki.ECDSA, 0)
	if err != nil {
		return nil, err
	}
	return ssh.NewSignerFromKey(key)
}

const longLife = 10 * 365 * 24 * time.Hour

// serverCert is valid for the name that every client verifies, whatever address
// it dialled.
func (a *authority) serverCert(from time.Time, ttl time.Duration) (*tls.Certificate, error) {
	key, err := pki.GenerateKey(pki.ECDSA, 0)
	if err != nil {
		return nil, err
	}
	cert, err := a.ca.Issue(key.Public(), pki.Leaf{
		Subject: pkix.Name{CommonName: "auth." + a.cluster},
		DNS:     []string{"teleport.cluster.local", "localhost"},
		IPs:     []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		Usage:   []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		From:    from,
		TTL:     ttl,
	})
	if err != nil {
		return nil, err
	}
	return pki.Join([]*x509.Certificate{cert, a.ca.Cert}, key)
}

func (a *authority) serverTLS(expired func() bool) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(a.ca.Cert)
	return &tls.Config{
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			if expired() {
				return a.stale, nil
			}
			return a.server, nil
		},
		ClientAuth: tls.RequireAndVerifyClientCert,
		ClientCAs:  pool,
		NextProtos: []string{"h2"},
		MinVersion: tls.VersionTLS12,
	}
}

// user is one signed user: a key with a TLS and an SSH certificate over it.
type user struct {
	keyPEM, certPEM []byte
	sshLine         []byte
}

func (a *authority) signUser(ttl time.Duration) (user, error) {
	key, err := pki.GenerateKey(pki.ECDSA, 0)
	if err != nil {
		return user{}, err
	}
	from := time.Now().Add(min(ttl, 0) - 2*time.Hour) // also an expired one was valid once
	cert, err := a.ca.Issue(key.Public(), pki.Leaf{
		Subject: pkix.Name{CommonName: userName, Organization: []string{userName}},
		Usage:   []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		From:    from,
		TTL:     ttl - min(ttl, 0) + 2*time.Hour,
	})
	if err != nil {
		return user{}, err
	}
	u := user{certPEM: pki.EncodeCertificates(cert)}
	if u.keyPEM, err = pki.EncodeKey(key); err != nil {
		return user{}, err
	}
	u.sshLine, err = a.signSSH(key.Public(), cert)
	return u, err
}

// signSSH names the user as Options.Principals says, else as Teleport does when its
// role allows no login on any machine: by a name that is another one in every
// certificate, beside one that is in all of them.
func (a *authority) signSSH(public crypto.PublicKey, like *x509.Certificate) ([]byte, error) {
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		return nil, err
	}
	names := a.principals
	if names == nil {
		names = []string{constants.NoLoginPrefix + rand.Text(), "-teleport-internal-join"}
	}
	cert := &ssh.Certificate{
		Key:             key,
		KeyId:           userName,
		CertType:        ssh.UserCert,
		ValidPrincipals: names,
		ValidAfter:      uint64(like.NotBefore.Unix()),
		ValidBefore:     uint64(like.NotAfter.Unix()),
		Permissions:     ssh.Permissions{Extensions: map[string]string{"teleport-roles": userName}},
	}
	if err := cert.SignCert(rand.Reader, a.users); err != nil {
		return nil, err
	}
	return ssh.MarshalAuthorizedKey(cert), nil
}

// WriteIdentity signs a user anew and writes an identity file for it: key, SSH
// certificate, TLS certificate, SSH CA, TLS CA. A negative ttl makes an
// expired one.
func (s *Server) WriteIdentity(path string, ttl time.Duration) error {
	u, err := s.certs.signUser(ttl)
	if err != nil {
		return fmt.Errorf("write identity: %w", err)
	}
	var b bytes.Buffer
	b.Write(u.keyPEM)
	b.Write(u.sshLine)
	b.Write(u.certPEM)
	fmt.Fprintf(&b, "@cert-authority *.%s %s", s.certs.cluster, ssh.MarshalAuthorizedKey(s.certs.hosts.PublicKey()))
	b.Write(s.caPEM())
	return replaceFile(path, b.Bytes())
}

// WritePair signs a user anew and writes user.crt, user.key and ca.crt into dir.
func (s *Server) WritePair(dir string, ttl time.Duration) (cert, key, ca string, err error) {
	u, err := s.certs.signUser(ttl)
	if err != nil {
		return "", "", "", fmt.Errorf("write pair: %w", err)
	}
	cert, key, ca = filepath.Join(dir, "user.crt"), filepath.Join(dir, "user.key"), filepath.Join(dir, "ca.crt")
	for path, text := range map[string][]byte{cert: u.certPEM, key: u.keyPEM, ca: s.caPEM()} {
		if err := replaceFile(path, text); err != nil {
			return "", "", "", err
		}
	}
	return cert, key, ca, nil
}

func (s *Server) caPEM() []byte {
	return pki.EncodeCertificates(s.certs.ca.Cert)
}

// replaceFile never shows a reader half an identity.
func replaceFile(path string, text []byte) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, text, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
