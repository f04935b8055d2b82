package teleporttest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/crypto/ssh"
)

// authority signs what a cluster's user and host CAs sign: the server's
// certificate, users' TLS certificates and users' SSH certificates.
type authority struct {
	cluster string
	key     *ecdsa.PrivateKey
	cert    *x509.Certificate
	server  tls.Certificate
	ssh     ssh.Signer
}

const userName = "teleport-event-handler"

func newAuthority(cluster string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	root := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{Organization: []string{cluster}, CommonName: cluster},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.AddDate(10, 0, 0),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, root, root, key.Public(), key)
	if err != nil {
		return nil, err
	}
	a := &authority{cluster: cluster, key: key}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	if a.ssh, err = ssh.NewSignerFromKey(key); err != nil {
		return nil, err
	}
	a.server, err = a.serverCert(now)
	return a, err
}

// serverCert is valid for the name that every client verifies, whatever address
// it dialled.
func (a *authority) serverCert(now time.Time) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2),
		Subject:      pkix.Name{CommonName: "auth." + a.cluster},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.AddDate(10, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:     []string{"teleport.cluster.local", "localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, a.cert, key.Public(), a.key)
	return tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key}, err
}

func (a *authority) serverTLS() *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{
		Certificates: []tls.Certificate{a.server},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    pool,
		NextProtos:   []string{"h2"},
		MinVersion:   tls.VersionTLS12,
	}
}

// user is one signed user: a key with a TLS and an SSH certificate over it.
type user struct {
	keyPEM, certPEM []byte
	sshLine         []byte
}

func (a *authority) signUser(ttl time.Duration) (user, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return user{}, err
	}
	end := time.Now().Add(ttl)
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: userName, Organization: []string{userName}},
		NotBefore:    end.Add(-max(ttl, -ttl) - time.Hour),
		NotAfter:     end,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, a.cert, key.Public(), a.key)
	if err != nil {
		return user{}, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return user{}, err
	}
	line, err := a.signSSH(key.Public(), leaf)
	return user{
		keyPEM:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}),
		certPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		sshLine: line,
	}, err
}

func (a *authority) signSSH(public crypto.PublicKey, like *x509.Certificate) ([]byte, error) {
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		return nil, err
	}
	cert := &ssh.Certificate{
		Key:             key,
		KeyId:           userName,
		CertType:        ssh.UserCert,
		ValidPrincipals: []string{userName, "-teleport-internal-join"},
		ValidAfter:      uint64(like.NotBefore.Unix()),
		ValidBefore:     uint64(like.NotAfter.Unix()),
		Permissions:     ssh.Permissions{Extensions: map[string]string{"teleport-roles": userName}},
	}
	if err := cert.SignCert(rand.Reader, a.ssh); err != nil {
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
	fmt.Fprintf(&b, "@cert-authority *.%s %s", s.certs.cluster, ssh.MarshalAuthorizedKey(s.certs.ssh.PublicKey()))
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
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.certs.cert.Raw})
}

// replaceFile never shows a reader half an identity.
func replaceFile(path string, text []byte) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, text, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
