package main

import (
	"context"
	"net"
	"sync"
	"time"
)

// delay is a line to an address on which everything takes its time, half of it in
// each direction, and as much as one likes is under way.
type delay struct {
	ln   net.Listener
	to   string
	each time.Duration
	wg   sync.WaitGroup

	mu    sync.Mutex // guards conns
	conns []net.Conn
}

func newDelay(ctx context.Context, to string, roundTrip time.Duration) (*delay, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &delay{ln: ln, to: to, each: roundTrip / 2}
	d.wg.Go(d.accept)
	return d, nil
}

// port is where to connect: the line itself, or without a delay the end of it.
func (d *delay) port() string {
	addr := d.ln.Addr().String()
	if d.each == 0 {
		addr = d.to
	}
	_, port, _ := net.SplitHostPort(addr)
	return port
}

func (d *delay) accept() {
	for {
		in, err := d.ln.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", d.to)
		if err != nil {
			_ = in.Close()
			continue
		}
		d.mu.Lock()
		d.conns = append(d.conns, in, out)
		d.mu.Unlock()
		d.wg.Go(func() { d.carry(out, in) })
		d.wg.Go(func() { d.carry(in, out) })
	}
}

// parcel is bytes and when they arrive.
type parcel struct {
	data []byte
	due  time.Time
}

func (d *delay) carry(dst, src net.Conn) {
	line := make(chan parcel, 4096)
	var arriving sync.WaitGroup
	arriving.Go(func() {
		for p := range line {
			time.Sleep(time.Until(p.due))
			if _, err := dst.Write(p.data); err != nil {
				_ = src.Close()
			}
		}
		_ = dst.Close()
	})
	for {
		buf := make([]byte, 64<<10)
		n, err := src.Read(buf)
		if n > 0 {
			line <- parcel{buf[:n], time.Now().Add(d.each)}
		}
		if err != nil {
			break
		}
	}
	close(line)
	arriving.Wait()
}

func (d *delay) close() {
	_ = d.ln.Close()
	d.mu.Lock()
	for _, c := range d.conns {
		_ = c.Close()
	}
	d.mu.Unlock()
	d.wg.Wait()
}
