package relayctl

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/forward"
	"github.com/sluicelog/sluice/internal/tlsconf"
)

// sendForward sends events as PackedForward messages over one connection.
type sendForward struct {
	s       *Send
	address string
	files   *tlsconf.ClientFiles
	conn    net.Conn
	read    *forward.Decoder
}

func (f *sendForward) close() {
	if f.conn != nil {
		_ = f.conn.Close()
	}
}

func (f *sendForward) send(ctx context.Context, es event.Stream) error {
	if f.conn == nil {
		if err := f.connect(ctx); err != nil {
			return err
		}
	}
	if err := f.conn.SetDeadline(time.Now().Add(f.s.Timeout)); err != nil {
		return err
	}
	var entries []byte
	for _, e := range es {
		entries = forward.AppendEntry(entries, e, false)
	}
	option := forward.Option{Size: len(es)}
	if f.s.Ack {
		option.Chunk = rand.Text()
	}
	raw := append(forward.AppendPackedHead(nil, f.s.Tag, int64(len(entries))), entries...)
	if _, err := f.conn.Write(forward.AppendOption(raw, option)); err != nil {
		return fmt.Errorf("send to %s: %w", f.address, err)
	}
	if !f.s.Ack {
		return nil
	}
	return f.await(option.Chunk)
}

func (f *sendForward) connect(ctx context.Context) error {
	conn, err := (&net.Dialer{Timeout: f.s.Timeout}).DialContext(ctx, "tcp", f.address)
	if err != nil {
		return err
	}
	f.conn = conn
	_ = conn.SetDeadline(time.Now().Add(f.s.Timeout))
	if f.s.TLS || f.s.CA != "" || f.s.Cert != "" || f.s.Insecure {
		host, _, _ := net.SplitHostPort(f.address)
		encrypted := tls.Client(conn, f.files.ConfigFor(cmp.Or(f.s.ServerName, host)))
		if err := encrypted.HandshakeContext(ctx); err != nil {
			return fmt.Errorf("encrypt the connection to %s: %w", f.address, err)
		}
		f.conn = encrypted
	}
	f.read = forward.NewDecoder(f.conn)
	f.read.Limit = 64 << 10
	if f.s.SharedKey == "" {
		return nil
	}
	return f.greet()
}

// greet proves both sides to each other.
func (f *sendForward) greet() error {
	v, err := f.read.Value()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("%s does not open with HELO: its source has no <security>, so leave --shared-key out", f.address)
	}
	if err != nil {
		return fmt.Errorf("read HELO of %s: %w", f.address, err)
	}
	helo, err := forward.ReadHelo(v)
	if err != nil {
		return fmt.Errorf("read HELO of %s: %w", f.address, err)
	}
	name, _ := os.Hostname()
	proof := forward.NewProof(cmp.Or(f.s.Hostname, name, "relay-send"), f.s.SharedKey, helo)
	if _, err := f.conn.Write(proof.Ping(f.s.Username, f.s.Password).Append(nil)); err != nil {
		return err
	}
	if v, err = f.read.Value(); err != nil {
		return fmt.Errorf("read PONG of %s: %w", f.address, err)
	}
	pong, err := forward.ReadPong(v)
	if err != nil {
		return err
	}
	if err := proof.Judge(pong); err != nil {
		return fmt.Errorf("%s refuses: %w", f.address, err)
	}
	return nil
}

// await waits for the acknowledgement, and explains what comes in its place.
func (f *sendForward) await(id string) error {
	v, err := f.read.Value()
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%s did not acknowledge the events within %s; it may have taken them", f.address, f.s.Timeout)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%s closed the connection without taking the events; its log says why", f.address)
	case err != nil:
		return fmt.Errorf("read acknowledgement of %s: %w", f.address, err)
	}
	if _, err := forward.ReadHelo(v); err == nil {
		return f.wantsKey()
	}
	got, err := forward.AckOf(v)
	if err == nil && got != id {
		err = errors.New("it is that of other events")
	}
	if err != nil {
		return fmt.Errorf("acknowledgement of %s: %w", f.address, err)
	}
	return nil
}

func (f *sendForward) wantsKey() error {
	return fmt.Errorf("%s asks for a shared key: add --shared-key", f.address)
}

// finishTime is how long a server may take to hang up, or to object, when it was
// sent everything.
const finishTime = 2 * time.Second

// finish looks whether a server that was asked for no acknowledgement objects: one
// that wants a key has spoken first, and one that does not like our certificate may
// say so after the handshake. A server that hangs up, in order or by a reset, or
// says nothing, has no objection.
func (f *sendForward) finish() error {
	if f.s.Ack || f.conn == nil {
		return nil
	}
	if half, ok := f.conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // where it fails, reading says why
	}
	_ = f.conn.SetReadDeadline(time.Now().Add(min(finishTime, f.s.Timeout)))
	v, err := f.read.Value()
	if _, helo := forward.ReadHelo(v); err == nil && helo == nil {
		return f.wantsKey()
	}
	for _, goodbye := range []error{nil, io.EOF, os.ErrDeadlineExceeded, syscall.ECONNRESET} {
		if errors.Is(err, goodbye) {
			return nil
		}
	}
	return fmt.Errorf("%s may not have taken the events: %w", f.address, err)
}
