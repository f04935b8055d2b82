package teleporttest

import (
	"maps"
	"net"
	"slices"
	"sync"
)

// conns remembers the connections of listeners so that they can be broken.
type conns struct {
	mu       sync.Mutex // guards what follows
	open     map[net.Conn]struct{}
	accepted int
}

// watch makes a listener whose connections are remembered until they are closed.
func (s *conns) watch(l net.Listener) net.Listener { return &listener{Listener: l, conns: s} }

func (s *conns) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

func (s *conns) total() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accepted
}

func (s *conns) drop() {
	s.mu.Lock()
	open := slices.Collect(maps.Keys(s.open))
	s.mu.Unlock()
	for _, c := range open {
		_ = c.Close()
	}
}

type listener struct {
	net.Listener
	conns *conns
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	kept := &conn{Conn: c, conns: l.conns}
	l.conns.mu.Lock()
	defer l.conns.mu.Unlock()
	if l.conns.open == nil {
		l.conns.open = make(map[net.Conn]struct{})
	}
	l.conns.open[kept] = struct{}{}
	l.conns.accepted++
	return kept, nil
}

type conn struct {
	net.Conn
	conns *conns
}

func (c *conn) Close() error {
	c.conns.mu.Lock()
	delete(c.conns.open, c)
	c.conns.mu.Unlock()
	return c.Conn.Close()
}
