package output

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/forward"
	"github.com/sluicelog/sluice/internal/plugin"
)

func TestForwardSends(t *testing.T) {
	const two = `a.b 1600000000.5{"n":1} 1600000000.5{"n":2}`
	const id = " chunk=BwAAAAAAAAAAAAAAAAAAAA==\n"
	const security = "<security>\nself_hostname me\nshared_key k\n</security>\n"
	for _, tc := range []struct {
		name, lines, server string
		tls, guarded        bool
		want                string
	}{
		{"plain", "", "", false, false, two},
		{"ack", "require_ack_response true", "", false, false, two + id},
		{"gzip", "compress gzip", "", false, false, two},
		{"zstd, ack", "compress zstd\nrequire_ack_response true", "", false, false, two + id},
		{"integer time", "time_as_integer true", "", false, false, `a.b 1600000000.0{"n":1} 1600000000.0{"n":2}`},
		{"keepalive", "keepalive true", "", false, false, two},
		{"keepalive, ack", "keepalive true\nrequire_ack_response true", "", false, false, two + id},
		{"tls", "transport tls\ntls_cert_path CERTS/ca.crt\ntls_verify_hostname false\nrequire_ack_response true", "", true, false, two + id},
		{"tls without ack", "transport tls\ntls_cert_path CERTS/ca.crt\ntls_verify_hostname false", "", true, false, two},
		{"tls by the server's name", "transport tls\ntls_cert_path CERTS/ca.crt", "name localhost", true, false, two},
		{"tls of one server", "", "transport tls\ntls_cert_path CERTS/ca.crt\nname localhost", true, false, two},
		{"no tls for one server", "transport tls\ntls_cert_path CERTS/ca.crt", "transport tcp", false, false, two},
		{"key and user", security, "username u\npassword p", false, true, two},
		{"key of one server", strings.Replace(security, "shared_key k", "shared_key other", 1), "shared_key k\nusername u\npassword p", false, true, two},
		{"key, user, tls, keepalive", security + "keepalive true\ntransport tls\ntls_insecure_mode true", "username u\npassword p", true, true, two},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var wrap func(net.Listener) net.Listener
			if tc.tls {
				wrap = tlsReceiver(t)
			}
			r := receive(t, wrap)
			if tc.guarded {
				r.guarded("server")
			}
			r.start()
			o, _ := startForward(t, tc.lines+"\n"+r.server(tc.server))
			for range 3 {
				if err := o.write(t.Context(), chunkOf(o, 7, 1, 2)); err != nil {
					t.Fatal(err)
				}
			}
			conns := 3
			if o.options.keepalive {
				conns = 1
				_ = o.Close(context.Background())
			}
			for range conns {
				<-r.ended
			}
			if got := r.all(); len(got) != 3 || got[0] != tc.want || got[2] != tc.want {
				t.Errorf("got %q, want 3 times %q", got, tc.want)
			}
			if n := forwardCount(t, o, "relay_forward_chunks_total", "out"); n != 3 {
				t.Errorf("%d chunks were counted", n)
			}
		})
	}
}

func TestForwardRefused(t *testing.T) {
	const security = "<security>\nself_hostname me\nshared_key %s\n</security>\n"
	for _, tc := range []struct{ name, hostname, key, server, want string }{
		{"wrong key", "server", "x", "", "authentication failed: shared_key mismatch"},
		{"wrong password", "server", "k", "username u\npassword x", "authentication failed: username/password mismatch"},
		{"myself", "me", "k", "username u\npassword p", "same hostname between input and output"},
	} {
		r := receive(t, nil)
		r.guarded(tc.hostname)
		r.start()
		o, _ := startForward(t, fmt.Sprintf(security, tc.key)+r.server(tc.server))
		err := o.write(t.Context(), chunkOf(o, 1, 1))
		if err == nil || !strings.Contains(err.Error(), tc.want) || plugin.IsPermanent(err) || len(r.all()) > 0 {
			t.Errorf("%s: got %v, sent %q", tc.name, err, r.all())
		}
	}
	// A server that does not know the key, and says that all is well.
	r := receive(t, nil)
	r.greet = func(conn net.Conn, d *forward.Decoder) bool {
		_, _ = conn.Write(forward.Helo{Nonce: "n", Keepalive: true}.Append(nil))
		_, _ = d.Value()
		_, _ = conn.Write(forward.Pong{OK: true, Hostname: "liar", Digest: "x"}.Append(nil))
		return true
	}
	r.start()
	o, _ := startForward(t, fmt.Sprintf(security, "k")+r.server(""))
	if err := o.write(t.Context(), chunkOf(o, 1, 1)); err == nil || !strings.Contains(err.Error(), "shared key mismatch") || len(r.all()) > 0 {
		t.Errorf("got %v, sent %q", err, r.all())
	}
}

