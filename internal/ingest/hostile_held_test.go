package ingest

import (
	"bytes"
	"fmt"
	"math"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// heldBy is how many connections to an address a process has open, as the kernel
// knows it: what waits in the accept queue is not its own yet.
func heldBy(pid int, addr string) (int, error) {
	own, err := socketsOf(pid)
	if err != nil {
		return 0, err
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return 0, err
	}
	local := fmt.Sprintf(":%04X", n)
	table, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/tcp", pid))
	if err != nil {
		return 0, err
	}
	held := 0
	for line := range bytes.Lines(table) {
		// sl local remote state queues timer retransmits uid timeout inode
		f := strings.Fields(string(line))
		const listening = "0A"
		if len(f) > 9 && strings.HasSuffix(f[1], local) && f[3] != listening && own[f[9]] {
			held++
		}
	}
	return held, nil
}

// spareFiles is how many files this process may open, but for a few that it needs.
func spareFiles() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil || limit.Cur > math.MaxInt32 {
		return math.MaxInt32
	}
	return int(limit.Cur) - 200 //nolint:gosec // it was looked at
}

// socketsOf is the inodes of a process's sockets.
func socketsOf(pid int) (map[string]bool, error) {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	own := map[string]bool{}
	for _, e := range entries {
		to, _ := os.Readlink(filepath.Join(dir, e.Name())) // one that has closed meanwhile
		if inode, ok := strings.CutPrefix(to, "socket:["); ok {
			own[strings.TrimSuffix(inode, "]")] = true
		}
	}
	return own, nil
}

// The count is of what was accepted and not closed.
func TestHeldBy(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	want := func(n int) {
		t.Helper()
		if got, err := heldBy(os.Getpid(), ln.Addr().String()); err != nil || got != n {
			t.Errorf("%d are held (%v), want %d", got, err, n)
		}
	}
	want(0)
	for range 3 {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	want(0)
	for n := range 3 {
		c, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		want(n + 1)
	}
}
