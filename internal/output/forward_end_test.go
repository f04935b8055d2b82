package output

import (
	"crypto/tls"
	"net"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/internal/forward"
)

// resetting closes its connections by a reset, as Fluentd does.
type resetting struct{ net.Listener }

func (l resetting) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		err = c.(*net.TCPConn).SetLinger(0)
	}
	return c, err
}

// A server that hangs up by a reset whatever it has read, as Fluentd does, has taken
// the chunk: it must not be sent again for ever.
func TestForwardServerThatResets(t *testing.T) {
	for name, encrypted := range map[string]bool{"tcp": false, "tls": true} {
		r := receive(t, func(ln net.Listener) net.Listener {
			if ln = (resetting{ln}); encrypted {
				ln = tlsReceiver(t)(ln)
			}
			return ln
		}).start()
		lines := r.server("")
		if encrypted {
			lines += "transport tls\ntls_insecure_mode true"
		}
		o, _ := startForward(t, lines)
		for range 3 {
			if err := o.write(t.Context(), chunkOf(o, 1, 1)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if got := r.all(); len(got) != 3 {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

// One that closes in order, but not this time, has not read everything.
func TestForwardServerThatLosesAChunk(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for n := 0; ; n++ {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			if n == 0 {
				_, _ = c.Read(make([]byte, 1)) // the rest stays unread: a reset
			} else {
				_, _ = c.Read(make([]byte, 1<<10))
			}
			_ = c.Close()
		}
	}()
	host, port, _ := net.SplitHostPort(ln.Addr().String())
	o, _ := startForward(t, "<server>\nhost "+host+"\nport "+port+"\n</server>")
	if err := o.write(t.Context(), chunkOf(o, 1, 1)); err == nil {
		t.Error("the chunk counts as sent")
	}
}

// A server that asks for a key takes nothing from a sender that has none, who must
// not take the chunk for sent.
func TestForwardServerWantsAKey(t *testing.T) {
	for _, lines := range []string{"", "keepalive true", "require_ack_response true", "transport tls\ntls_insecure_mode true", "keepalive true\ntransport tls\ntls_insecure_mode true"} {
		var wrap func(net.Listener) net.Listener
		if strings.Contains(lines, "tls") {
			wrap = tlsReceiver(t)
		}
		r := receive(t, wrap)
		r.guarded("srv")
		r.start()
		o, _ := startForward(t, lines+"\n"+r.server(""))
		if err := o.write(t.Context(), chunkOf(o, 1, 1)); err == nil || !strings.Contains(err.Error(), "<security>") {
			t.Errorf("%q: got %v", lines, err)
		}
		if got := r.all(); len(got) != 0 {
			t.Errorf("%q: the server took %q", lines, got)
		}
	}
}

// Whatever answers in other words is no forward server.
func TestForwardServerOfAnotherKind(t *testing.T) {
	for _, lines := range []string{"", "keepalive true"} {
		r := receive(t, nil)
		r.answer = func(*forward.Message) []byte { return []byte("HTTP/1.1 400 Bad Request\r\n\r\n") }
		r.start()
		o, _ := startForward(t, lines+"\n"+r.server(""))
		if err := o.write(t.Context(), chunkOf(o, 1, 1)); err == nil {
			t.Errorf("%q: the chunk counts as sent", lines)
		}
	}
}

// In TLS 1.3 a server refuses a certificate when the client holds the handshake to
// be over: what was sent is then lost.
func TestForwardServerRefusesTheCertificate(t *testing.T) {
	pair, err := tls.LoadX509KeyPair(forwardCerts+"server.crt", forwardCerts+"server.key")
	if err != nil {
		t.Fatal(err)
	}
	for _, lines := range []string{"", "keepalive true"} {
		r := receive(t, func(ln net.Listener) net.Listener {
			return tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAnyClientCert})
		}).start()
		o, _ := startForward(t, lines+"\ntransport tls\ntls_insecure_mode true\n"+r.server(""))
		if err := o.write(t.Context(), chunkOf(o, 1, 1)); err == nil || len(r.all()) != 0 {
			t.Errorf("%q: got %v, the server took %q", lines, err, r.all())
		}
	}
}
