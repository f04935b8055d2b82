package main

import (
	"context"
	"io"
	"net"
	"sync"
)

// wire passes connections on to an address, until it is cut: then nothing passes
// and nobody is told, as when a cable is pulled. Connections of before stay silent
// after it is mended.
type wire struct {
	ln net.Listener
	to string

	mu    sync.Mutex // guards what follows
	cut   chan struct{}
	conns map[net.Conn]bool
	wg    sync.WaitGroup
}

func newWire(ctx context.Context, to string) (*wire, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w := &wire{ln: ln, to: to, cut: make(chan struct{}), conns: map[net.Conn]bool{}}
	w.wg.Go(w.accept)
	return w, nil
}

func (w *wire) addr() string { return w.ln.Addr().String() }

func (w *wire) accept() {
	for {
		conn, err := w.ln.Accept()
		if err != nil {
			return
		}
		w.wg.Go(func() { w.pass(conn) })
	}
}

// note keeps a connection for close, and returns what tells when it is cut.
func (w *wire) note(conn net.Conn) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns[conn] = true
	return w.cut
}

func (w *wire) pass(in net.Conn) {
	defer in.Close()
	cut := w.note(in)
	select {
	case <-cut:
		_, _ = io.Copy(io.Discard, in) // taken by the cable, never answered
		return
	default:
	}
	out, err := net.Dial("tcp", w.to)
	if err != nil {
		return
	}
	defer out.Close()
	w.note(out)
	var both sync.WaitGroup
	both.Go(func() { carry(out, in, cut) })
	both.Go(func() { carry(in, out, cut) })
	both.Wait()
}

// carry copies one direction until it ends or is cut.
func carry(dst, src net.Conn, cut <-chan struct{}) {
	buf := make([]byte, 32<<10)
	for {
		n, err := src.Read(buf)
		select {
		case <-cut:
			_, _ = io.Copy(io.Discard, src)
			return
		default:
		}
		if n > 0 {
			if _, err := dst.Write(buf[:n]); err != nil {
				_ = src.Close()
				return
			}
		}
		if err != nil {
			_ = dst.Close()
			return
		}
	}
}

func (w *wire) setCut(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if cut {
		close(w.cut)
	} else {
		w.cut = make(chan struct{})
	}
}

func (w *wire) close() {
	_ = w.ln.Close()
	w.mu.Lock()
	for c := range w.conns {
		_ = c.Close()
	}
	w.mu.Unlock()
	w.wg.Wait()
}
