package tlsconf

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"
)

// listener hands out connections whose handshake happens at their first read or
// write, on the goroutine that does it, so that Accept never waits for a client.
type listener struct {
	net.Listener
	live  *live
	slots chan struct{} // one for each handshake that may be under way
}

// newListener lets at most so many handshakes run at one time. Each costs an RSA
// server milliseconds of CPU, where an established connection's request costs
// microseconds; a thousand clients that connect at once would else have all of it.
func newListener(ln net.Listener, l *live, handshakes int) *listener {
	return &listener{Listener: ln, live: l, slots: make(chan struct{}, max(handshakes, 1))}
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	first := &firstByte{Conn: c}
	return &conn{Conn: tls.Server(first, l.live.outer), below: first, listener: l}, nil
}

// handshakeTimeout bounds a handshake, with the wait for its turn; a client that
// speaks half of it goes.
const handshakeTimeout = 10 * time.Second

// conn is a TLS connection that runs its handshake when its turn comes.
type conn struct {
	*tls.Conn
	below    *firstByte
	listener *listener
	once     sync.Once
	err      error // of the handshake

	mu sync.Mutex
	// While the handshake runs its own deadline holds, unless the owner wants to wake
	// it; what the owner set holds when it is over.
	shaking     bool
	read, write time.Time
}

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	if c.once.Do(c.handshake); c.err != nil {
		return 0, c.err
	}
	return c.Conn.Read(p)
}

// Write implements net.Conn. The forward protocol's server speaks first.
func (c *conn) Write(p []byte) (int, error) {
	if c.once.Do(c.handshake); c.err != nil {
		return 0, c.err
	}
	return c.Conn.Write(p)
}

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline implements net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read = t
	if c.shaking && !isPast(t) {
		return nil
	}
	return c.Conn.SetReadDeadline(t)
}

// SetWriteDeadline implements net.Conn.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.write = t
	if c.shaking && !isPast(t) {
		return nil
	}
	return c.Conn.SetWriteDeadline(t)
}

// isPast reports whether a deadline is one that wakes whoever reads or writes now.
func isPast(t time.Time) bool { return !t.IsZero() && !t.After(time.Now()) }

// NetConn is the connection below TLS.
func (c *conn) NetConn() net.Conn { return c.below.Conn }

// handshake waits for the client's first byte without holding a slot: one that
// connects and says nothing costs nothing but its socket.
func (c *conn) handshake() {
	c.mu.Lock()
	c.shaking = true
	if !isPast(c.read) && !isPast(c.write) {
		_ = c.Conn.SetDeadline(time.Now().Add(handshakeTimeout))
	}
	c.mu.Unlock()

	if c.err = c.below.wait(); c.err == nil {
		c.listener.slots <- struct{}{}
		c.err = c.Conn.HandshakeContext(context.Background())
		<-c.listener.slots
	}

	c.mu.Lock()
	c.shaking = false
	_, _ = c.Conn.SetReadDeadline(c.read), c.Conn.SetWriteDeadline(c.write)
	c.mu.Unlock()
	if c.err != nil {
		c.listener.live.failed.note(c.err, c.RemoteAddr(), c.below.spoke)
	}
}

// firstByte is a connection whose first byte can be waited for.
type firstByte struct {
	net.Conn
	held  []byte
	spoke bool
}

func (f *firstByte) wait() error {
	var b [1]byte
	n, err := f.Conn.Read(b[:])
	if n > 0 {
		f.held, f.spoke = b[:n], true
		return nil
	}
	return err
}

func (f *firstByte) Read(p []byte) (int, error) {
	if len(f.held) > 0 {
		n := copy(p, f.held)
		f.held = f.held[n:]
		return n, nil
	}
	return f.Conn.Read(p)
}
