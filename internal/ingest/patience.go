package ingest

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/plugin"
)

// emitPatiently sends events on for a sender that does not know what became of
// them: a full buffer is waited for, and so the sender slowed down, until ctx ends.
func emitPatiently(ctx context.Context, e plugin.Emitter, tag string, es event.Stream) error {
	for {
		err := e.Emit(context.WithoutCancel(ctx), tag, es)
		if !errors.Is(err, buffer.ErrFull) {
			return err
		}
		if pause(ctx, 100*time.Millisecond) != nil {
			return err
		}
	}
}

// deadlineReader reads until ctx ends, or the connection is silent for too long.
type deadlineReader struct {
	conn  net.Conn
	ctx   context.Context //nolint:containedctx // it lives as long as the connection's loop
	idle  time.Duration   // 0: for ever
	until time.Time       // when all reading must be done; zero: no such time
	armed bool
}

func (r *deadlineReader) Read(p []byte) (int, error) {
	deadline := r.until
	if deadline.IsZero() && r.idle > 0 {
		deadline = time.Now().Add(r.idle)
	}
	if r.armed || !deadline.IsZero() {
		if err := r.conn.SetReadDeadline(deadline); err != nil {
			return 0, err
		}
		r.armed = !deadline.IsZero()
	}
	if r.ctx.Err() != nil {
		r.end() // ctx may have ended just before the deadline was set
	}
	return r.conn.Read(p)
}

// end lets a Read that waits return.
func (r *deadlineReader) end() { _ = r.conn.SetReadDeadline(time.Unix(1, 0)) }

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
