package plugin_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/sluicelog/sluice/internal/plugin"
)

// freeAddress is one that nobody listens at.
func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func listen(t *testing.T, s *plugin.Sockets, network, address string, backlog int) net.Listener {
	t.Helper()
	ln, err := s.Listen(t.Context(), network, address, backlog)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln
}

// connects reports whether somebody listens.
func connects(network, address string) bool {
	c, err := net.Dial(network, address)
	if err == nil {
		_ = c.Close()
	}
	return err == nil
}

// TestSocketPasses: the socket stays open from the old configuration to the new, with
// what waits in it, and closes with the last one.
func TestSocketPasses(t *testing.T) {
	for network, address := range map[string]string{"tcp": freeAddress(t), "unix": filepath.Join(t.TempDir(), "s")} {
		pool := plugin.NewSocketPool()
		before, after := pool.Sockets(), pool.Sockets()
		old := listen(t, before, network, address, 0)
		if before.Holds(network, address) || !after.Holds(network, address) {
			t.Errorf("%s: the one who listens, or the other, is told the wrong thing", network)
		}
		fresh := listen(t, after, network, address, 0)
		before.Release()
		_ = old.Close()
		waiting, err := net.Dial(network, address)
		if err != nil {
			t.Fatalf("%s: after the change: %v", network, err)
		}
		if c, err := fresh.Accept(); err != nil {
			t.Errorf("%s: accept: %v", network, err)
		} else {
			_ = c.Close()
		}
		_ = waiting.Close()
		after.Release()
		_ = fresh.Close()
		if connects(network, address) {
			t.Errorf("%s: nobody listens, and it is open", network)
		}
		if _, err := os.Lstat(address); network == "unix" && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the socket's file: %v", err)
		}
	}
}

// TestSocketOfFailedStart: what could not start gives its part back, and the old one
// listens on.
func TestSocketOfFailedStart(t *testing.T) {
	address, another := freeAddress(t), freeAddress(t)
	pool := plugin.NewSocketPool()
	before, after := pool.Sockets(), pool.Sockets()
	listen(t, before, "tcp", address, 0)
	listen(t, after, "tcp", address, 0)
	listen(t, after, "tcp", another, 0)
	after.Close()
	if !connects("tcp", address) || connects("tcp", another) {
		t.Error("the old address is closed, or the new one open")
	}
}

// TestSocketTwice: two sources of one configuration at one address are an error, also
// when it is passed on.
func TestSocketTwice(t *testing.T) {
	address := freeAddress(t)
	pool := plugin.NewSocketPool()
	before, after := pool.Sockets(), pool.Sockets()
	listen(t, before, "tcp", address, 0)
	for _, s := range []*plugin.Sockets{before, after} {
		if s == after {
			listen(t, s, "tcp", address, 0)
		}
		if _, err := s.Listen(t.Context(), "tcp", address, 0); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("the second source: %v", err)
		}
	}
}

// TestSocketMoves: an address that excludes the old one takes its place.
func TestSocketMoves(t *testing.T) {
	address := freeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	pool := plugin.NewSocketPool()
	before, after := pool.Sockets(), pool.Sockets()
	old := listen(t, before, "tcp", "0.0.0.0:"+port, 0)
	listen(t, after, "tcp", address, 0)
	if _, err := old.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the old listener: %v", err)
	}
	if !connects("tcp", address) {
		t.Error("the new one is closed")
	}
}

func TestPacketsPass(t *testing.T) {
	address := freeAddress(t)
	pool := plugin.NewSocketPool()
	before, after := pool.Sockets(), pool.Sockets()
	old, err := before.ListenPacket(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("early")); err != nil {
		t.Fatal(err)
	}
	fresh, err := after.ListenPacket(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer fresh.Close()
	before.Release()
	_ = old.Close()
	var b [16]byte
	if n, _, err := fresh.ReadFrom(b[:]); err != nil || string(b[:n]) != "early" {
		t.Errorf("what came before the change: %q, %v", b[:n], err)
	}
}
