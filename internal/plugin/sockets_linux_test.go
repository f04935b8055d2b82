package plugin_test

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

func TestBacklog(t *testing.T) {
	ln := listen(t, nil, "tcp", "127.0.0.1:0", 7)
	raw, err := ln.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil || info.Sacked != 7 { // of a socket that listens: the limit of its queue
			t.Errorf("limit of the queue: %v, %v", info, err)
		}
	})
}
