package ingest

import (
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sluicelog/sluice/internal/plugin"
)

// A source closes in order, unless linger_timeout 0 is written: then the sender's
// connection ends at once and stays nowhere as TIME_WAIT.
func TestForwardLinger(t *testing.T) {
	for lines, want := range map[string]error{"": nil, "linger_timeout 3": nil, "linger_timeout 0": syscall.ECONNRESET} {
		s := startForward(t, "deny_keepalive true\n"+lines)
		c := s.dial()
		c.send(message("a", 1, "one"))
		if c.ack() != "one" {
			t.Error("no acknowledgement")
		}
		if _, err := io.Copy(io.Discard, c.conn); !errors.Is(err, want) {
			t.Errorf("%q: the connection ended with %v, want %v", lines, err, want)
		}
	}
}

func TestForwardLingerTLS(t *testing.T) {
	s := startForward(t, "linger_timeout 0\n<transport tls>\ncert_path CERTS/server.crt\nprivate_key_path CERTS/server.key\n</transport>")
	c := s.dialTLS("")
	c.send(message("a", 1, "one"))
	if c.ack() != "one" {
		t.Error("no acknowledgement")
	}
	// A client that hangs up sees the answer of a socket that is gone.
	raw := c.conn.(interface{ NetConn() net.Conn }).NetConn().(*net.TCPConn)
	if err := raw.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	_ = raw.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.Copy(io.Discard, raw); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the connection ended with %v", err)
	}
}

func TestForwardKeepAlivePackets(t *testing.T) {
	for lines, want := range map[string]int{"": 1, "send_keepalive_packet true": 1, "send_keepalive_packet false": 0} {
		in, err := forwardOf(t, lines, plugin.Env{})
		if err != nil {
			t.Fatal(err)
		}
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		client, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conn, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		in.socket.apply(&forwardGuest{guest: guest{Conn: conn}})
		raw, err := conn.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		_ = raw.Control(func(fd uintptr) {
			if got, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_KEEPALIVE); err != nil || got != want {
				t.Errorf("%q: SO_KEEPALIVE is %d (%v), want %d", lines, got, err, want)
			}
		})
		for _, c := range []io.Closer{client, conn, ln} {
			_ = c.Close()
		}
	}
}

// With resolve_hostname the log names senders by their names; their records do not
// without source_hostname_key.
func TestForwardResolvesNames(t *testing.T) {
	name := new(names).of("127.0.0.1")
	for lines, want := range map[string]string{"": "127.0.0.1", "resolve_hostname true": name, "source_hostname_key h": name, "resolve_hostname false": "127.0.0.1"} {
		s := startForward(t, lines)
		s.dial().send("noise", message("a", 1))
		if got := s.sink.wait(t, 1)[0]; strings.Contains(got, name) != strings.Contains(lines, "key") {
			t.Errorf("%q: got %s", lines, got)
		}
		s.stop()
		if !strings.Contains(s.log.String(), "host="+want+" ") {
			t.Errorf("%q: the log does not name the sender %q: %s", lines, want, s.log)
		}
	}
}

func TestForwardRefusesParameters(t *testing.T) {
	for lines, want := range map[string]string{
		"source_hostname_key h\nresolve_hostname false":                                                     "resolve_hostname must be true with source_hostname_key",
		"deny_keepalive true\nsend_keepalive_packet true":                                                   "both 'send_keepalive_packet' and 'deny_keepalive' cannot be set to true",
		"<security>\nself_hostname s\nshared_key k\nallow_anonymous_source false\n</security>":              "<client> sections required if allow_anonymous_source disabled",
		"<security>\nself_hostname s\nshared_key k\n<client>\nnetwork 10.0.0.0/8/9\n</client>\n</security>": "10.0.0.0/8/9 is no network",
	} {
		if _, err := forwardOf(t, lines, plugin.Env{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", lines, err, want)
		}
	}
	for _, lines := range []string{"deny_keepalive true", "source_hostname_key h\nresolve_hostname true", "deny_keepalive true\nsend_keepalive_packet false"} {
		if _, err := forwardOf(t, lines, plugin.Env{}); err != nil {
			t.Errorf("%q: %v", lines, err)
		}
	}
}
