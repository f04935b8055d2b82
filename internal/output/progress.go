package output

import (
	"context"
	"net"
	"time"
)

// progressConn is a connection whose writes end in an error when the other side
// takes nothing for a time: a receiver that hangs must not hold a flush thread.
type progressConn struct {
	net.Conn
	limit time.Duration
}

func (c *progressConn) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.limit)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// noProgress is how long a write may stand still.
const noProgress = 30 * time.Second

// dialer opens connections within a time, with writes that must make progress.
type dialer struct {
	connect, write time.Duration
}

func (d dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: d.connect}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &progressConn{Conn: conn, limit: d.write}, nil
}
