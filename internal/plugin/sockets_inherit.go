package plugin

import (
	"fmt"
	"net"
	"os"
)

// inherited is a listening socket that a service manager has opened for the process
// (sd_listen_fds(3)). It stays open there when the process ends, so that whoever
// connects while another one starts waits instead of being refused.
type inherited struct {
	key  socketKey
	file *os.File
}

// Inherit takes sockets of the service manager into the pool: a source that listens at
// the address of one gets it. A wildcard such as [::] fits any other.
func (p *SocketPool) Inherit(files []*os.File) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range files {
		addr, err := localAddr(f)
		if err != nil {
			return fmt.Errorf("take socket %s of the service manager: %w", f.Name(), err)
		}
		p.inherited = append(p.inherited, inherited{socketKey{addr.Network(), addr.String()}, f})
	}
	return nil
}

func localAddr(f *os.File) (net.Addr, error) {
	if ln, err := net.FileListener(f); err == nil {
		defer ln.Close()
		return ln.Addr(), nil
	}
	conn, err := net.FilePacketConn(f)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.LocalAddr(), nil
}

// Unclaimed is the addresses of inherited sockets that no source listens at.
func (p *SocketPool) Unclaimed() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var addresses []string
	for _, i := range p.inherited {
		addresses = append(addresses, i.key.network+" "+i.key.address)
	}
	return addresses
}

// claim moves an inherited socket to its users; nil: there is none for the address. p.mu
// is held.
func (p *SocketPool) claim(key socketKey) *socket {
	for n, i := range p.inherited {
		if i.key.serves(key) {
			p.inherited = append(p.inherited[:n:n], p.inherited[n+1:]...)
			s := newSocket(i.file)
			s.foreign = true
			p.sockets[key] = s
			return s
		}
	}
	return nil
}

// serves reports whether a socket at k is what wanted asks for.
func (k socketKey) serves(wanted socketKey) bool {
	if k.network != wanted.network || k == wanted {
		return k == wanted
	}
	host, port, err := net.SplitHostPort(k.address)
	wantedHost, wantedPort, wantedErr := net.SplitHostPort(wanted.address)
	if err != nil || wantedErr != nil || port != wantedPort {
		return false
	}
	return unspecified(host) && unspecified(wantedHost)
}

func unspecified(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || ip != nil && ip.IsUnspecified()
}
