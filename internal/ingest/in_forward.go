package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/forward"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
	"github.com/sluicelog/sluice/internal/tlsconf"
)

// inForward is `source @type forward`. An ack is sent when the events are on
// disk. A sender that asks for none is slowed down instead: while a buffer is
// full nothing more is read from its socket, and what was read is kept until it
// fits.
type inForward struct {
	env plugin.Env

	port                    int
	bind                    string
	chunkLimit, chunkWarn   int64
	skipInvalid             bool
	tag, tagPrefix          string
	addressKey, hostnameKey string
	denyKeepalive           bool
	maxConnections          int
	idleTimeout             time.Duration
	security                security
	hasSecurity             bool
	transport               tlsconf.Server
	ignored                 struct {
		backlog, linger        int
		resolve, sendKeepalive bool
		heartbeat, blocking    time.Duration
	}

	counts *forwardCounts
}

// NewForward makes a forward source.
func NewForward(env plugin.Env) plugin.Input { return &inForward{env: env} }

func (in *inForward) Params(p *param.Set) {
	p.Int("port", &in.port, 24224, "Port to listen on, TCP for events and UDP for heartbeats.")
	p.String("bind", &in.bind, "0.0.0.0", "Address to listen on.")
	p.Size("chunk_size_limit", &in.chunkLimit, 0, "Largest message; larger ones are dropped with a warning. 0 is the limit of 256m.")
	p.Size("chunk_size_warn_limit", &in.chunkWarn, 0, "Warn about messages that are larger; 0 is never.")
	p.Bool("skip_invalid_event", &in.skipInvalid, true, "Take the other events of a message that holds invalid ones; without it the whole message is dropped.")
	p.String("tag", &in.tag, "", "Give every event this tag.")
	p.String("add_tag_prefix", &in.tagPrefix, "", "Put this and a dot before every tag.")
	p.String("source_address_key", &in.addressKey, "", "Field that gets the sender's address.")
	p.String("source_hostname_key", &in.hostnameKey, "", "Field that gets the sender's host name.")
	p.Bool("deny_keepalive", &in.denyKeepalive, false, "Close the connection after each message.")
	p.Int("max_connections", &in.maxConnections, 4096, "Connections open at one time; more wait to be accepted.")
	p.Time("idle_timeout", &in.idleTimeout, 0, "Close connections that are silent for so long; 0 is never.")
	p.Int("backlog", &in.ignored.backlog, 0, "Accepted; the system's own limit holds.")
	p.Int("linger_timeout", &in.ignored.linger, 0, "Accepted; connections are closed in order.")
	p.Bool("resolve_hostname", &in.ignored.resolve, false, "Look up the sender's host name; on when source_hostname_key is set.")
	p.Bool("send_keepalive_packet", &in.ignored.sendKeepalive, false, "Accepted; TCP keep-alive is always on.")
	p.Time("blocking_timeout", &in.ignored.blocking, 500*time.Millisecond, "Accepted; nothing here blocks in turns.")
	param.Section(p, "security", &in.security, securityParams, "Who may send.").Present(&in.hasSecurity)
	in.transport.Section(p)
}

// Check holds the rules between parameters.
func (in *inForward) Check() error {
	if in.port < 0 || in.port > 65535 {
		return param.Errorf("port", "", "%d is no port: it must be 0 to 65535", in.port)
	}
	if in.hasSecurity {
		if err := in.security.check(); err != nil {
			return err
		}
	}
	return in.transport.Check()
}

// Address is where the source listens.
func (in *inForward) Address() string { return net.JoinHostPort(in.bind, strconv.Itoa(in.port)) }

// Start opens the certificates.
func (in *inForward) Start(context.Context) error {
	in.counts = newForwardCounts(in.env)
	if in.chunkLimit <= 0 {
		in.chunkLimit = defaultChunkLimit
	}
	return in.transport.Open(in.env.Log, in.env.Metrics)
}

// defaultChunkLimit bounds the memory that one message may take.
const defaultChunkLimit = 256 << 20

// Run accepts connections until ctx ends; messages that were read are emitted
// before it returns.
func (in *inForward) Run(ctx context.Context, e plugin.Emitter) error {
	var lc net.ListenConfig
	tcp, err := lc.Listen(ctx, "tcp", in.Address())
	if err != nil {
		return fmt.Errorf("listen on %s: %w", in.Address(), err)
	}
	udp, err := lc.ListenPacket(ctx, "udp", tcp.Addr().String())
	if err != nil {
		return errors.Join(fmt.Errorf("listen for heartbeats on %s: %w", tcp.Addr(), err), tcp.Close())
	}
	ln := in.transport.Listen(limitConnections(tcp, in.maxConnections))
	stop := context.AfterFunc(ctx, func() { _, _ = ln.Close(), udp.Close() })
	defer stop()
	var wg sync.WaitGroup
	watching, stopWatching := context.WithCancel(ctx)
	wg.Go(func() { _ = in.transport.Watch(watching) })
	wg.Go(func() { answerHeartbeats(udp) })
	err = in.accept(ctx, ln, e, &wg)
	_, _ = ln.Close(), udp.Close()
	stopWatching()
	wg.Wait()
	return err
}

func (in *inForward) accept(ctx context.Context, ln net.Listener, e plugin.Emitter, wg *sync.WaitGroup) error {
	for {
		conn, err := ln.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = conn.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil:
			in.env.Log.Warn("accept connection", "error", err)
			if pause(ctx, 50*time.Millisecond) != nil {
				return nil
			}
			continue
		}
		wg.Go(func() { in.serve(ctx, conn, e) })
	}
}

