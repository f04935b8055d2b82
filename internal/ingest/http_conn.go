package ingest

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"

	"golang.org/x/net/netutil"
)

// limitConnections lets at most n connections be open; others wait in the
// system's accept queue.
func limitConnections(ln net.Listener, n int) net.Listener {
	if n <= 0 {
		return ln
	}
	return netutil.LimitListener(ln, n)
}

// net/http forgets the order of a request's headers, and add_http_headers
// promises it. So where that is on, a connection keeps the bytes that it read
// last, and headOrder finds the head of the request among them.

type headKey struct{}

// rememberHead puts the connection's memory into the request's context.
func rememberHead(ctx context.Context, c net.Conn) context.Context {
	if t, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = t.NetConn()
	}
	if r, ok := c.(*rememberingConn); ok {
		return context.WithValue(ctx, headKey{}, r)
	}
	return ctx
}

func rememberingListener(ln net.Listener, on bool) net.Listener {
	if !on {
		return ln
	}
	return &remembering{ln}
}

type remembering struct{ net.Listener }

func (l *remembering) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &rememberingConn{Conn: c}, nil
}

// rememberedBytes is more than a head may be long.
const rememberedBytes = 128 << 10

type rememberingConn struct {
	net.Conn
	mu   sync.Mutex
	last []byte
}

func (c *rememberingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = append(c.last, p[:n]...)
	if excess := len(c.last) - rememberedBytes; excess > 0 {
		c.last = append(c.last[:0], c.last[excess:]...)
	}
	return n, err
}

// takeHead returns the head that begins with the request line, and forgets all
// up to its end.
func (c *rememberingConn) takeHead(line string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	start := bytes.Index(c.last, []byte(line))
	if start < 0 {
		return ""
	}
	length := bytes.Index(c.last[start:], []byte("\r\n\r\n"))
	if length < 0 {
		return ""
	}
	head := string(c.last[start : start+length])
	c.last = append(c.last[:0], c.last[start+length:]...)
	return head
}

// headOrder is the names of the request's headers in the order in which they
// came; where that is not known, in alphabetical order.
func headOrder(r *http.Request) []string {
	if c, ok := r.Context().Value(headKey{}).(*rememberingConn); ok {
		if head := c.takeHead(r.Method + " " + r.RequestURI + " "); head != "" {
			return namesOf(head)
		}
	}
	names := []string{"Host"}
	for name := range r.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func namesOf(head string) []string {
	var names []string
	for i, line := range strings.Split(head, "\r\n") {
		if name, _, ok := strings.Cut(line, ":"); ok && i > 0 {
			names = append(names, name)
		}
	}
	return names
}
