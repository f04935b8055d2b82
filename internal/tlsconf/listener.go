package tlsconf

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"runtime"
	"sync"
	"time"
)

// listener hands out connections whose handshake happens at their first read or
// write, on the goroutine that does it, so that Accept never waits for a client.
type listener struct {
	net.Listener
	live  *live
	slots chan struct{} // one for each handshake that may compute
}

// newListener lets at most so many handshakes compute at one time; 0 is the
// default. Each costs an RSA server milliseconds of CPU, where an established
// connection's request costs microseconds; a thousand clients that connect at once
// would else have all of it.
func newListener(ln net.Listener, l *live, handshakes int) *listener {
	if handshakes < 1 {
		handshakes = defaultHandshakes()
	}
	return &listener{Listener: ln, live: l, slots: make(chan struct{}, handshakes)}
}

// defaultHandshakes leaves half of the processors to what is established.
func defaultHandshakes() int { return (runtime.GOMAXPROCS(0) + 1) / 2 }

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	g := &gate{Conn: c, slots: l.slots, waiting: l.live.counts.waiting}
	g.over, g.giveUp = context.WithCancel(context.Background())
	return &conn{Conn: tls.Server(g, l.live.outer), gate: g, listener: l}, nil
}

// handshakeTimeout bounds a handshake, with the wait for its turn; a client that
// speaks half of it goes.
const handshakeTimeout = 10 * time.Second

// conn is a TLS connection that runs its handshake when its turn comes.
type conn struct {
	*tls.Conn
	gate     *gate
	listener *listener
	once     sync.Once
	err      error // of the handshake
	peer     *Peer // who showed a certificate; set by the handshake
	close    sync.Once

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

// Close implements net.Conn.
func (c *conn) Close() error {
	c.close.Do(func() {
		c.gate.giveUp()
		c.listener.live.guests.leave(c)
	})
	return c.Conn.Close()
}

// NetConn is the connection below TLS.
func (c *conn) NetConn() net.Conn { return c.gate.Conn }

// handshake runs once. What it waits for is bounded in time, what it computes by
// the gate.
func (c *conn) handshake() {
	c.beginDeadline()
	ctx, cancel := context.WithTimeout(c.gate.over, handshakeTimeout)
	c.gate.begin(ctx)
	c.err = c.Conn.HandshakeContext(context.Background())
	c.gate.end()
	if c.err == nil {
		c.err = c.welcome()
	}
	cancel()
	c.endDeadline()
	if c.err != nil {
		c.listener.live.failed.note(c.err, c.RemoteAddr(), c.gate.spoke)
		c.letRead()
	}
}

const (
	// refusedTime is how long a client may take to read why it was refused, and
	// refusedBytes what it may send meanwhile.
	refusedTime  = 500 * time.Millisecond
	refusedBytes = 1 << 20
)

// letRead waits for a client that was refused to hang up. It believes the handshake
// of TLS 1.3 to be over before we have looked at its certificate, and what it has
// sent by then would turn our closing into a reset, which takes the alert with it.
func (c *conn) letRead() {
	half, ok := c.gate.Conn.(interface{ CloseWrite() error })
	if !ok || !c.gate.spoke || half.CloseWrite() != nil {
		return
	}
	stop := context.AfterFunc(c.gate.over, func() { _ = c.gate.Conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	if c.gate.Conn.SetReadDeadline(time.Now().Add(refusedTime)) == nil && c.gate.over.Err() == nil {
		_, _ = io.CopyN(io.Discard, c.gate.Conn, refusedBytes)
	}
}

// welcome asks what can only be asked when it is known who is there.
func (c *conn) welcome() error {
	l, s := c.listener.live, c.ConnectionState()
	if err := l.askStatus(s); err != nil {
		return err
	}
	l.counts.handshake(s.DidResume)
	if len(s.VerifiedChains) == 0 {
		return nil
	}
	c.peer = l.server.peerOf(s.PeerCertificates[0])
	l.counts.client(c.peer)
	return l.guests.enter(c)
}
