package tlsconf

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluicelog/sluice/internal/metrics"
)

// Plain HTTP at a TLS port is closed without a word of HTTP, counted, and said once.
func TestPlainTextAtTheTLSPort(t *testing.T) {
	e := serve(t, mutual)
	for range 3 {
		c, err := net.Dial("tcp", e.addr)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Write([]byte("POST /t HTTP/1.1\r\nHost: x\r\n\r\n"))
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		got, _ := io.ReadAll(c)
		if strings.Contains(string(got), "HTTP") {
			t.Errorf("answered %q", got)
		}
		_ = c.Close()
	}
	if n := len(e.log.all()); n != 1 || e.failures("no_tls") != 3 {
		t.Errorf("said %d times: %q; counted %v", n, e.log.all(), e.failures("no_tls"))
	}
}

// A client that goes in the middle is counted as such.
func TestHalfAHandshake(t *testing.T) {
	e := serve(t, mutual)
	c, err := net.Dial("tcp", e.addr)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = c.Write([]byte("\x16\x03\x01\x02\x00"))
	_ = c.Close()
	if line := e.log.wait(t, "accepting"); !strings.Contains(line, "reason=closed") || !strings.Contains(line, "port=") {
		t.Errorf("got %s", line)
	}
}

// Probes that connect and go are no failed handshakes.
func TestProbesAreQuiet(t *testing.T) {
	e := serve(t, mutual)
	for range 3 {
		c, err := net.Dial("tcp", e.addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
	}
	conn, err := dial(e.addr, client(t, "client")) // the probes were accepted before it
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	if lines := e.log.all(); len(lines) != 0 {
		t.Errorf("said %q", lines)
	}
}

// Clients that say nothing, or half a word, must not hold the slots that others
// need, and a crowd must not be more than so many at one time.
func TestCrowd(t *testing.T) {
	e := serve(t, strings.Replace(mutual, "client_cert_auth", "max_handshakes 2\n client_cert_auth", 1))
	for range 20 {
		silent, err := net.Dial("tcp", e.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
	}
	established, err := dial(e.addr, client(t, "client"))
	if err != nil {
		t.Fatal(err)
	}
	defer established.Close()
	var wg sync.WaitGroup
	errs := make(chan error, 30)
	for range cap(errs) {
		c := client(t, "client")
		wg.Go(func() {
			conn, err := dial(e.addr, c)
			if err == nil {
				_ = conn.Close()
			}
			errs <- err
		})
	}
	wg.Wait()
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Errorf("one of the crowd: %v", err)
		}
	}
	if err := ping(established); err != nil {
		t.Errorf("the established connection: %v", err)
	}
}

// Clients that begin a handshake and stop in the middle must not keep others out: a
// slot is held for computing, not for waiting.
func TestHalfHandshakesHoldNoSlot(t *testing.T) {
	e := serve(t, strings.Replace(mutual, "client_cert_auth", "max_handshakes 1\n client_cert_auth", 1))
	for range 10 {
		half, err := net.Dial("tcp", e.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer half.Close()
		_, _ = half.Write([]byte("\x16\x03\x01\x02\x00\x01"))
	}
	for range 3 { // a client that has the server's answer and goes no further
		raw, err := net.Dial("tcp", e.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer raw.Close()
		c := client(t, "client")
		stop := errors.New("stop")
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return nil, stop }
		if err := tls.Client(swallow{raw}, c).Handshake(); !errors.Is(err, stop) {
			t.Fatal(err)
		}
	}
	conn, err := dial(e.addr, client(t, "client"))
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}

// swallow is a connection that says nothing more after the first word, not even
// that it gives up.
type swallow struct{ net.Conn }

func (s swallow) Write(p []byte) (int, error) {
	if p[0] == 0x16 {
		return s.Conn.Write(p)
	}
	return len(p), nil
}

// Who waits for a turn is woken by a deadline in the past, and by its end.
func TestWaitForATurn(t *testing.T) {
	for name, wake := range map[string]bool{"woken": true, "timeout": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, client, l, ln := accepted(t, 1)
				defer client.Close()
				ln.slots <- struct{}{} // somebody computes for ever
				go func() { _, _ = client.Write([]byte("\x16\x03\x01\x00\x01\x01")) }()
				begin := time.Now()
				done := make(chan error)
				go func() {
					_, err := server.Read(make([]byte, 1))
					done <- err
				}()
				synctest.Wait()
				want := handshakeTimeout
				if wake {
					want = 0
					_ = server.SetReadDeadline(begin)
				}
				if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != want {
					t.Errorf("got %v after %v", err, time.Since(begin))
				}
				if l.failed.said["timeout"] == nil {
					t.Error("nobody said so")
				}
				_ = server.Close()
			})
		})
	}
}