// answerHeartbeats sends a byte back for each packet, as Fluentd does.
func answerHeartbeats(udp net.PacketConn) {
	var packet [128]byte
	for {
		_, from, err := udp.ReadFrom(packet[:])
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			_, _ = udp.WriteTo([]byte{0}, from)
		}
	}
}

// serve reads one connection's messages. When ctx ends reading stops between
// messages, and what was read is finished.
func (in *inForward) serve(ctx context.Context, conn net.Conn, e plugin.Emitter) {
	in.counts.open.Inc()
	defer in.counts.open.Dec()
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	d := forward.NewDecoder(&idleReader{conn: conn, timeout: in.idleTimeout, ctx: ctx})
	d.Limit, d.Unpacked = in.chunkLimit, in.chunkLimit
	peer := in.peerOf(conn)
	if in.hasSecurity {
		if err := in.security.handshake(conn, d, peer.address); err != nil {
			in.counts.refused.Inc()
			in.env.Log.Warn(err.Error(), "address", peer.address)
			return
		}
	}
	for ctx.Err() == nil {
		if !in.message(ctx, conn, d, peer, e) || in.denyKeepalive {
			return
		}
	}
}

// message takes one message; false ends the connection.
func (in *inForward) message(ctx context.Context, conn net.Conn, d *forward.Decoder, peer peer, e plugin.Emitter) bool {
	m, err := d.Next()
	invalid := new(forward.InvalidError)
	switch {
	case errors.As(err, &invalid):
		in.counts.drop("invalid", 1)
		in.env.Log.Warn("got invalid event and drop it:", "host", peer.address, "tag", invalid.Tag, "reason", invalid.Reason)
		return true
	case errors.Is(err, forward.ErrTooLarge):
		in.counts.drop("too large", 1)
		in.env.Log.Warn("Input chunk size is larger than 'chunk_size_limit', dropped:", "host", peer.address, "limit", in.chunkLimit)
		return true
	case errors.Is(err, io.EOF), ctx.Err() != nil, errors.Is(err, net.ErrClosed):
		return false
	case err != nil:
		in.env.Log.Error("unexpected error on reading data", "host", peer.address, "error", err)
		return false
	}
	return in.take(ctx, conn, m, peer, e)
}

func (in *inForward) take(ctx context.Context, conn net.Conn, m *forward.Message, peer peer, e plugin.Emitter) bool {
	if in.chunkWarn > 0 && m.Size > in.chunkWarn {
		in.env.Log.Warn("Input chunk size is larger than 'chunk_size_warn_limit':", "tag", m.Tag, "host", peer.address, "limit", in.chunkWarn, "size", m.Size)
	}
	if m.Skipped > 0 {
		in.counts.drop("invalid", m.Skipped)
		in.env.Log.Warn("skip invalid event:", "host", peer.address, "tag", m.Tag, "events", m.Skipped)
		if !in.skipInvalid {
			return true
		}
	}
	if len(m.Events) > 0 {
		in.counts.received.Add(float64(len(m.Events)))
		if err := in.emit(ctx, m, peer, e); err != nil {
			// Without an acknowledgement the sender sends again; without having
			// asked for one it sees the connection close.
			in.env.Log.Error("emit transaction failed:", "error", err, "host", peer.address, "tag", m.Tag)
			return false
		}
	}
	if !m.HasChunk {
		return true
	}
	_, err := conn.Write(forward.AppendAck(nil, m))
	return err == nil
}

// emit sends the events on. A full buffer is waited for when the sender would
// not send again.
func (in *inForward) emit(ctx context.Context, m *forward.Message, peer peer, e plugin.Emitter) error {
	tag := m.Tag
	if in.tag != "" {
		tag = in.tag
	}
	if in.tagPrefix != "" {
		tag = in.tagPrefix + "." + tag
	}
	peer.mark(in, m.Events)
	for {
		err := e.Emit(context.WithoutCancel(ctx), tag, m.Events)
		if m.HasChunk || !errors.Is(err, buffer.ErrFull) {
			return err
		}
		if pause(ctx, 100*time.Millisecond) != nil {
			return err
		}
	}
}

// peer is who sits at the other end.
type peer struct{ address, hostname string }

func (in *inForward) peerOf(conn net.Conn) peer {
	host, _, err := net.SplitHostPort(conn.RemoteAddr().String())
	if err != nil {
		host = conn.RemoteAddr().String()
	}
	p := peer{address: host, hostname: host}
	if in.hostnameKey != "" {
		if names, err := net.LookupAddr(host); err == nil && len(names) > 0 {
			p.hostname = names[0]
		}
	}
	return p
}

func (p peer) mark(in *inForward, es event.Stream) {
	for i := range es {
		if in.addressKey != "" {
			es[i].Record.Set(in.addressKey, p.address)
		}
		if in.hostnameKey != "" {
			es[i].Record.Set(in.hostnameKey, p.hostname)
		}
	}
}

// idleReader closes a connection that is silent for too long.
type idleReader struct {
	conn    net.Conn
	timeout time.Duration
	ctx     context.Context //nolint:containedctx // it lives as long as the connection's loop
}

func (r *idleReader) Read(p []byte) (int, error) {
	if r.timeout > 0 && r.ctx.Err() == nil {
		if err := r.conn.SetReadDeadline(time.Now().Add(r.timeout)); err != nil {
			return 0, err
		}
	}
	return r.conn.Read(p)
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
