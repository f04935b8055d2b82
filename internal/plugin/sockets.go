package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
)

// SocketPool holds the listening sockets of a process, so that they pass from a
// configuration to the one that replaces it. While one takes over from another both
// have descriptors of the same sockets: what connects waits in the system's queue or
// is accepted by either, and nobody is refused.
type SocketPool struct {
	mu        sync.Mutex
	sockets   map[socketKey]*socket
	inherited []inherited // that no source has asked for so far
}

type socketKey struct{ network, address string }

// socket is one that is listened on. The file is a descriptor of the pool's own, by
// which it outlives the listener of a source that ends.
type socket struct {
	file    *os.File
	users   map[*Sockets]io.Closer // the listener of each
	foreign bool                   // the service manager's
}

func newSocket(f *os.File) *socket { return &socket{file: f, users: map[*Sockets]io.Closer{}} }

// NewSocketPool makes the pool of a process.
func NewSocketPool() *SocketPool { return &SocketPool{sockets: map[socketKey]*socket{}} }

// Sockets is what one configuration listens on. A nil *Sockets listens, too, and
// shares nothing.
type Sockets struct{ pool *SocketPool }

// Sockets makes the share of a configuration, which ends with [Sockets.Release].
func (p *SocketPool) Sockets() *Sockets { return &Sockets{p} }

// Release says that the configuration ends: sockets that no other one uses close with
// its listeners. Listeners that are open stay so.
func (s *Sockets) Release() { s.release(func(io.Closer) {}) }

// Close closes the listeners, too, such as those of sources that were never run.
func (s *Sockets) Close() { s.release(func(c io.Closer) { _ = c.Close() }) }

func (s *Sockets) release(each func(io.Closer)) {
	if s == nil {
		return
	}
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	for key, socket := range s.pool.sockets {
		if c, ok := socket.users[s]; ok {
			each(c)
			delete(socket.users, s)
			s.pool.closeUnused(key, socket)
		}
	}
}

// closeUnused is called with p.mu held.
func (p *SocketPool) closeUnused(key socketKey, s *socket) {
	if len(s.users) > 0 {
		return
	}
	delete(p.sockets, key)
	if s.foreign { // a later configuration may ask for it
		p.inherited = append(p.inherited, inherited{key, s.file})
		return
	}
	_ = s.file.Close()
	if key.network == "unix" {
		_ = os.Remove(key.address)
	}
}

// Holds reports whether another configuration of this process listens there, or the
// service manager does: then [Sockets.Listen] shares its socket.
func (s *Sockets) Holds(network, address string) bool {
	if s == nil {
		return false
	}
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	return s.heirloom(socketKey{network, address}) != nil
}

// heirloom is a socket that others have and s has not. s.pool.mu is held.
func (s *Sockets) heirloom(key socketKey) *socket {
	found := s.pool.sockets[key]
	switch {
	case found == nil:
		return s.pool.claim(key)
	case found.users[s] != nil:
		return nil // two sources at one address are an error
	}
	return found
}

// Listen listens on "tcp" or "unix". backlog is how many connections may wait to be
// accepted; 0 is as many as the system allows.
func (s *Sockets) Listen(ctx context.Context, network, address string, backlog int) (net.Listener, error) {
	c, err := s.open(socketKey{network, address},
		func() (io.Closer, error) { var lc net.ListenConfig; return lc.Listen(ctx, network, address) },
		func(f *os.File) (io.Closer, error) { return net.FileListener(f) })
	if err != nil {
		return nil, err
	}
	if err := limitBacklog(c, backlog); err != nil {
		return nil, errors.Join(fmt.Errorf("set backlog of %s: %w", address, err), c.Close())
	}
	return c.(net.Listener), nil
}

// ListenPacket opens a UDP address.
func (s *Sockets) ListenPacket(ctx context.Context, address string) (*net.UDPConn, error) {
	c, err := s.open(socketKey{"udp", address},
		func() (io.Closer, error) { var lc net.ListenConfig; return lc.ListenPacket(ctx, "udp", address) },
		func(f *os.File) (io.Closer, error) { return net.FilePacketConn(f) })
	if err != nil {
		return nil, err
	}
	return c.(*net.UDPConn), nil
}

func (s *Sockets) open(key socketKey, fresh func() (io.Closer, error), again func(*os.File) (io.Closer, error)) (io.Closer, error) {
	place := func(c io.Closer, err error) (io.Closer, error) {
		if err != nil {
			return nil, fmt.Errorf("listen on %s: %w", key.address, err)
		}
		return c, nil
	}
	if s == nil {
		return place(fresh())
	}
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	if old := s.heirloom(key); old != nil {
		c, err := again(old.file)
		if err == nil {
			old.users[s] = c
		}
		return place(c, err)
	}
	c, err := fresh()
	if errors.Is(err, syscall.EADDRINUSE) && s.evict(key) {
		c, err = fresh()
	}
	if err == nil {
		err = s.keep(key, c)
	}
	return place(c, err)
}

// evict closes what other configurations listen on at the same port of another
// address, which stands in the way: 0.0.0.0 and 127.0.0.1 exclude each other. It
// reports whether there was such a one. s.pool.mu is held.
func (s *Sockets) evict(key socketKey) bool {
	found := false
	_, port, _ := net.SplitHostPort(key.address)
	for other, socket := range s.pool.sockets {
		_, p, _ := net.SplitHostPort(other.address)
		if other.network != key.network || p != port || socket.users[s] != nil {
			continue
		}
		for user, c := range socket.users {
			_ = c.Close()
			delete(socket.users, user)
		}
		s.pool.closeUnused(other, socket)
		found = true
	}
	return found
}

// keep puts a new socket into the pool. s.pool.mu is held.
func (s *Sockets) keep(key socketKey, c io.Closer) error {
	if u, ok := c.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false) // the pool does, with the last descriptor
	}
	if _, port, _ := net.SplitHostPort(key.address); port == "0" {
		return nil // each gets a port of its own
	}
	file, err := c.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		return errors.Join(err, c.Close())
	}
	kept := newSocket(file)
	kept.users[s] = c
	s.pool.sockets[key] = kept
	return nil
}

// limitBacklog changes the queue of a socket that listens already, as listen(2) may.
func limitBacklog(c io.Closer, backlog int) error {
	if backlog <= 0 {
		return nil
	}
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = syscall.Listen(int(fd), backlog) })
	return errors.Join(err, failed)
}