// pipes is a listener whose connections are net.Pipes, for the fake clock.
type pipes struct{ conns chan net.Conn }

func (p pipes) Accept() (net.Conn, error) { return <-p.conns, nil }
func (p pipes) Close() error              { return nil }
func (p pipes) Addr() net.Addr            { return &net.TCPAddr{} }

func accepted(t *testing.T, slots int) (server net.Conn, client net.Conn, l *live, ln *listener) {
	t.Helper()
	s, err := decode(t, mutual)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Open(slog.New(newJournal()), metrics.New()); err != nil {
		t.Fatal(err)
	}
	p := pipes{make(chan net.Conn, 1)}
	ln = newListener(p, s.live, slots)
	server, client = net.Pipe()
	p.conns <- server
	server, _ = ln.Accept()
	return server, client, s.live, ln
}

func TestSlowHandshakeEnds(t *testing.T) {
	for name, first := range map[string]string{"silent": "", "half a word": "\x16\x03\x01"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, client, l, ln := accepted(t, 1)
				defer client.Close()
				if first != "" {
					go func() { _, _ = client.Write([]byte(first)) }()
				}
				begin := time.Now()
				// The server's own deadline, of an idle connection, is longer.
				_ = server.SetReadDeadline(begin.Add(time.Hour))
				_, err := server.Read(make([]byte, 1))
				if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != handshakeTimeout {
					t.Errorf("got %v after %v", err, time.Since(begin))
				}
				if len(ln.slots) != 0 {
					t.Error("it holds its slot still")
				}
				if got := l.failed.said["timeout"]; got == nil {
					t.Error("nobody said so")
				}
				_ = server.Close()
			})
		})
	}
}

// A deadline in the past is how a server wakes a connection to stop; it must not
// wait for the handshake.
func TestHandshakeCanBeWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client, _, _ := accepted(t, 1)
		defer client.Close()
		begin := time.Now()
		done := make(chan error)
		go func() {
			_, err := server.Read(make([]byte, 1))
			done <- err
		}()
		synctest.Wait()
		_ = server.SetDeadline(begin)
		if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != 0 {
			t.Errorf("got %v after %v", err, time.Since(begin))
		}
		_ = server.Close()
	})
}

// A server that speaks first, as forward's does, shakes hands before it writes; and
// a deadline that was set before holds afterwards.
func TestServerSpeaksFirst(t *testing.T) {
	server, raw, _, _ := accepted(t, 1)
	defer server.Close()
	defer raw.Close() // first: TLS would wait for somebody to read its farewell
	done := make(chan string)
	go func() {
		conn := tls.Client(raw, client(t, "client"))
		var b [4]byte
		_, err := io.ReadFull(conn, b[:])
		done <- fmt.Sprint(string(b[:]), err)
	}()
	if _, err := server.Write([]byte("HELO")); err != nil {
		t.Fatal(err)
	}
	if got := <-done; got != "HELO<nil>" {
		t.Errorf("got %s", got)
	}
	_ = server.SetReadDeadline(time.Now().Add(-time.Second))
	if _, err := server.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the deadline does not hold after the handshake: %v", err)
	}
	if _, ok := server.(interface{ NetConn() net.Conn }).NetConn().(*gate); ok {
		t.Error("NetConn is our own wrapper, not the connection that was accepted")
	}
}

func TestFailuresAreSaidNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal()
		f := newFailures(slog.New(j), metrics.New())
		from := &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 99}
		for range 12 {
			f.note(errNotAllowed, from, true)
			time.Sleep(time.Second)
		}
		f.note(errRevoked, from, true)
		lines := j.all()
		if len(lines) != 3 || !strings.Contains(lines[1], "repeated=9") || !strings.Contains(lines[2], "reason=revoked") {
			t.Errorf("said %q", lines)
		}
	})
}

// A client that is refused learns why, although it has sent something already when
// it is: a connection that is closed with unread bytes ends by a reset, and its writing
// fails before it has read the alert.
func TestRefusedClientLearnsWhy(t *testing.T) {
	e := serve(t, mutual)
	for range 20 {
		raw, err := net.Dial("tcp", e.addr)
		if err != nil {
			t.Fatal(err)
		}
		conn := tls.Client(raw, client(t, "clientbad"))
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		if err := conn.Handshake(); err != nil {
			t.Fatalf("TLS 1.3 tells later: %v", err)
		}
		if _, err := conn.Write(make([]byte, 200<<10)); err != nil {
			t.Fatalf("the client's writing fails, and it does not look for a reason: %v", err)
		}
		_, err = conn.Read(make([]byte, 1))
		_ = conn.Close()
		if err == nil || !strings.Contains(err.Error(), "remote error: tls:") {
			t.Fatalf("got %v", err)
		}
	}
}
