package main

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestSocketActivation: a service manager holds the port, so that a relay can be replaced
// by another version: what is sent while none runs is answered by the next.
func TestSocketActivation(t *testing.T) {
	dir := t.TempDir()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	held, err := ln.(*net.TCPListener).File()
	must(t, err)
	must(t, ln.Close())
	defer held.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	config := storing(t, dir, "127.0.0.1", port, "")
	file := filepath.Join(dir, "fluent.conf")
	writeFile(t, file, []byte(config))
	start := func(extra ...*os.File) *daemon {
		cmd := exec.Command("sh", "-c", "LISTEN_PID=$$ LISTEN_FDS=$FDS exec relay -c "+file)
		cmd.Env = append(os.Environ(), "FDS="+string(rune('0'+len(extra))))
		cmd.ExtraFiles = extra
		return runRelay(t, cmd, "")
	}
	unused, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	other, err := unused.(*net.TCPListener).File()
	must(t, err)
	defer other.Close()
	defer unused.Close()

	first := start(held, other)
	first.mu.Lock()
	said := strings.Join(first.said, "\n")
	first.mu.Unlock()
	if want := `no source listens at; whoever connects there waits address="tcp ` + unused.Addr().String(); !strings.Contains(said, want) {
		t.Errorf("nothing is said of the socket that nobody wants:\n%s", said)
	}
	must(t, first.cmd.Process.Signal(syscall.SIGTERM))
	_, err = first.cmd.Process.Wait()
	must(t, err)

	answer := make(chan error, 1)
	go func() {
		r, err := http.Post("http://127.0.0.1:"+port+"/t", "application/json", strings.NewReader(`{"n":1}`))
		if err == nil {
			_ = r.Body.Close()
		}
		answer <- err
	}()
	start(held)
	must(t, <-answer)
}
