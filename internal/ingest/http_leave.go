package ingest

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// leaving ends an http server so that each request that reaches it is answered.
// net/http's Shutdown throws away a request that it reads in the same moment, and closes
// idle connections on which one may be under way. So first nobody new is let in, and
// whoever sends is told that the connection ends; what is then still open is idle.
type leaving struct {
	begun atomic.Bool

	mu   sync.Mutex
	open int           // connections
	none chan struct{} // closed when there is none; made when somebody waits
}

// leavePatience is how long connections may stay open on which nothing comes.
const leavePatience = 500 * time.Millisecond

// follow counts srv's connections.
func (l *leaving) follow(srv *http.Server) {
	next := srv.ConnState
	srv.ConnState = func(c net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			l.count(1)
		case http.StateClosed, http.StateHijacked:
			l.count(-1)
		}
		if next != nil {
			next(c, s)
		}
	}
}

func (l *leaving) count(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open += n
	if l.open == 0 && l.none != nil {
		close(l.none)
		l.none = nil
	}
}

// wait returns when no connection is open, or after leavePatience.
func (l *leaving) wait() {
	l.mu.Lock()
	none := make(chan struct{})
	if l.open == 0 {
		close(none)
	} else {
		l.none = none
	}
	l.mu.Unlock()
	timer := time.NewTimer(leavePatience)
	defer timer.Stop()
	select {
	case <-none:
	case <-timer.C:
	}
}

// serve runs srv, and watch beside it, until ctx ends.
func serve(ctx context.Context, srv *http.Server, ln net.Listener, l *leaving, watch func(context.Context) error) error {
	watching, stopWatching := context.WithCancel(ctx)
	watched := make(chan error, 1)
	go func() { watched <- watch(watching) }()
	l.follow(srv)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()

	var err error
	select {
	case err = <-served:
	case <-ctx.Done():
		l.begun.Store(true)
		_ = ln.Close()
		<-served
		l.wait()
		err = shutDown(context.WithoutCancel(ctx), srv)
	}
	stopWatching()
	<-watched
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// shutdownGrace is how long requests in flight may take after a stop signal.
const shutdownGrace = 10 * time.Second

func shutDown(ctx context.Context, srv *http.Server) error {
	ctx, cancel := context.WithTimeout(ctx, shutdownGrace)
	defer cancel()
	err := srv.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return srv.Close() // clients that never finish their request
	}
	return err
}

// lasting says in each answer that the connection stays open, as Fluentd does, which has
// no Date; some clients keep a connection only then. A source that ends says so instead.
func (l *leaving) lasting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Date"] = nil
		switch {
		case l.begun.Load():
			w.Header()["Connection"] = closeNow // in HTTP/2, too, where net/http makes a GOAWAY of it
		case r.ProtoMajor == 1 && !r.Close:
			w.Header()["Connection"] = keepAliveOn
		}
		next.ServeHTTP(w, r)
	})
}
