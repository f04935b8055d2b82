package tlsconf

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// listener hands out connections whose handshake happens at their first read, on
// their own goroutine. At most so many run it at one time: an RSA handshake is
// the dearest thing that a client can ask for, and those who are in already must
// not wait for it.
type listener struct {
	net.Listener
	config *tls.Config
	slots  chan struct{}
	live   *live

	mu   sync.Mutex
	last time.Time
}

// handshakeTimeout bounds a handshake; a client that speaks half of it goes.
const handshakeTimeout = 10 * time.Second

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{Conn: tls.Server(&firstByte{Conn: c}, l.config), listener: l}, nil
}

// conn runs its handshake under the listener's bound before the first read.
type conn struct {
	*tls.Conn
	listener *listener
	once     sync.Once
	err      error

	mu   sync.Mutex
	read time.Time // the deadline that the server set; the handshake has its own
}

// SetReadDeadline remembers the deadline, so that it holds again when the
// handshake is over.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read = t
	return c.Conn.SetReadDeadline(t)
}

// SetDeadline is SetReadDeadline for both directions.
func (c *conn) SetDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read = t
	return c.Conn.SetDeadline(t)
}

func (c *conn) Read(p []byte) (int, error) {
	c.once.Do(c.handshake)
	if c.err != nil {
		return 0, c.err
	}
	return c.Conn.Read(p)
}

// NetConn is the connection below TLS.
func (c *conn) NetConn() net.Conn {
	if f, ok := c.Conn.NetConn().(*firstByte); ok {
		return f.Conn
	}
	return c.Conn.NetConn()
}

// handshake waits for the client's first byte without holding a slot: one that
// connects and says nothing costs nothing but its socket.
func (c *conn) handshake() {
	_ = c.Conn.SetDeadline(time.Now().Add(handshakeTimeout))
	f, _ := c.Conn.NetConn().(*firstByte)
	if c.err = f.wait(); c.err == nil {
		c.listener.slots <- struct{}{}
		c.err = c.Conn.HandshakeContext(context.Background())
		<-c.listener.slots
	}
	c.mu.Lock()
	_, _ = c.Conn.SetWriteDeadline(time.Time{}), c.Conn.SetReadDeadline(c.read)
	c.mu.Unlock()
	if c.err != nil {
		c.listener.failed(c.err, c.RemoteAddr())
	}
}

// firstByte is a connection whose first byte can be waited for.
type firstByte struct {
	net.Conn
	held []byte
}

func (f *firstByte) wait() error {
	var b [1]byte
	n, err := f.Conn.Read(b[:])
	f.held = b[:n]
	if n > 0 {
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

// failureInterval is how often failed handshakes are logged.
const failureInterval = 10 * time.Second

func (l *listener) failed(err error, from net.Addr) {
	if errors.Is(err, io.EOF) {
		return // a probe that only looks whether the port is open
	}
	l.live.failed.WithLabelValues(reason(err)).Inc()
	l.mu.Lock()
	quiet := time.Since(l.last) < failureInterval
	if !quiet {
		l.last = time.Now()
	}
	l.mu.Unlock()
	if !quiet {
		host, _, _ := net.SplitHostPort(from.String())
		l.live.log.Warn("unexpected error before accepting TLS connection", "addr", host, "error", err.Error())
	}
}

func reason(err error) string {
	text := err.Error()
	for _, known := range []struct{ part, name string }{
		{"didn't provide a certificate", "no certificate"}, {"unknown authority", "unknown authority"}, {"expired", "expired"}, {"timeout", "timeout"},
		{"incompatible key usage", "wrong usage"}, {"protocol version", "version"}, {"unsupported versions", "version"}, {"first record does not look", "not tls"},
	} {
		if strings.Contains(text, known.part) {
			return known.name
		}
	}
	return "other"
}
