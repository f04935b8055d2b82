package ingest

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/forward"
	"github.com/sluicelog/sluice/internal/tlsconf"
)

const (
	// batchSize is how much memory the events of one transaction may take. Few messages
	// need more; of those that do, only so much is in memory as records at one time.
	batchSize = 8 << 20
	// wholeSize is that of messages of which no event may be invalid, which must be
	// known before anything is sent on. What is larger still is looked at in parts.
	wholeSize = 256 << 20
)

// take sends a message's events on and acknowledges it; false ends the connection.
func (c *forwardConn) take(ctx context.Context, m *forward.Message) bool {
	in := c.in
	if in.chunkWarn > 0 && m.Size > in.chunkWarn {
		in.rejects.calm.warn(in.env.Log, "Input chunk size is larger than 'chunk_size_warn_limit':", "tag", m.Tag, "host", c.peer.host(), "limit", in.chunkWarn, "size", m.Size)
	}
	size := int64(batchSize)
	if !in.skipInvalid {
		size = wholeSize
	}
	for begun := false; ; begun = true {
		b, err := m.Batch(size)
		if err == io.EOF { //nolint:errorlint // it comes bare
			break
		}
		if err != nil && ctx.Err() != nil {
			return false
		}
		if err != nil {
			c.unexpected("packed", err, "tag", m.Tag)
			return false
		}
		if !c.batch(ctx, m, b, begun) {
			return false
		}
	}
	in.tally.add(0, int(m.Size))
	return c.acknowledge(m)
}

// batch takes some of a message's entries. With skip_invalid_event false a message
// that holds invalid ones stays with the sender; one who asks for no
// acknowledgement has no copy any more, so that the good ones are taken all the same.
func (c *forwardConn) batch(ctx context.Context, m *forward.Message, b forward.Batch, begun bool) bool {
	if len(b.Invalid) > 0 && !c.in.skipInvalid && m.HasChunk {
		c.in.counts.refuse("invalid")
		c.in.rejects.calm.warn(c.in.env.Log, "refuse a message that holds invalid events:",
			"host", c.peer.host(), "tag", m.Tag, "invalid", len(b.Invalid), "valid", len(b.Events))
		return false
	}
	if len(b.Events) > 0 && !c.emit(ctx, m, b.Events, begun) {
		return false
	}
	if len(b.Invalid) == 0 {
		return true
	}
	words := "skip invalid event:"
	if m.Single {
		words = "got invalid event and drop it:"
	}
	return c.invalid(ctx, m.Tag, b.Invalid, words, "events", len(b.Invalid))
}

// ackTime is how long a sender may take to receive its acknowledgement.
const ackTime = 30 * time.Second

func (c *forwardConn) acknowledge(m *forward.Message) bool {
	if !m.HasChunk {
		return true
	}
	_ = c.conn.SetWriteDeadline(time.Now().Add(ackTime))
	if _, err := c.conn.Write(forward.AppendAck(nil, m)); err != nil {
		return false
	}
	c.in.counts.acks.Inc()
	return true
}

// invalid gives what is no event away before the message is acknowledged; false
// ends the connection.
func (c *forwardConn) invalid(ctx context.Context, tag string, values []any, words string, attrs ...any) bool {
	from := []any{"host", c.peer.host()}
	if tag != "" {
		from = append(from, "tag", tag)
		if err := tlsconf.PeerOf(c.conn).MaySend(c.in.tagOf(tag)); err != nil {
			c.failed(tag, err)
			return false
		}
	}
	err := c.in.rejects.take(ctx, tag, values, words, append(from, attrs...)...)
	if err != nil {
		c.failed(tag, err)
	}
	return err == nil
}

// emit sends events on; false ends the connection. A sender that asks for an
// acknowledgement and gets none sends again, so nothing is waited for, unless a
// part of the message is stored already. One that does not ask is slowed down
// while a buffer is full, whatever overflow_action says.
func (c *forwardConn) emit(ctx context.Context, m *forward.Message, es event.Stream, begun bool) bool {
	ctx = withForwardSource(ctx, m)
	tag := c.in.tagOf(m.Tag)
	c.in.mark(es, c.peer)
	var err error
	if m.HasChunk && !begun {
		err = c.next.Emit(context.WithoutCancel(ctx), tag, es)
	} else {
		err = c.emitAll(ctx, tag, es, m.HasChunk)
	}
	if err == nil {
		c.in.tally.add(len(es), 0)
		return true
	}
	if !m.HasChunk {
		c.in.tally.drop("emit failed", len(es))
	}
	c.failed(m.Tag, err)
	c.tellOurs(m.Option, err)
	return false
}

// emitAll waits while a buffer is full. When one event is larger than any chunk,
// and the sender has no copy, the others are taken without it.
func (c *forwardConn) emitAll(ctx context.Context, tag string, es event.Stream, again bool) error {
	err := emitPatiently(ctx, c.next, tag, es)
	switch {
	case again || !errors.Is(err, buffer.ErrTooLarge):
		return err
	case len(es) > 1:
		half := len(es) / 2
		return errors.Join(c.emitAll(ctx, tag, es[:half], again), c.emitAll(ctx, tag, es[half:], again))
	}
	return c.in.rejects.take(ctx, tag, []any{es[0].Record}, "event is larger than a chunk", "host", c.peer.host(), "tag", tag)
}

func (c *forwardConn) failed(tag string, err error) {
	reason := "emit"
	if errors.Is(err, buffer.ErrFull) {
		reason = "full"
	}
	c.in.counts.refuse(reason)
	c.in.rejects.calm.say(c.in.env.Log, slog.LevelError, "emit transaction failed:", "error", err, "host", c.peer.host(), "tag", tag)
}

// tagOf is the tag under which events go on.
func (in *inForward) tagOf(tag string) string {
	if in.tag != "" {
		tag = in.tag
	}
	if in.tagPrefix != "" {
		tag = in.tagPrefix + "." + tag
	}
	return tag
}

// mark adds the sender to each record.
func (in *inForward) mark(es event.Stream, from sender) {
	for i := range es {
		if in.addressKey != "" {
			es[i].Record.Set(in.addressKey, from.address)
		}
		if in.hostnameKey != "" {
			es[i].Record.Set(in.hostnameKey, from.hostname)
		}
	}
}
