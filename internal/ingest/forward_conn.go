package ingest

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/forward"
	"github.com/sluicelog/sluice/internal/plugin"
)

// serve reads one connection's messages; the caller closes it. When ctx ends reading stops between
// messages, and what was read is finished.
func (in *inForward) serve(ctx context.Context, conn net.Conn, e plugin.Emitter) {
	in.counts.open.Inc()
	defer in.counts.open.Dec()
	r := &deadlineReader{conn: conn, ctx: ctx, idle: in.idleTimeout}
	stop := context.AfterFunc(ctx, r.end)
	defer stop()
	d := forward.NewDecoder(r)
	d.Limit, d.Unpacked = in.chunkLimit, in.chunkLimit
	peer := in.peerOf(conn)
	if in.hasSecurity && !in.welcome(conn, r, d, peer) {
		return
	}
	for ctx.Err() == nil {
		if !in.message(ctx, conn, d, peer, e) || in.denyKeepalive {
			return
		}
	}
}

// handshakeTime is how long a sender may take to prove itself.
const handshakeTime = 30 * time.Second

// welcome runs the handshake; false ends the connection.
func (in *inForward) welcome(conn net.Conn, r *deadlineReader, d *forward.Decoder, peer peer) bool {
	r.until = time.Now().Add(handshakeTime)
	_ = conn.SetWriteDeadline(r.until)
	err := in.security.handshake(conn, d, peer.address, !in.denyKeepalive)
	r.until = time.Time{}
	if err == nil {
		return true
	}
	in.counts.refused.Inc()
	if refused := new(refusal); errors.As(err, &refused) {
		in.env.Log.Warn(refused.log, "address", peer.address, "hostname", refused.hostname)
	} else if r.ctx.Err() == nil {
		in.env.Log.Warn("handshake failed", "address", peer.address, "error", err)
	}
	return false
}

// message takes one message; false ends the connection.
func (in *inForward) message(ctx context.Context, conn net.Conn, d *forward.Decoder, peer peer, e plugin.Emitter) bool {
	m, err := d.Next()
	invalid, large := new(forward.InvalidError), new(forward.TooLargeError)
	switch {
	case errors.As(err, &invalid):
		return in.invalid(ctx, invalid.Tag, []any{invalid.Value}, peer, "got invalid event and drop it:", "reason", invalid.Reason)
	case errors.As(err, &large):
		in.tally.drop("too large", 1)
		in.env.Log.Warn("Input chunk size is larger than 'chunk_size_limit', dropped:", "tag", large.Tag, "host", peer.address, "limit", in.chunkLimit, "size", large.Size)
		return true
	case errors.Is(err, io.EOF), ctx.Err() != nil, errors.Is(err, net.ErrClosed):
		return false
	case errors.Is(err, os.ErrDeadlineExceeded):
		in.env.Log.Info("close a connection that is silent for too long", "host", peer.address)
		return false
	case err != nil:
		in.env.Log.Error("unexpected error on reading data", "host", peer.address, "error", err)
		return false
	}
	return in.take(ctx, conn, m, peer, e)
}

// take sends a message's events on and acknowledges it; false ends the connection.
func (in *inForward) take(ctx context.Context, conn net.Conn, m *forward.Message, peer peer, e plugin.Emitter) bool {
	if in.chunkWarn > 0 && m.Size > in.chunkWarn {
		in.env.Log.Warn("Input chunk size is larger than 'chunk_size_warn_limit':", "tag", m.Tag, "host", peer.address, "limit", in.chunkWarn, "size", m.Size)
	}
	if len(m.Invalid) > 0 {
		if !in.skipInvalid {
			in.tally.drop("invalid", len(m.Invalid)+len(m.Events))
			in.env.Log.Warn("drop a message that holds invalid events:", "host", peer.address, "tag", m.Tag, "invalid", len(m.Invalid), "valid", len(m.Events))
			return true
		}
		words := "skip invalid event:"
		if m.Single {
			words = "got invalid event and drop it:"
		}
		if !in.invalid(ctx, m.Tag, m.Invalid, peer, words, "events", len(m.Invalid)) {
			return false
		}
	}
	if len(m.Events) > 0 && !in.emit(ctx, m, peer, e) {
		return false
	}
	if !m.HasChunk {
		return true
	}
	_ = conn.SetWriteDeadline(time.Now().Add(ackTime))
	_, err := conn.Write(forward.AppendAck(nil, m))
	return err == nil
}

// ackTime is how long a sender may take to receive its acknowledgement.
const ackTime = 30 * time.Second

// invalid gives what is no event away before the message is acknowledged; false
// ends the connection.
func (in *inForward) invalid(ctx context.Context, tag string, values []any, peer peer, words string, attrs ...any) bool {
	err := in.rejects.take(ctx, tag, values, words, append([]any{"host", peer.address}, attrs...)...)
	if err != nil {
		in.env.Log.Error("emit transaction failed:", "error", err, "host", peer.address, "tag", tag)
	}
	return err == nil
}

// emit sends the events on; false ends the connection. Without an acknowledgement
// the sender sends again, so nothing is waited for; one who does not ask for any
// is slowed down while a buffer is full, and sees the connection close otherwise.
func (in *inForward) emit(ctx context.Context, m *forward.Message, peer peer, e plugin.Emitter) bool {
	tag := m.Tag
	if in.tag != "" {
		tag = in.tag
	}
	if in.tagPrefix != "" {
		tag = in.tagPrefix + "." + tag
	}
	peer.mark(in, m.Events)
	var err error
	if m.HasChunk {
		err = e.Emit(context.WithoutCancel(ctx), tag, m.Events)
	} else {
		err = emitPatiently(ctx, e, tag, m.Events)
	}
	if err == nil {
		in.tally.add(len(m.Events), int(m.Size))
		return true
	}
	if !m.HasChunk {
		in.tally.drop("emit failed", len(m.Events))
	}
	in.env.Log.Error("emit transaction failed:", "error", err, "host", peer.address, "tag", m.Tag)
	return false
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
