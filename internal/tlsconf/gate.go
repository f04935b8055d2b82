package tlsconf

import (
	"context"
	"net"
	"os"

	"github.com/prometheus/client_golang/prometheus"
)

// gate is the connection below TLS. While a handshake runs it holds one of the
// slots, but for the time that it waits for the client: one that connects and says
// nothing, or half a word, or answers from the other side of the world, costs its
// socket and keeps nobody out. All but giveUp belongs to the goroutine of the
// handshake.
type gate struct {
	net.Conn
	slots   chan struct{}
	waiting prometheus.Gauge // handshakes whose turn has not come
	over    context.Context  //nolint:containedctx // ends the wait for a slot when the connection is closed
	giveUp  func()

	turn  context.Context //nolint:containedctx // of the handshake under way; nil before and after
	holds bool
	spoke bool      // the client has said something
	under *material // what the handshake went by
}

func (g *gate) begin(ctx context.Context) { g.turn = ctx }

func (g *gate) end() {
	g.release()
	g.turn = nil
}

// Read implements net.Conn.
func (g *gate) Read(p []byte) (int, error) {
	if g.turn == nil {
		return g.Conn.Read(p)
	}
	g.release()
	n, err := g.Conn.Read(p)
	if n > 0 {
		g.spoke = true
		if late := g.acquire(); late != nil {
			return 0, late
		}
	}
	return n, err
}

func (g *gate) acquire() error {
	select {
	case g.slots <- struct{}{}:
		g.holds = true
		return nil
	default:
	}
	g.waiting.Inc()
	defer g.waiting.Dec()
	select {
	case g.slots <- struct{}{}:
		g.holds = true
		return nil
	case <-g.turn.Done():
		return os.ErrDeadlineExceeded
	}
}

func (g *gate) release() {
	if g.holds {
		<-g.slots
		g.holds = false
	}
}
