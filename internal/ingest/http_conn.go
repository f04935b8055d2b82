package ingest

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

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

// watched is the listener of an http source: its connections know what net/http
// forgets or does not bound.
type watched struct {
	net.Listener
	door      *door
	memory    *memory
	keepsHead bool
	patience  time.Duration // for a client to take its answer
	refused   func(reason string)
}

// Accept implements net.Listener.
func (l *watched) Accept() (net.Conn, error) {
	inner, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &httpConn{guest: guest{Conn: inner}, door: l.door, inHead: true, loan: loan{memory: l.memory}, keepsHead: l.keepsHead, patience: l.patience, refused: l.refused}
	if !l.door.enter(&c.guest) {
		_ = inner.Close()
		return nil, net.ErrClosed
	}
	return c, nil
}

// Close implements net.Listener.
func (l *watched) Close() error {
	l.door.close()
	return l.Listener.Close()
}

// httpConn is one connection, above TLS. It bounds what the heads of all requests
// hold together, keeps a head's bytes where their order is wanted (net/http forgets
// it, and add_http_headers promises it), and answers in Fluentd's order.
type httpConn struct {
	guest
	keepsHead bool
	patience  time.Duration
	refused   func(reason string)
	writeBy   time.Time // the deadline in force; whoever writes owns it

	known atomic.Bool // it has sent a whole head
	door  *door

	mu     sync.Mutex
	inHead bool // between two requests, or within a head
	http2  bool // frames: there are no heads to see
	begun  bool
	served int   // requests since the last Read
	head   int64 // bytes since the request before
	loan   loan
	last   []byte // what was read last
	asked  bool   // the client asked for the connection to be closed
}

const (
	freeHead     = 4 << 10   // net/http's own reading buffer: every connection has it
	headCost     = 3         // of a head's text, when net/http has made a map of it
	maxHead      = 80 << 10  // as Fluentd
	keptHead     = 128 << 10 // more than a head may be long
	keptInBody   = 8 << 10   // the next request may have come with the end of a body
	http2Preface = "PRI * HTTP/2"
)

// errHeads closes a connection; nobody can be answered before a head is whole.
var errHeads = errors.New("the heads of requests under way fill request_memory_limit")

// Read implements net.Conn.
func (c *httpConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.begun && n > 0 {
		c.begun, c.http2 = true, bytes.HasPrefix(p[:n], []byte(http2Preface))
	}
	c.served = 0
	if c.http2 || n <= 0 {
		return n, err
	}
	if c.inHead {
		c.head += int64(n)
		if c.head > freeHead && c.loan.grow(headCost*(c.head-freeHead)) != nil {
			c.refused("head memory")
			return 0, errHeads
		}
	}
	if c.keepsHead {
		c.keep(p[:n])
	}
	return n, err
}

func (c *httpConn) keep(p []byte) {
	most := keptInBody
	if c.inHead {
		most = keptHead
	}
	if excess := len(p) - most; excess > 0 {
		p = p[excess:]
	}
	c.last = append(c.last, p...)
	if excess := len(c.last) - most; excess > 0 {
		c.last = append(c.last[:0], c.last[excess:]...)
	}
}

// begin is called when a request's head is known. It lets others go first when the
// request came together with the one before: a client that sends hundreds at once is
// served one in turn.
func (c *httpConn) begin(r *http.Request) {
	if c.note(r) > 1 {
		runtime.Gosched()
	}
}

func (c *httpConn) note(r *http.Request) (served int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.served++
	c.inHead, c.head, c.asked = false, 0, r.Close
	c.loan.release()
	return c.served
}

// frames says that the connection speaks HTTP/2, should its first bytes have come too
// slowly to show it.
func (c *httpConn) frames() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.http2 = true
	c.loan.release()
}

// end is called when a request is answered.
func (c *httpConn) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inHead = true
}

// Close implements net.Conn.
func (c *httpConn) Close() error {
	c.mu.Lock()
	c.loan.release()
	c.mu.Unlock()
	c.door.leave(&c.guest)
	return c.Conn.Close()
}

// The answers of almost all requests, as net/http lays them out and as Fluentd does.
var (
	sortedOK   = []byte("HTTP/1.1 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\nContent-Type: text/plain\r\n\r\n")
	orderedOK  = []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n")
	sortedBye  = []byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n")
	orderedBye = []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n")
)

// Write implements net.Conn.
func (c *httpConn) Write(p []byte) (int, error) {
	out := p
	switch {
	case bytes.Equal(p, sortedOK):
		out = orderedOK
	case bytes.Equal(p, sortedBye) && c.clientAsked():
		out = orderedBye
	}
	if by := time.Now().Add(c.patience); c.patience > 0 && by.Sub(c.writeBy) > c.patience/8 {
		c.writeBy = by
		if err := c.SetWriteDeadline(by); err != nil {
			return 0, err
		}
	}
	if n, err := c.Conn.Write(out); err != nil {
		return min(n, len(p)), err
	}
	return len(p), nil
}

func (c *httpConn) clientAsked() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked
}

// takeHead returns the head that begins with the request line, and forgets all
// up to its end.
func (c *httpConn) takeHead(line string) string {
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

type connKey struct{}

// rememberConn puts the connection into its requests' contexts.
func rememberConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

func httpConnOf(r *http.Request) *httpConn {
	c, _ := r.Context().Value(connKey{}).(*httpConn)
	return c
}

// connOf is the connection below, which knows the client's certificate.
func connOf(r *http.Request) net.Conn {
	if c := httpConnOf(r); c != nil {
		return c.Conn
	}
	return nil
}

// noteHead tells the connection where a request begins and ends.
func noteHead(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := httpConnOf(r)
		if c != nil && !c.known.Swap(true) {
			c.door.known(&c.guest)
		}
		switch {
		case c == nil:
		case r.ProtoMajor == 1:
			c.begin(r)
			defer c.end()
		default:
			c.frames()
		}
		next.ServeHTTP(w, r)
	})
}

// headOrder is the names of the request's headers in the order in which they
// came; where that is not known, in alphabetical order. What is taken for the head
// may have been the end of a body, so no header is left out because of it.
func headOrder(r *http.Request) []string {
	var names []string
	if c := httpConnOf(r); c != nil && r.ProtoMajor == 1 {
		names = namesOf(c.takeHead(r.Method + " " + r.RequestURI + " "))
	}
	known := map[string]bool{}
	for _, name := range names {
		known[http.CanonicalHeaderKey(name)] = true
	}
	var others []string
	for _, name := range slices.Concat([]string{"Host"}, slices.Collect(maps.Keys(r.Header))) {
		if !known[name] {
			others = append(others, name)
		}
	}
	slices.Sort(others)
	return append(names, others...)
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
