package ingest

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/sluicelog/sluice/internal/forward"
	"github.com/sluicelog/sluice/internal/plugin"
)

// forwardConn is one sender's connection.
type forwardConn struct {
	in   *inForward
	conn net.Conn
	next plugin.Emitter
	peer sender
	read *deadlineReader
	d    *forward.Decoder
	held held

	known bool // it has sent a whole message
}

// serve reads one connection's messages; the caller closes it. When ctx ends
// reading stops, and what was read is finished.
func (in *inForward) serve(ctx context.Context, conn net.Conn, e plugin.Emitter) {
	in.counts.open.Inc()
	defer in.counts.open.Dec()
	in.socket.apply(conn)
	c := &forwardConn{in: in, conn: conn, next: e, peer: in.senderOf(conn.RemoteAddr())}
	c.held.from = in.memory
	defer c.held.release()
	c.read = &deadlineReader{conn: conn, ctx: ctx, idle: in.idleTimeout}
	stop := context.AfterFunc(ctx, c.read.end)
	defer stop()
	c.d = forward.NewDecoder(c.read)
	c.d.Limit, c.d.Unpacked = in.chunkLimit, in.unpackedLimit
	c.d.Begin = func() { c.read.until = time.Now().Add(in.messageTimeout) }
	c.d.Grow = func(size int64) error {
		err := c.held.grow(ctx, size)
		c.d.Begin() // whoever brings so much more has earned the same time again
		return err
	}
	if in.hasSecurity && !c.welcome(ctx) {
		return
	}
	for c.message(ctx) && !in.denyKeepalive {
		c.held.release()
	}
}

const (
	// handshakeTime is how long a sender may take to prove itself.
	handshakeTime = 30 * time.Second
	// handshakeLimit is how much of one who is not known yet is read.
	handshakeLimit = 16 << 10
)

// welcome runs the handshake; false ends the connection.
func (c *forwardConn) welcome(ctx context.Context) bool {
	c.read.until = time.Now().Add(handshakeTime)
	begin, limit := c.d.Begin, c.d.Limit
	c.d.Begin, c.d.Limit = nil, handshakeLimit
	defer func() { c.d.Begin, c.d.Limit, c.read.until = begin, limit, time.Time{} }()
	_ = c.conn.SetWriteDeadline(c.read.until)
	err := c.in.security.handshake(ctx, c.conn, c.d, c.peer.address, !c.in.denyKeepalive)
	refused := new(refusal)
	switch {
	case err == nil:
		return true
	case errors.As(err, &refused):
		c.in.counts.refuse(refused.label)
		c.in.rejects.calm.warn(c.in.env.Log, refused.log, "address", c.peer.address, "hostname", refused.hostname)
	case hungUp(err) || ctx.Err() != nil:
		// A balancer or a heartbeat that only looks whether somebody listens.
	default:
		c.in.counts.refuse("handshake")
		c.in.rejects.calm.warn(c.in.env.Log, "handshake failed", "address", c.peer.address, "error", err)
	}
	return false
}

// hungUp reports whether the other side ended the connection where it may.
func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.ECONNRESET)
}

// message takes one message; false ends the connection.
func (c *forwardConn) message(ctx context.Context) bool {
	c.read.until = time.Time{} // what the message before has left
	m, err := c.d.Next()
	c.read.until = time.Time{}
	if err != nil {
		return c.unread(ctx, err)
	}
	if !c.known {
		spoke(c.conn)
		c.known = true
	}
	return c.take(ctx, m)
}

// unread says why there is no message; true when the next one can be read.
func (c *forwardConn) unread(ctx context.Context, err error) bool {
	in := c.in
	invalid, large, packed := new(forward.InvalidError), new(forward.TooLargeError), new(forward.PackedError)
	switch {
	case errors.As(err, &invalid):
		words := "got invalid event and drop it:"
		if invalid.Broken {
			words = "incoming chunk is broken:"
		}
		return c.invalid(ctx, invalid.Tag, []any{invalid.Value}, words, "reason", invalid.Reason)
	case errors.As(err, &large):
		c.tooLarge(large)
		return true
	case errors.As(err, &packed):
		c.unexpected("packed", err, "tag", packed.Tag)
	case hungUp(err), ctx.Err() != nil:
	case errors.Is(err, os.ErrDeadlineExceeded):
		in.counts.refuse("timeout")
		in.rejects.calm.warn(in.env.Log, "close a connection that is silent for too long", "host", c.peer.host())
	case errors.Is(err, forward.ErrMalformed):
		c.unexpected("malformed", err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		// A sender that went in the middle of a message sends it again.
		in.env.Log.Debug("a sender hung up within a message", "host", c.peer.host())
	default:
		// A TLS handshake that failed, mostly; the listener has said so.
		in.env.Log.Debug("unexpected error on reading data", "host", c.peer.host(), "error", err)
	}
	return false
}

// tooLarge says that a message was passed over. It is lost, unless its sender is told
// so and keeps it.
func (c *forwardConn) tooLarge(m *forward.TooLargeError) {
	in, words := c.in, "Input chunk size is larger than 'chunk_size_limit', dropped:"
	in.counts.refuse("too_large")
	if c.tellOurs(m.Option, m) {
		words = "Input chunk size is larger than 'chunk_size_limit', refused:"
	} else {
		in.tally.drop("too large", 1)
	}
	in.rejects.calm.warn(in.env.Log, words, "tag", m.Tag, "host", c.peer.host(), "limit", in.chunkLimit, "size", m.Size)
}

func (c *forwardConn) unexpected(reason string, err error, attrs ...any) {
	c.in.counts.refuse(reason)
	attrs = append([]any{"host", c.peer.host(), "port", portOf(c.conn.RemoteAddr()), "error", err}, attrs...)
	c.in.rejects.calm.say(c.in.env.Log, slog.LevelError, "unexpected error on reading data", attrs...)
}

func portOf(a net.Addr) int {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.Port
	}
	return 0
}
