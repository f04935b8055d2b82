package output

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/sluicelog/sluice/internal/forward"
)

// send sends one chunk, of so many bytes, and waits for the acknowledgement where
// one is asked for.
func (n *node) send(ctx context.Context, b body, size int64) error {
	l, err := n.take(ctx)
	if err != nil {
		n.o.counts.fail(n, "connect")
		return err
	}
	if err := n.sendOver(ctx, l, b, size); err != nil {
		l.close()
		return fmt.Errorf("send chunk to %s: %w", n, err)
	}
	n.o.counts.sent(n)
	if n.o.keepalive {
		n.putBack(l)
		return nil
	}
	l.close()
	return nil
}

func (n *node) sendOver(ctx context.Context, l *link, b body, size int64) error {
	option := forward.Option{Size: b.chunk.Events(), Compressed: n.o.compress}
	if n.o.ack {
		option.Chunk = chunkOption(b)
	}
	if err := l.write(b, size, option); err != nil {
		n.o.counts.fail(n, "send")
		return err
	}
	if n.o.ack {
		return n.await(l, option.Chunk)
	}
	end := n.finish
	if n.o.keepalive {
		end = n.stay
	}
	if err := end(ctx, l); err != nil {
		n.o.counts.fail(n, "send")
		return err
	}
	return nil
}

// write writes one message.
func (l *link) write(b body, size int64, option forward.Option) error {
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
	return w.Flush()
}

// chunkOption is the chunk's id as Fluentd writes it: Base64 with a line break. It
// is the same in every attempt.
func chunkOption(b body) string {
	id := b.chunk.ID()
	return base64.StdEncoding.EncodeToString(id[:]) + "\n"
}

var errOtherAck = errors.New("ack in response and chunk id in sent data are different")

// await waits for {"ack": id}. A server that says nothing, or hangs up, is given up;
// whether it has the chunk nobody knows, so that it is sent again.
func (n *node) await(l *link, id string) error {
	if err := l.conn.SetReadDeadline(time.Now().Add(n.o.ackTimeout)); err != nil {
		return err
	}
	v, err := l.read.Value()
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		n.o.counts.fail(n, "ack_timeout")
		n.giveUp()
		return errors.New("no response from node. regard it as unavailable")
	case err != nil:
		n.o.counts.fail(n, "closed")
		n.giveUp()
		return fmt.Errorf("destination node closed the connection. regard it as unavailable: %w", err)
	}
	if _, err := forward.ReadHelo(v); err == nil {
		n.o.counts.fail(n, "other_ack")
		return errSpeaks
	}
	ack, err := forward.AckOf(v)
	if err == nil && ack != id {
		err = errOtherAck
	}
	if err != nil {
		n.o.counts.fail(n, "other_ack")
	}
	return err
}
