package main

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestCure(t *testing.T) {
	listen := func(e syscall.Errno) error {
		return &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", e)}
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{listen(syscall.EADDRINUSE), "another process listens there"},
		{listen(syscall.EADDRNOTAVAIL), "does not have that address"},
		{listen(syscall.EACCES), "ports below 1024"},
		{&fs.PathError{Op: "mkdir", Path: "/x", Err: syscall.EACCES}, "change its owner"},
		{&fs.PathError{Op: "mkdir", Path: "/x", Err: syscall.EROFS}, "read-only"},
		{&fs.PathError{Op: "write", Path: "/x", Err: syscall.ENOSPC}, "the disk is full"},
	} {
		err := withCure(fmt.Errorf("relay.conf:3:1: source (http): %w", c.err))
		if text := err.Error(); !strings.HasPrefix(text, "relay.conf:3:1") || !strings.Contains(text, "\n  hint: ") || !strings.Contains(text, c.want) {
			t.Errorf("got %q, want a hint with %q", text, c.want)
		}
	}
	for _, err := range []error{fs.ErrNotExist, fmt.Errorf("a: %w\n  hint: b", fs.ErrPermission)} {
		if got := withCure(err); got != err {
			t.Errorf("got %q, want %q unchanged", got, err)
		}
	}
}
