package output

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

// watcher sends heartbeats, and looks after the servers that are written elsewhere.
type watcher struct {
	out *forwardOut
	udp net.PacketConn // of heartbeat_type udp

	mu      sync.Mutex
	beating map[*node]bool
	peers   map[netip.AddrPort]*node
	work    sync.WaitGroup
}

// watchInterval is how often the files of <service_discovery> and idle connections
// are looked at.
const watchInterval = time.Second

func newWatcher(o *forwardOut) (*watcher, error) {
	w := &watcher{out: o, beating: map[*node]bool{}, peers: map[netip.AddrPort]*node{}}
	if o.heartbeat != "udp" {
		return w, nil
	}
	udp, err := net.ListenPacket("udp", ":0") //nolint:noctx // opened at once
	w.udp = udp
	return w, err
}

// start begins; the function that it returns ends everything and waits.
func (w *watcher) start() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	w.work.Go(func() { w.every(ctx, watchInterval, func() { w.lookAround(ctx) }) })
	if w.out.heartbeat != "none" {
		w.work.Go(func() { w.every(ctx, w.out.interval, func() { w.heartbeats(ctx) }) })
	}
	if w.udp != nil {
		w.work.Go(w.answers)
	}
	return func() {
		cancel()
		if w.udp != nil {
			_ = w.udp.Close()
		}
		w.work.Wait()
	}
}

func (w *watcher) every(ctx context.Context, interval time.Duration, do func()) {
	t := time.NewTicker(interval)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			do()
		}
	}
}

func (w *watcher) lookAround(ctx context.Context) {
	o := w.out
	changed := false
	for i := range o.discovery {
		changed = o.discovery[i].reload(ctx, o.env.Log) || changed
	}
	if changed {
		o.balance.set(o.wanted(), &o.options)
	}
	if o.options.keepaliveForSet {
		for _, n := range o.balance.all() {
			n.closeIdle(time.Now().Add(-o.options.keepaliveFor))
		}
	}
}

// heartbeats sends one to each server that has answered the one before, and looks
// who is away.
func (w *watcher) heartbeats(ctx context.Context) {
	changed := false
	for _, n := range w.out.balance.all() {
		w.mu.Lock()
		busy := w.beating[n]
		w.beating[n] = true
		w.mu.Unlock()
		if !busy {
			w.work.Go(func() { w.heartbeat(ctx, n) })
		}
		changed = n.check(time.Now()) || changed
	}
	if changed {
		w.out.balance.rebuild()
	}
}

func (w *watcher) heartbeat(ctx context.Context, n *node) {
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.beating, n)
	}()
	if w.udp != nil {
		if err := w.ask(ctx, n); err != nil {
			n.o.log.Debug("failed to send heartbeat packet", "host", n.Host, "port", n.Port, "heartbeat_type", "udp", "error", err)
		}
		return
	}
	l, err := n.connect(ctx)
	if err != nil {
		n.o.log.Debug("failed to send heartbeat packet", "host", n.Host, "port", n.Port, "heartbeat_type", "transport", "error", err)
		return
	}
	l.close()
	w.beat(n)
}

// beat takes a heartbeat; a server that is back has its turns before it is said.
func (w *watcher) beat(n *node) {
	if n.beat(time.Now()) {
		w.out.balance.rebuild()
		n.o.log.Warn("recovered forwarding server '"+n.String()+"'", "host", n.Host, "port", n.Port)
	}
}

// ask sends a packet; answers takes what comes back.
func (w *watcher) ask(ctx context.Context, n *node) error {
	addresses, err := n.resolver.addresses(ctx)
	if err != nil {
		return err
	}
	to, err := netip.ParseAddrPort(net.JoinHostPort(addresses[0], strconv.Itoa(n.Port)))
	if err != nil {
		return err
	}
	w.mu.Lock()
	w.peers[to] = n
	w.mu.Unlock()
	_, err = w.udp.WriteTo([]byte{0}, net.UDPAddrFromAddrPort(to))
	return err
}

func (w *watcher) answers() {
	var packet [128]byte
	for {
		_, from, err := w.udp.ReadFrom(packet[:])
		if errors.Is(err, net.ErrClosed) {
			return
		}
		addr, ok := from.(*net.UDPAddr)
		if err != nil || !ok {
			continue
		}
		at := addr.AddrPort()
		w.mu.Lock()
		n := w.peers[netip.AddrPortFrom(at.Addr().Unmap(), at.Port())]
		w.mu.Unlock()
		if n != nil {
			w.beat(n)
		}
	}
}
