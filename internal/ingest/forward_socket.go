package ingest

import (
	"net"

	"github.com/sluicelog/sluice/internal/param"
)

// socketOptions are what a forward source may say about its senders' connections.
type socketOptions struct {
	linger          int
	probe, probeSet bool
}

func (o *socketOptions) params(p *param.Set) {
	p.Int("linger_timeout", &o.linger, -1, "0 resets connections when they are closed, so that neither side keeps them as TIME_WAIT; an acknowledgement that is still on its way may then be lost. With any other number they are closed in order, which waits for nothing here.")
	p.Bool("send_keepalive_packet", &o.probe, true, "Send TCP keep-alive packets, by which a sender that is gone without a word is noticed.").
		Present(&o.probeSet)
}

func (o *socketOptions) check(denyKeepalive bool) error {
	if o.probeSet && o.probe && denyKeepalive {
		return param.Errorf("send_keepalive_packet", "leave one of them out", "both 'send_keepalive_packet' and 'deny_keepalive' cannot be set to true")
	}
	return nil
}

// apply sets the options of one connection.
func (o *socketOptions) apply(conn net.Conn) {
	tcp := tcpOf(conn)
	if tcp == nil {
		return
	}
	if !o.probe {
		_ = tcp.SetKeepAlive(false)
	}
	if o.linger == 0 {
		_ = tcp.SetLinger(0)
	}
}

// tcpOf is the TCP connection below TLS and the door; nil when there is none.
func tcpOf(conn net.Conn) *net.TCPConn {
	if t, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = t.NetConn()
	}
	if g, ok := conn.(*forwardGuest); ok {
		conn = g.Conn
	}
	tcp, _ := conn.(*net.TCPConn)
	return tcp
}
