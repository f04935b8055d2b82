package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"
	"syscall"
)

// withCure adds a hint to what the system refuses at a start and every
// administrator meets once. An error that brings its own hint stays as it is.
func withCure(err error) error {
	hint := cureOf(err)
	if hint == "" || strings.Contains(err.Error(), "hint:") {
		return err
	}
	return fmt.Errorf("%w\n  hint: %s", err, hint)
}

func cureOf(err error) string {
	var network *net.OpError
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "another process listens there, perhaps the Fluentd that this relay takes the place of: stop it, or choose another port"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "this machine does not have that address: bind to one of its own, or to 0.0.0.0 for all of them"
	case errors.Is(err, fs.ErrPermission) && errors.As(err, &network):
		return "ports below 1024 are root's: choose one above, or give the process CAP_NET_BIND_SERVICE"
	case errors.Is(err, fs.ErrPermission):
		return "it must be open to the user that the relay runs as: change its owner, or that of the folder above it"
	case errors.Is(err, syscall.EROFS):
		return "the file system is read-only here: choose a path on one that can be written to"
	case errors.Is(err, syscall.ENOSPC):
		return "the disk is full: make room, nothing that was acknowledged is lost"
	}
	return ""
}
