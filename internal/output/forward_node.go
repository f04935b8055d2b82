package output

import (
	"cmp"
	"context"
	"net"
	"reflect"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluicelog/sluice/internal/tlsconf"
)

// node is a server with what is known of it.
type node struct {
	forwardServer
	o        *forwardOptions
	resolver resolver
	resets   atomic.Bool // it hangs up by resets, also when nothing was sent

	mu       sync.Mutex
	usable   bool
	detector *detector // nil: it is not watched, and always usable
	idle     []*link
	gone     bool // no longer among the servers
}

func newNode(s forwardServer, o *forwardOptions) *node {
	n := &node{forwardServer: s, o: o, usable: true, resolver: resolver{host: s.Host, o: o, lookup: net.DefaultResolver.LookupHost}}
	if o.detect != nil {
		n.detector = newDetector(*o.detect, time.Now())
	}
	o.counts.usable(n, true)
	return n
}

func (n *node) String() string { return cmp.Or(n.Name, n.address()) }

func (n *node) address() string { return net.JoinHostPort(n.Host, strconv.Itoa(n.Port)) }

func (n *node) available() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.usable
}

// giveUp takes a server out that was found to be away by using it. One that is not
// watched stays, for nobody would take it in again.
func (n *node) giveUp() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.detector != nil {
		n.use(false)
	}
}

// use changes whether the server is used. The caller holds mu.
func (n *node) use(usable bool) {
	n.usable = usable
	n.o.counts.usable(n, usable)
	if !usable {
		n.resolver.forget()
	}
}

// beat takes a heartbeat of a server; true when it is to be used again.
func (n *node) beat(now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.detector.add(now)
	if n.usable || !n.detector.recovered() {
		return false
	}
	n.use(true)
	return true
}

// check looks whether a server is away by now; true when it was not before.
func (n *node) check(now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	d := n.detector
	silent := d.silent(now)
	if !n.usable {
		if silent {
			d.reset()
		}
		return false
	}
	phi := 0.0
	if !silent {
		if phi = d.level(now); !d.phi || phi <= float64(d.threshold) {
			return false
		}
	}
	if silent {
		n.o.log.Warn("detached forwarding server '"+n.String()+"'", "host", n.Host, "port", n.Port, "hard_timeout", true)
	} else {
		n.o.log.Warn("detached forwarding server '"+n.String()+"'", "host", n.Host, "port", n.Port, "phi", phi, "phi_threshold", d.threshold)
	}
	n.use(false)
	d.reset()
	return true
}

// take is an idle connection that is still good, or a new one.
func (n *node) take(ctx context.Context) (*link, error) {
	for {
		l := n.lastIdle()
		if l == nil {
			return n.connect(ctx)
		}
		if l.alive() {
			return l, nil
		}
		l.close()
	}
}

func (n *node) lastIdle() *link {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.idle) == 0 {
		return nil
	}
	l := n.idle[len(n.idle)-1]
	n.idle = n.idle[:len(n.idle)-1]
	return l
}

func (n *node) putBack(l *link) {
	l.since = time.Now()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.gone {
		l.close()
		return
	}
	n.idle = append(n.idle, l)
}

// closeIdle closes the connections that are idle since before t.
func (n *node) closeIdle(t time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	kept := n.idle[:0]
	for _, l := range n.idle {
		if l.since.Before(t) {
			l.close()
		} else {
			kept = append(kept, l)
		}
	}
	n.idle = kept
}

// leave closes all idle connections; those in use are closed when they come back.
func (n *node) leave() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.gone = true
	for _, l := range n.idle {
		l.close()
	}
	n.idle = nil
	n.o.counts.forget(n)
}

// tlsFiles is what TLS with the server is made of; nil is plain TCP.
func (n *node) tlsFiles() *tlsconf.ClientFiles {
	if n.transport != "" {
		return n.files
	}
	return n.o.tls
}

// same reports whether a server is configured as this one is.
func (n *node) same(s forwardServer) bool { return reflect.DeepEqual(n.forwardServer, s) }
