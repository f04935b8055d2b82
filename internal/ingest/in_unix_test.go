package ingest

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/internal/event"
)

func unixSource(t *testing.T, text string) (*inUnix, *syncBuffer) {
	t.Helper()
	env, log := testEnv("u", "unix")
	in, err := decodeSource(t, env, text, NewUnix)
	if err != nil {
		t.Fatal(err)
	}
	u := in.(*inUnix)
	if err := u.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return u, log
}

func TestUnix(t *testing.T) {
	for text, want := range map[string]string{"": "own 7.000000000 {\"a\":1}", "\ntag all": "all 7.000000000 {\"a\":1}"} {
		path := filepath.Join(t.TempDir(), "folder", "f.sock")
		in, _ := unixSource(t, "path "+path+text)
		ctx, cancel := context.WithCancel(context.Background())
		ln, err := in.listen(ctx)
		if err != nil {
			t.Fatal(err)
		}
		out := newPipeline()
		done := make(chan error, 1)
		go func() {
			done <- acceptAll(ctx, ln, in.env.Log, func(ctx context.Context, conn net.Conn) { in.serve(ctx, conn, out) })
		}()
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		message := event.AppendMsgpack(nil, []any{"own", int64(7), event.NewRecord("a", int64(1))})
		if _, err := conn.Write(message); err != nil {
			t.Fatal(err)
		}
		sameEvents(t, out.waitFor(t, 1), want)
		_ = conn.Close()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// A socket that a dead process has left is replaced; one that lives, and a file that
// is none, are left alone.
func TestUnixStaleSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.sock")
	in, log := unixSource(t, "path "+path)
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	if _, err := in.listen(t.Context()); err == nil || !strings.Contains(err.Error(), "another process listens there") {
		t.Errorf("a living one: %v", err)
	}
	_ = left.Close()
	ln, err := in.listen(t.Context())
	if err != nil {
		t.Fatalf("a dead one: %v", err)
	}
	_ = ln.Close()
	if !strings.Contains(log.String(), "Remove this file") {
		t.Errorf("it went unsaid: %s", log.String())
	}
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := in.listen(t.Context()); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("a file: %v", err)
	}
	if text, _ := os.ReadFile(path); string(text) != "mine" {
		t.Error("the file is gone")
	}
}
