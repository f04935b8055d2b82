package teleporttest

import (
	"bytes"
	"encoding/binary"
	"net"
	"slices"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/credentials"
)

// ForgePings puts, before the next call of each connection that is open, more pings
// than Options.MinPing allows. The client sent none of them, but is thrown out as if
// it had: its connection ends with ENHANCE_YOUR_CALM, too_many_pings.
func (f *Faults) ForgePings() { f.set(func() { f.forged++ }) }

func (f *Faults) forgeries() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.forged
}

// forgery wraps what a server reads from its clients, behind TLS.
type forgery struct {
	credentials.TransportCredentials
	faults *Faults
}

func (c forgery) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	secure, info, err := c.TransportCredentials.ServerHandshake(raw)
	if err != nil {
		return nil, nil, err
	}
	return &forged{Conn: secure, faults: c.faults, seen: c.faults.forgeries(), left: len(http2.ClientPreface)}, info, nil
}

func (c forgery) Clone() credentials.TransportCredentials {
	return forgery{c.TransportCredentials.Clone(), c.faults}
}

// forged is a connection that can tell where a frame ends.
type forged struct {
	net.Conn
	faults *Faults
	seen   int    // forgeries that this connection has behind it
	left   int    // bytes of the frame, or of the preface, that are to come
	head   []byte // of the next frame, as far as it came
	rest   []byte // was read and not given away
}

func (c *forged) Read(b []byte) (int, error) {
	if len(c.rest) == 0 {
		n, err := c.Conn.Read(b)
		call := c.pass(b[:n])
		if call < 0 || c.faults.forgeries() == c.seen {
			return n, err
		}
		c.seen = c.faults.forgeries()
		c.rest = slices.Concat(b[:call], tooManyPings(), b[call:n])
	}
	n := copy(b, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// pass follows the frames of what was read, and returns where a call begins in it;
// -1 when none does.
func (c *forged) pass(b []byte) (call int) {
	const headSize = 9
	call = -1
	for i := 0; i < len(b); {
		if c.left > 0 {
			n := min(c.left, len(b)-i)
			c.left -= n
			i += n
			continue
		}
		n := min(headSize-len(c.head), len(b)-i)
		c.head = append(c.head, b[i:i+n]...)
		i += n
		if len(c.head) == headSize {
			if http2.FrameType(c.head[3]) == http2.FrameHeaders && i >= headSize {
				call = i - headSize
			}
			c.left = int(binary.BigEndian.Uint32(append([]byte{0}, c.head[:3]...)))
			c.head = c.head[:0]
		}
	}
	return call
}

// tooManyPings are two that the policy takes, and more than the two that it forgives.
func tooManyPings() []byte {
	var b bytes.Buffer
	framer := http2.NewFramer(&b, nil)
	for i := range byte(6) {
		_ = framer.WritePing(false, [8]byte{'f', 'o', 'r', 'g', 'e', 'd', i}) // a buffer takes it
	}
	return b.Bytes()
}
