package output

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sluicelog/sluice/internal/forward"
)

// node is a server with what is known of it.
type node struct {
	forwardServer
	o        *forwardOptions
	resolver resolver

	mu       sync.Mutex
	usable   bool
	detector *detector // nil: it is not watched, and always usable
	idle     []*link
}

func newNode(s forwardServer, o *forwardOptions) *node {
	n := &node{forwardServer: s, o: o, usable: true, resolver: resolver{host: s.Host, o: o}}
	if o.detect != nil {
		n.detector = newDetector(*o.detect, time.Now())
	}
	return n
}

func (n *node) String() string { return cmp.Or(n.Name, n.address()) }

func (n *node) address() string { return net.JoinHostPort(n.Host, strconv.Itoa(n.Port)) }

func (n *node) available() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.usable
}

// giveUp takes a server out that was found to be away by using it. One that is not
// watched stays, for nobody would take it in again.
func (n *node) giveUp() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.detector != nil {
		n.usable = false
		n.resolver.forget()
	}
}

// link is a connection to a server, past the handshake.
type link struct {
	conn  net.Conn
	tcp   net.Conn // below TLS
	read  *forward.Decoder
	since time.Time // idle
}

func (l *link) close() { _ = l.conn.Close() }

// largestAnswer bounds what a server may say in one message.
const largestAnswer = 64 << 10

// connect opens a connection and proves both sides to each other.
func (n *node) connect(ctx context.Context) (*link, error) {
	tcp, err := n.dial(ctx)
	if err != nil {
		return nil, err
	}
	l := &link{conn: tcp, tcp: tcp}
	if n.o.tls != nil {
		l.conn = tls.Client(tcp, n.o.tls.ConfigFor(cmp.Or(n.Name, n.Host)))
	}
	l.read = forward.NewDecoder(l.conn)
	l.read.Limit = largestAnswer
	if err := n.handshake(ctx, l); err != nil {
		l.close()
		return nil, fmt.Errorf("connect to %s: %w", n, err)
	}
	return l, nil
}

