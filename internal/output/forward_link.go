package output

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sluicelog/sluice/internal/forward"
)

// link is a connection to a server, past the handshake.
type link struct {
	conn  net.Conn
	tcp   net.Conn // below TLS
	read  *forward.Decoder
	since time.Time // idle
	heard bool      // the server had the time to object to the first message
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
	stop := context.AfterFunc(ctx, func() { _ = tcp.Close() })
	defer stop()
	l := &link{conn: tcp, tcp: tcp}
	if files := n.tlsFiles(); files != nil {
		l.conn = tls.Client(tcp, files.ConfigFor(cmp.Or(n.Name, n.Host)))
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
	proof := forward.NewProof(n.o.security.hostname, key, helo)
	ping := proof.Ping(n.Username, n.Password)
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
	return proof.Judge(pong)
}

// peek reports whether the server has sent something; io.EOF when it hung up.
func (l *link) peek() (waiting bool, err error) {
	s, ok := l.tcp.(*progressConn).Conn.(*net.TCPConn)
	if !ok {
		return false, nil
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return false, err
	}
	var peeked error
	err = raw.Read(func(fd uintptr) bool {
		var b [1]byte
		n, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT) //nolint:gosec // a descriptor fits
		switch {
		case errors.Is(err, unix.EAGAIN):
		case err != nil:
			peeked = err
		case n == 0:
			peeked = io.EOF
		default:
			waiting = true
		}
		return true
	})
	return waiting, errors.Join(err, peeked)
}