// What becomes of a chunk whose acknowledgement does not come is told by the error,
// and another server gets it.
func TestForwardAckFails(t *testing.T) {
	for name, tc := range map[string]struct {
		answer func(*forward.Message) []byte
		want   string
		reason string
	}{
		"lost":       {func(*forward.Message) []byte { return []byte{} }, "no response from node", "ack_timeout"},
		"wrong":      {func(m *forward.Message) []byte { return forward.AppendAck(nil, &forward.Message{Chunk: "other"}) }, "are different", "other_ack"},
		"no ack":     {func(m *forward.Message) []byte { return event.AppendMsgpack(nil, 5) }, "answer is no map", "other_ack"},
		"dies":       {func(*forward.Message) []byte { return nil }, "destination node closed the connection", "closed"},
		"half of it": {func(m *forward.Message) []byte { return forward.AppendAck(nil, m)[:3] }, "no response from node", "ack_timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bad, good := receive(t, nil), receive(t, nil).start()
			bad.answer = tc.answer
			bad.start()
			lines := "require_ack_response true\nack_response_timeout 0.2\n"
			o, _ := startForward(t, lines+bad.server(""))
			err := o.write(t.Context(), chunkOf(o, 1, 1))
			if err == nil || !strings.Contains(err.Error(), tc.want) || plugin.IsPermanent(err) {
				t.Errorf("got %v, want %s", err, tc.want)
			}
			if forwardCount(t, o, "relay_forward_failures_total", tc.reason) != 1 {
				t.Errorf("%s was not counted", tc.reason)
			}
			o, _ = startForward(t, lines+bad.server("")+good.server(""))
			for n := range byte(2) {
				if err := o.write(t.Context(), chunkOf(o, n, int(n))); err != nil {
					t.Error(err)
				}
			}
			if len(good.all()) != 2 {
				t.Errorf("the good server got %q", good.all())
			}
		})
	}
}

// The standby gets a chunk as soon as the server before it is found to be away, and
// not before.
func TestForwardStandby(t *testing.T) {
	for _, heartbeat := range []string{"heartbeat_type none", "heartbeat_type transport\nheartbeat_interval 1h"} {
		first, standby := receive(t, nil), receive(t, nil).start()
		lost := false
		first.answer = func(m *forward.Message) []byte {
			if lost {
				return nil
			}
			return acks(m)
		}
		first.start()
		o, _ := startForward(t, "require_ack_response true\n"+first.server("")+standby.server("standby true")+heartbeat)
		write := func(id byte) {
			t.Helper()
			if err := o.write(t.Context(), chunkOf(o, id, int(id))); err != nil {
				t.Error(err)
			}
		}
		write(1)
		write(2)
		if n := len(standby.all()); n != 0 {
			t.Errorf("%s: the standby got %d chunks while the first server was there", heartbeat, n)
		}
		lost = true
		write(3)
		first.close()
		write(4)
		if a, b := len(first.all()), len(standby.all()); a != 3 || b != 2 {
			t.Errorf("%s: got %d and %d chunks", heartbeat, a, b)
		}
	}
}

func TestForwardWeights(t *testing.T) {
	receivers := make([]*forwardReceiver, 3)
	lines := "require_ack_response true\nkeepalive true\n"
	for i, weight := range []int{3, 1, 0} {
		receivers[i] = receive(t, nil).start()
		lines += receivers[i].server(fmt.Sprint("weight ", weight))
	}
	o, _ := startForward(t, lines)
	for n := range byte(8) {
		if err := o.write(t.Context(), chunkOf(o, n, int(n))); err != nil {
			t.Fatal(err)
		}
	}
	if a, b, c := len(receivers[0].all()), len(receivers[1].all()), len(receivers[2].all()); a != 6 || b != 2 || c != 0 {
		t.Errorf("got %d, %d, %d chunks", a, b, c)
	}
}

