package output

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Where no acknowledgement is asked for, how the server behaves after a message is
// all that tells whether it has read it: it hangs up in order when it sees the end,
// and says nothing. One that wants a key speaks first, and one that does not like
// our certificate says so when we hold the connection to be made.

const (
	// finishTime is how long a server may take to read to the end what it was sent.
	finishTime = 2 * time.Second
	// objectTime is how long the first message of a connection that stays open waits
	// for the server to object.
	objectTime = 250 * time.Millisecond
	// ticketTime is how long it may take to read what TLS has said beside the events.
	ticketTime = 5 * time.Millisecond
)

var errSpeaks = errors.New("the server answers although nothing was asked: it wants a shared key (add <security> with self_hostname and shared_key), or it does not speak the forward protocol")

// finish ends the sending and looks whether the server hangs up in order: then it
// has read everything. One that does not hang up is left alone.
func (n *node) finish(ctx context.Context, l *link) error {
	err := l.goodbye()
	if err == nil {
		n.resets.Store(false)
	}
	return n.unlessReset(ctx, err)
}

// stay is finish for a connection that stays open.
func (n *node) stay(ctx context.Context, l *link) error {
	if !l.heard {
		l.heard = true
		return n.unlessReset(ctx, l.hear(objectTime))
	}
	said, err := l.look()
	if said {
		return errSpeaks
	}
	return err
}

// unlessReset forgives a reset to a server that hangs up by resets whatever it has
// read, as Fluentd does. Any other has not read everything.
func (n *node) unlessReset(ctx context.Context, err error) error {
	if isReset(err) && (n.resets.Load() || n.resetsAlways(ctx)) {
		return nil
	}
	return err
}

// resetsAlways looks how the server hangs up when nothing was sent.
func (n *node) resetsAlways(ctx context.Context) bool {
	l, err := n.connect(ctx)
	if err != nil {
		return false
	}
	defer l.close()
	n.resets.Store(isReset(l.goodbye()))
	return n.resets.Load()
}

func isReset(err error) bool {
	return errors.Is(err, unix.ECONNRESET) || errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ENOTCONN)
}

// goodbye says that nothing more will come, and waits for the server to hang up.
func (l *link) goodbye() error {
	if err := l.closeWrite(); err != nil {
		return err
	}
	return l.hear(finishTime)
}

func (l *link) closeWrite() error {
	half, ok := l.conn.(interface{ CloseWrite() error })
	if !ok {
		half, ok = l.tcp.(*progressConn).Conn.(interface{ CloseWrite() error })
	}
	if !ok {
		return nil
	}
	return half.CloseWrite()
}

// hear waits until the server hangs up, or for so long. It is errSpeaks when the
// server says something.
func (l *link) hear(most time.Duration) error {
	if err := l.conn.SetReadDeadline(time.Now().Add(most)); err != nil {
		return err
	}
	var b [1]byte
	n, err := l.conn.Read(b[:])
	switch {
	case n > 0:
		return errSpeaks
	case errors.Is(err, io.EOF), errors.Is(err, os.ErrDeadlineExceeded):
		return nil
	}
	return err
}

// alive reports whether the server has neither hung up nor said anything.
func (l *link) alive() bool {
	said, err := l.look()
	return !said && err == nil
}

// look reports whether the server has said something by now; the error is io.EOF
// when it has hung up. It waits for nothing: what is there is looked at, not read,
// but for TLS, whose own messages must be told from a good-bye.
func (l *link) look() (said bool, err error) {
	waiting, err := l.peek()
	if err != nil || !waiting {
		return false, err
	}
	if _, encrypted := l.conn.(*tls.Conn); !encrypted {
		return true, nil
	}
	if err := l.conn.SetReadDeadline(time.Now().Add(ticketTime)); err != nil {
		return false, err
	}
	var b [1]byte
	n, err := l.conn.Read(b[:])
	if ne := net.Error(nil); errors.As(err, &ne) && ne.Timeout() {
		err = nil
	}
	return n > 0, err
}
