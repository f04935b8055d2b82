package teleporttest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/sluicelog/sluice/internal/pki"
)

// Way is how a client comes through a proxy to the Auth service. A proxy offers
// one way only, so that a test knows which one was gone.
type Way int

const (
	Tunnel     Way = iota // SSH at a second port, which /webapi/find tells
	BareTunnel            // SSH at the proxy's address itself, nothing else there
	TLSRouting            // SSH within TLS at the web port, chosen by ALPN
	Upgrade               // the same behind a load balancer that strips ALPN: within a web socket
)

// ProxyOptions describe a proxy; the zero value is one to use.
type ProxyOptions struct {
	Way  Way
	Addr string  // default "127.0.0.1:0"
	Web  *pki.CA // signs the web certificate; default: one of its own, see WriteRoots
}

// Proxy stands before a Server as Teleport's proxy does. Its web certificate is
// for localhost and of another authority than the cluster's, which a client must
// find among its system's roots.
type Proxy struct {
	auth *Server
	opts ProxyOptions
	web  *tls.Certificate
	ssh  *ssh.ServerConfig

	conns conns

	mu     sync.Mutex // guards what follows
	addr   string
	tunnel string // of the SSH port, with Tunnel
	ports  []net.Listener
	logins []string
	mute   bool
	hung   int
	closed bool

	serving sync.WaitGroup
	detach  func() bool
}

// NewWebCA makes an authority for the web certificates of proxies.
func NewWebCA() (*pki.CA, error) {
	key, err := pki.GenerateKey(pki.ECDSA, 0)
	if err != nil {
		return nil, err
	}
	return pki.NewCA(key, pkix.Name{CommonName: "Simulated Web CA"}, time.Now().Add(-time.Hour), longLife)
}

// StartProxy listens and leads to s until Close, or until ctx is done.
func StartProxy(ctx context.Context, s *Server, o ProxyOptions) (*Proxy, error) {
	p, err := newProxy(s, o)
	if err == nil {
		err = p.Resume()
	}
	if err != nil {
		return nil, fmt.Errorf("start simulated proxy: %w", err)
	}
	p.detach = context.AfterFunc(ctx, p.Stop)
	return p, nil
}

func newProxy(s *Server, o ProxyOptions) (*Proxy, error) {
	var err error
	if o.Web == nil {
		if o.Web, err = NewWebCA(); err != nil {
			return nil, err
		}
	}
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	p := &Proxy{auth: s, opts: o, addr: o.Addr, tunnel: "127.0.0.1:0"}
	if p.web, err = webCert(o.Web); err != nil {
		return nil, err
	}
	p.ssh, err = s.certs.sshServer(p.login)
	return p, err
}

func webCert(ca *pki.CA) (*tls.Certificate, error) {
	key, err := pki.GenerateKey(pki.ECDSA, 0)
	if err != nil {
		return nil, err
	}
	cert, err := ca.Issue(key.Public(), pki.Leaf{
		Subject: pkix.Name{CommonName: "localhost"},
		DNS:     []string{"localhost"},
		Usage:   []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		From:    time.Now().Add(-time.Hour),
		TTL:     longLife,
	})
	if err != nil {
		return nil, err
	}
	return pki.Join([]*x509.Certificate{cert}, key)
}

// Addr is host:port of the proxy; the host is localhost, as in its certificate.
func (p *Proxy) Addr() string { return p.public(&p.addr) }

// public is a listener's address as others are told it.
func (p *Proxy) public(addr *string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, port, _ := net.SplitHostPort(*addr) // it was listened on
	return net.JoinHostPort("localhost", port)
}

// WriteRoots writes the authority of the web certificate, for SSL_CERT_FILE.
func (p *Proxy) WriteRoots(path string) error {
	return replaceFile(path, pki.EncodeCertificates(p.opts.Web.Cert))
}

// Logins are the names that clients have logged in by over SSH.
func (p *Proxy) Logins() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.logins)
}

func (p *Proxy) login(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.logins = append(p.logins, name)
}

// Mute makes the proxy take who comes and answer nobody that asks for the Auth
// service, until turned off; who asked meanwhile is never answered.
func (p *Proxy) Mute(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mute = on
}

func (p *Proxy) muted() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mute {
		p.hung++
	}
	return p.mute
}

// Hung is how many have asked a mute proxy.
func (p *Proxy) Hung() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hung
}

// DropConnections breaks every connection; clients may come back at once.
func (p *Proxy) DropConnections() { p.conns.drop() }

// Resume serves again after Stop, on the same ports.
func (p *Proxy) Resume() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return errors.New("the proxy is closed")
	}
	if p.ports != nil {
		return nil
	}
	serve := p.serveWeb
	if p.opts.Way == BareTunnel {
		serve = p.serveSSH
	}
	if err := p.listen(&p.addr, serve); err != nil || p.opts.Way != Tunnel {
		return err
	}
	return p.listen(&p.tunnel, p.serveSSH)
}

// listen is called under the lock.
func (p *Proxy) listen(addr *string, serve func(net.Conn)) error {
	l, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	*addr = l.Addr().String()
	p.ports = append(p.ports, l)
	l = p.conns.watch(l)
	p.serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.serving.Go(func() {
				defer c.Close()
				serve(c)
			})
		}
	})
	return nil
}

// Stop ends the proxy as a crash of it would.
func (p *Proxy) Stop() {
	p.mu.Lock()
	ports := p.ports
	p.ports = nil
	p.mu.Unlock()
	for _, l := range ports {
		_ = l.Close()
	}
	p.conns.drop()
	p.serving.Wait()
}

// Close stops for good.
func (p *Proxy) Close() error {
	p.detach()
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.Stop()
	return nil
}
