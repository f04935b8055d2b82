package teleporttest

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/gravitational/teleport/api/constants"
	"github.com/gravitational/teleport/api/utils/sshutils"
	"golang.org/x/crypto/ssh"
)

// sshServer shows a certificate of the cluster's host CA and lets in whom its user
// CA has signed.
func (a *authority) sshServer(login func(name string)) (*ssh.ServerConfig, error) {
	host, err := a.hostKey()
	if err != nil {
		return nil, err
	}
	checker := &ssh.CertChecker{IsUserAuthority: func(key ssh.PublicKey) bool {
		return bytes.Equal(key.Marshal(), a.users.PublicKey().Marshal())
	}}
	cfg := &ssh.ServerConfig{PublicKeyCallback: func(c ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		granted, err := checker.Authenticate(c, key)
		if err == nil {
			login(c.User())
		}
		return granted, err
	}}
	cfg.AddHostKey(host)
	return cfg, nil
}

func (a *authority) hostKey() (ssh.Signer, error) {
	key, err := newSSHKey()
	if err != nil {
		return nil, err
	}
	cert := &ssh.Certificate{
		Key: key.PublicKey(), KeyId: "proxy." + a.cluster, CertType: ssh.HostCert,
		ValidPrincipals: []string{"proxy." + a.cluster, "localhost", "127.0.0.1", "::1"},
		ValidAfter:      uint64(time.Now().Add(-time.Hour).Unix()),
		ValidBefore:     uint64(time.Now().Add(longLife).Unix()),
	}
	if err := cert.SignCert(rand.Reader, a.hosts); err != nil {
		return nil, err
	}
	return ssh.NewCertSigner(cert, key)
}

// serveSSH is the tunnel: channels that lead to the Auth service.
func (p *Proxy) serveSSH(c net.Conn) {
	_ = c.SetReadDeadline(time.Now().Add(handshakeTime))
	server, channels, requests, err := ssh.NewServerConn(c, p.ssh)
	if err != nil {
		return
	}
	_ = c.SetReadDeadline(time.Time{})
	defer server.Close()
	p.serving.Go(func() { ssh.DiscardRequests(requests) })
	for offered := range channels {
		if offered.ChannelType() != constants.ChanTransport {
			_ = offered.Reject(ssh.UnknownChannelType, "only "+constants.ChanTransport)
			continue
		}
		channel, asked, err := offered.Accept()
		if err != nil {
			return
		}
		p.serving.Go(func() { p.transport(channel, asked) })
	}
}

// transport serves one channel: its first request says where to.
func (p *Proxy) transport(channel ssh.Channel, asked <-chan *ssh.Request) {
	defer channel.Close()
	first, ok := <-asked
	if !ok {
		return
	}
	if p.muted() {
		ssh.DiscardRequests(asked) // until the client goes
		return
	}
	auth, err := p.dialAuth(first)
	if err != nil {
		_, _ = fmt.Fprintln(channel.Stderr(), err)
	}
	_ = first.Reply(err == nil, nil)
	if err != nil {
		return
	}
	p.serving.Go(func() { ssh.DiscardRequests(asked) })
	p.serving.Go(func() {
		_, _ = io.Copy(channel, auth)
		_ = channel.Close()
	})
	_, _ = io.Copy(auth, channel)
	_ = auth.Close()
}

func (p *Proxy) dialAuth(req *ssh.Request) (net.Conn, error) {
	var to sshutils.DialReq
	if err := json.Unmarshal(req.Payload, &to); err != nil || req.Type != constants.ChanTransportDialReq {
		return nil, fmt.Errorf("the request %q was not understood", req.Type)
	}
	if to.Address != constants.RemoteAuthServer {
		return nil, fmt.Errorf("there is no way to %q", to.Address)
	}
	return net.Dial("tcp", p.auth.Addr())
}
