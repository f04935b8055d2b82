package ingest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/sluicelog/sluice/internal/plugin"
)

// packets reads a UDP socket. The kernel keeps little for us, so one goroutine does
// nothing but read, while another sends on what came meanwhile: an fsync must not
// cost datagrams. What waits is bounded; beyond that the kernel drops, as it always
// does with UDP.
type packets struct {
	texts   *texts
	address string
	limit   int // bytes of a datagram that count; the rest is cut off
	chomp   bool
	receive int // SO_RCVBUF; 0: the system's
	conn    net.PacketConn

	mu      sync.Mutex
	wake    sync.Cond
	waiting bundle
	closed  bool
}

// maxWaiting is the bytes of datagrams that may wait to be sent on.
const maxWaiting = 8 << 20

func (p *packets) listen(ctx context.Context) (net.PacketConn, error) {
	conn, err := p.texts.env.Sockets.ListenPacket(ctx, p.address)
	if err != nil {
		return nil, err
	}
	if p.receive > 0 {
		if err := conn.SetReadBuffer(p.receive); err != nil {
			return nil, errors.Join(fmt.Errorf("set receive_buffer_size: %w", err), conn.Close())
		}
	}
	return conn, nil
}

// serveOn reads conn until ctx ends, and closes it.
func (p *packets) serveOn(ctx context.Context, conn net.PacketConn, e plugin.Emitter) error {
	p.wake.L = &p.mu
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	var sending sync.WaitGroup
	sending.Go(func() { p.send(ctx, e) })
	err := p.read(ctx, conn)
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.wake.Broadcast()
	sending.Wait()
	return errors.Join(err, closeQuietly(conn))
}

func closeQuietly(conn net.PacketConn) error {
	if err := conn.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

func (p *packets) read(ctx context.Context, conn net.PacketConn) error {
	packet := make([]byte, 64<<10)
	for {
		n, addr, err := conn.ReadFrom(packet)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil:
			p.texts.env.Log.Warn("unexpected error on reading data", "error", err)
			continue
		}
		p.add(ctx, packet[:n], p.texts.senderOf(addr))
	}
}

func (p *packets) add(ctx context.Context, text []byte, from sender) {
	if len(text) > p.limit {
		p.texts.rejects.calm.warn(p.texts.env.Log, "a datagram is longer than 'message_length_limit' and was cut", "limit", p.limit, "size", len(text), "host", from.address)
		text = text[:p.limit]
	}
	if p.chomp {
		text = chomp(text)
	}
	var own bundle
	p.texts.text(ctx, &own, text, from)
	if own.empty() {
		p.texts.tally.add(0, own.bytes)
		return
	}
	p.mu.Lock()
	for p.waiting.bytes > maxWaiting && ctx.Err() == nil {
		p.wake.Wait()
	}
	for _, part := range own.parts {
		for _, e := range part.events {
			p.waiting.add(part.tag, e)
		}
	}
	p.waiting.bytes += own.bytes
	p.mu.Unlock()
	p.wake.Broadcast()
}

// send passes on what waits until reading has ended and nothing is left.
func (p *packets) send(ctx context.Context, e plugin.Emitter) {
	stop := context.AfterFunc(ctx, func() {
		p.mu.Lock() // whoever has just looked at ctx waits by now
		defer p.mu.Unlock()
		p.wake.Broadcast()
	})
	defer stop()
	for {
		p.mu.Lock()
		for p.waiting.empty() && !p.closed {
			p.wake.Wait()
		}
		b := p.waiting
		p.waiting = bundle{}
		done := p.closed
		p.mu.Unlock()
		p.wake.Broadcast()
		p.texts.send(ctx, e, &b)
		if done {
			return
		}
	}
}

// chomp takes one line break off the end.
func chomp(text []byte) []byte {
	n := len(text)
	switch {
	case n > 1 && text[n-2] == '\r' && text[n-1] == '\n':
		return text[:n-2]
	case n > 0 && (text[n-1] == '\n' || text[n-1] == '\r'):
		return text[:n-1]
	}
	return text
}