// A connection that the server closed while it was idle is not written to: without
// acknowledgements the chunk would be gone.
func TestForwardKeepaliveClosed(t *testing.T) {
	for name, wrap := range map[string]func(net.Listener) net.Listener{"tcp": nil, "tls": tlsReceiver(t)} {
		r := receive(t, wrap).start()
		lines := "keepalive true\n" + r.server("")
		if wrap != nil {
			lines += "transport tls\ntls_insecure_mode true\n"
		}
		o, _ := startForward(t, lines)
		for n := range byte(5) {
			if err := o.write(t.Context(), chunkOf(o, n, int(n))); err != nil {
				t.Fatal(err)
			}
			<-r.came
			if n%2 == 1 {
				r.hangUp()
				<-r.ended
			}
		}
		_ = o.Close(context.Background())
		<-r.ended
		if got := r.all(); len(got) != 5 {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

func TestForwardNobodyThere(t *testing.T) {
	r := receive(t, nil)
	r.close()
	o, _ := startForward(t, r.server(""))
	if err := o.write(t.Context(), chunkOf(o, 1, 1)); err == nil || plugin.IsPermanent(err) {
		t.Errorf("got %v", err)
	}
	if err := o.Ready(); err != nil {
		t.Errorf("nobody watches the server, so it counts as there: %v", err)
	}
	o, _, err := forwardOf(t, "verify_connection_at_startup true\n"+r.server(""))
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "forward's connection setting error") {
		t.Errorf("got %v", err)
	}
}

// A stop does not wait for a server that accepts and says nothing.
func TestForwardCloseWhileGreeting(t *testing.T) {
	r := receive(t, nil)
	greeted := make(chan struct{}, 100)
	r.greet = func(conn net.Conn, _ *forward.Decoder) bool {
		greeted <- struct{}{}
		_, _ = io.Copy(io.Discard, conn)
		return false
	}
	r.start()
	o, _ := startForward(t, "send_timeout 1h\nheartbeat_interval 0.01\nheartbeat_type transport\n<security>\nself_hostname a\nshared_key k\n</security>\n"+r.server(""))
	<-greeted
	if err := o.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

// A server that goes is found by its heartbeats, and one that comes back too.
func TestForwardHeartbeats(t *testing.T) {
	for _, kind := range []string{"transport", "udp"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			r := receive(t, nil).start()
			udp, err := net.ListenPacket("udp", net.JoinHostPort(r.host, r.port))
			if err != nil {
				t.Fatal(err)
			}
			stopEcho := echo(udp)
			o, log := startForward(t, "heartbeat_interval 0.02\nrecover_wait 0.04\nhard_timeout 1\nheartbeat_type "+kind+"\n"+r.server(""))
			if err := o.write(t.Context(), chunkOf(o, 1, 1)); err != nil {
				t.Fatal(err)
			}
			r.close()
			stopEcho()
			log.wait(t, "detached forwarding server")
			if err := o.Ready(); !errors.Is(err, errNoNodes) {
				t.Errorf("got %v", err)
			}
			if err := o.write(t.Context(), chunkOf(o, 2, 2)); !errors.Is(err, errNoNodes) {
				t.Errorf("got %v", err)
			}
			if forwardCount(t, o, "relay_forward_server_available") != 0 {
				t.Error("it counts as there")
			}
			again, err := net.Listen("tcp", net.JoinHostPort(r.host, r.port))
			if err != nil {
				t.Skip("the port went to somebody else: ", err)
			}
			r2 := &forwardReceiver{t: t, ln: again, answer: acks, ended: make(chan struct{}, 1000), came: make(chan struct{}, 1000)}
			r2.start()
			t.Cleanup(r2.close)
			if udp, err = net.ListenPacket("udp", net.JoinHostPort(r.host, r.port)); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(echo(udp))
			log.wait(t, "recovered forwarding server")
			if err := o.write(t.Context(), chunkOf(o, 3, 3)); err != nil {
				t.Error(err)
			}
		})
	}
}

// echo answers packets until it is stopped.
func echo(udp net.PacketConn) (stop func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		var b [8]byte
		for {
			_, from, err := udp.ReadFrom(b[:])
			if err != nil {
				return
			}
			_, _ = udp.WriteTo(b[:1], from)
		}
	}()
	return func() { _ = udp.Close(); <-done }
}

func TestForwardCheck(t *testing.T) {
	server := "<server>\nhost a\n</server>\n"
	for lines, want := range map[string]string{
		"":                                        "requires at least one node",
		"<server>\nport 1\n</server>":             "host",
		"<server>\nhost a\nport 0\n</server>":     "0 is no port",
		"<server>\nhost a\nweight -1\n</server>":  "not between",
		"<server>\nhost a\nusername u\n</server>": "without <security>",

		server + "heartbeat_type udp\ndns_round_robin true": "can not be used with heartbeat_type udp",
		server + "heartbeat_interval 0":                     "no interval",
		server + "compress lzo":                             "compress",
		server + "tls_client_cert_path x":                   "tls_client_private_key_path",

		server + "send_timeout 0":                                    "nothing can be sent in 0s",
		server + "require_ack_response true\nack_response_timeout 0": "no server answers in 0s",
		server + "ack_response_timeout 0":                            "",
		"<server>\nhost a\nweight 0\n</server>":                      "no server has a weight",
		"<server>\nhost a\nweight 0\n</server>\n" + server:           "",

		"<server>\nhost a\ntransport tls\ntls_client_cert_path x\n</server>":                     "tls_client_private_key_path",
		"<service_discovery>\n@type consul\n</service_discovery>":                                "Unknown service_discovery plugin",
		"<service_discovery>\n@type file\n</service_discovery>":                                  "path",
		"<service_discovery>\n@type srv\n</service_discovery>":                                   "hostname",
		"<service_discovery>\n@type static\n<service>\nport 1\n</service>\n</service_discovery>": "host",
		server + "heartbeat_interval 0\nheartbeat_type none":                                     "",
	} {
		_, _, err := forwardOf(t, lines)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "t.conf:")) {
			t.Errorf("%q: got %v, want %q", lines, err, want)
		}
	}
}

func TestForwardAsSecondary(t *testing.T) {
	o, _, _ := forwardOf(t, "<server>\nhost a\n</server>")
	if o.AsSecondary("forward") != nil || o.AsSecondary("s3") == nil {
		t.Error("a secondary takes chunks of entries, and no others")
	}
}