// dial tries the server's addresses one after the other.
func (n *node) dial(ctx context.Context) (net.Conn, error) {
	addresses, err := n.resolver.addresses(ctx)
	if err != nil {
		return nil, fmt.Errorf("resolve %s: %w", n.Host, err)
	}
	for _, ip := range addresses {
		var conn net.Conn
		if conn, err = (dialer{n.o.connect, n.o.send}).dial(ctx, "tcp", net.JoinHostPort(ip, strconv.Itoa(n.Port))); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// handshake is that of TLS, then HELO, PING, PONG where keys are shared.
func (n *node) handshake(ctx context.Context, l *link) error {
	if err := l.conn.SetReadDeadline(time.Now().Add(n.o.send)); err != nil {
		return err
	}
	if t, ok := l.conn.(*tls.Conn); ok {
		if err := t.HandshakeContext(ctx); err != nil {
			return err
		}
	}
	if n.o.security == nil {
		return nil
	}
	v, err := l.read.Value()
	if err != nil {
		return fmt.Errorf("read HELO: %w", err)
	}
	helo, err := forward.ReadHelo(v)
	if err != nil {
		return err
	}
	key := cmp.Or(n.SharedKey, n.o.security.sharedKey)
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // never fails
	ping := forward.Ping{
		Hostname: n.o.security.hostname, Salt: string(salt),
		Digest: forward.KeyDigest(string(salt), n.o.security.hostname, helo.Nonce, key),
	}
	if helo.Auth != "" {
		ping.User, ping.PasswordDigest = n.Username, forward.PasswordDigest(helo.Auth, n.Username, n.Password)
	}
	if _, err := l.conn.Write(ping.Append(nil)); err != nil {
		return err
	}
	if v, err = l.read.Value(); err != nil {
		return fmt.Errorf("read PONG: %w", err)
	}
	pong, err := forward.ReadPong(v)
	if err != nil {
		return err
	}
	return n.judge(pong, string(salt), helo.Nonce, key)
}

// judge holds the server to the shared key, too.
func (n *node) judge(pong forward.Pong, salt, nonce, key string) error {
	switch {
	case !pong.OK:
		return fmt.Errorf("authentication failed: %s", pong.Reason)
	case pong.Hostname == n.o.security.hostname:
		return errors.New("same hostname between input and output: invalid configuration")
	case !forward.Equal(pong.Digest, forward.KeyDigest(salt, pong.Hostname, nonce, key)):
		return errors.New("shared key mismatch")
	}
	return nil
}

// send sends one chunk, of so many bytes, and waits for the acknowledgement where
// one is asked for.
func (n *node) send(ctx context.Context, b body, size int64) error {
	l, err := n.take(ctx)
	if err != nil {
		return err
	}
	if err := n.sendOver(l, b, size); err != nil {
		l.close()
		return fmt.Errorf("send chunk to %s: %w", n, err)
	}
	if n.o.keepalive {
		n.putBack(l)
		return nil
	}
	l.close()
	return nil
}

func (n *node) sendOver(l *link, b body, size int64) error {
	option := forward.Option{Size: b.chunk.Events(), Compressed: n.o.compress}
	if n.o.ack {
		option.Chunk = chunkOption(b)
	}
	r, err := b.open()
	if err != nil {
		return err
	}
	defer r.Close()
	w := bufio.NewWriterSize(l.conn, 64<<10)
	_, _ = w.Write(forward.AppendPackedHead(nil, b.chunk.Meta().Tag, size)) // Flush says it
	if sent, err := io.Copy(w, r); err != nil {
		return err
	} else if sent != size {
		return fmt.Errorf("chunk has %d bytes and had %d", sent, size)
	}
	_, _ = w.Write(forward.AppendOption(nil, option))
	if err := w.Flush(); err != nil {
		return err
	}
	switch {
	case n.o.ack:
		return n.await(l, option.Chunk)
	case !n.o.keepalive:
		return l.finish()
	}
	return nil
}

// chunkOption is the chunk's id as Fluentd writes it: Base64 with a line break.
func chunkOption(b body) string {
	id := b.chunk.ID()
	return base64.StdEncoding.EncodeToString(id[:]) + "\n"
}

// await waits for {"ack": id}. A server that says nothing, or hangs up, is given up.
func (n *node) await(l *link, id string) error {
	if err := l.conn.SetReadDeadline(time.Now().Add(n.o.ackTimeout)); err != nil {
		return err
	}
	v, err := l.read.Value()
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		n.giveUp()
		return errors.New("no response from node. regard it as unavailable")
	case errors.Is(err, io.EOF):
		n.giveUp()
		return errors.New("destination node closed the connection. regard it as unavailable")
	case err != nil:
		return fmt.Errorf("read acknowledgement: %w", err)
	}
	ack, err := forward.AckOf(v)
	if err == nil && ack != id {
		err = errors.New("ack in response and chunk id in sent data are different")
	}
	return err
}

// finishTime is how long a server may take to read to the end what it was sent.
const finishTime = 2 * time.Second

// finish ends the sending and looks whether the server hangs up in order: then it
// has read everything. A reset means that it has not. One that does neither is
// left alone.
func (l *link) finish() error {
	half, ok := l.conn.(interface{ CloseWrite() error })
	if !ok {
		half, ok = l.tcp.(*progressConn).Conn.(interface{ CloseWrite() error })
	}
	if !ok {
		return nil
	}
	if err := errors.Join(half.CloseWrite(), l.conn.SetReadDeadline(time.Now().Add(finishTime))); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, l.conn); errors.Is(err, unix.ECONNRESET) {
		return err
	}
	return nil
}

// take is an idle connection that is still good, or a new one.
func (n *node) take(ctx context.Context) (*link, error) {
	for {
		l := n.lastIdle()
		if l == nil {
			return n.connect(ctx)
		}
		if l.alive() {
			return l, nil
		}
		l.close()
	}
}

func (n *node) lastIdle() *link {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.idle) == 0 {
		return nil
	}
	l := n.idle[len(n.idle)-1]
	n.idle = n.idle[:len(n.idle)-1]
	return l
}

func (n *node) putBack(l *link) {
	l.since = time.Now()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.idle = append(n.idle, l)
}

// closeIdle closes the connections that are idle since before t; all when t is zero.
func (n *node) closeIdle(t time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	kept := n.idle[:0]
	for _, l := range n.idle {
		if t.IsZero() || l.since.Before(t) {
			l.close()
		} else {
			kept = append(kept, l)
		}
	}
	n.idle = kept
}

// alive reports whether the server has not hung up, without reading anything.
func (l *link) alive() bool {
	s, ok := l.tcp.(*progressConn).Conn.(*net.TCPConn)
	if !ok {
		return true
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return false
	}
	open := false
	err = raw.Read(func(fd uintptr) bool {
		var b [1]byte
		n, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT) //nolint:gosec // a descriptor fits
		open = n > 0 || errors.Is(err, unix.EAGAIN)
		return true
	})
	return err == nil && open
}
