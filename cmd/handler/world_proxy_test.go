package main

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
)

// connectProxy is a proxy that knows CONNECT and nothing else. Every name leads it to
// this machine, so that nobody else need know those names; it never sees what is said.
type connectProxy struct {
	server *httptest.Server

	mu    sync.Mutex // guards what follows
	hosts map[string]int
}

// startProxy is `proxy`: it sets $PROXY.
func (w *world) startWebProxy(ts *testscript.TestScript, _ []string) {
	w.proxy = &connectProxy{hosts: map[string]int{}}
	w.proxy.server = httptest.NewServer(w.proxy)
	ts.Defer(w.proxy.server.Close)
	ts.Setenv("PROXY", w.proxy.server.URL)
}

func (p *connectProxy) ServeHTTP(rw http.ResponseWriter, req *http.Request) {
	host, port, err := net.SplitHostPort(req.Host)
	if req.Method != http.MethodConnect || err != nil {
		http.Error(rw, "CONNECT only", http.StatusMethodNotAllowed)
		return
	}
	p.mu.Lock()
	p.hosts[host]++
	p.mu.Unlock()
	there, err := net.Dial("tcp", "127.0.0.1:"+port) //nolint:noctx // it ends with its client
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadGateway)
		return
	}
	defer there.Close()
	rw.WriteHeader(http.StatusOK)
	here, buffered, err := http.NewResponseController(rw).Hijack()
	if err != nil {
		return
	}
	defer here.Close()
	var both sync.WaitGroup
	both.Go(func() { _, _ = io.Copy(there, buffered); _ = there.(*net.TCPConn).CloseWrite() })
	both.Go(func() { _, _ = io.Copy(here, there); _ = here.Close() })
	both.Wait()
}

// proxied is `proxied HOST yes|no`: whether the way to a host led through the proxy
// since it was asked for last.
func (w *world) proxied(ts *testscript.TestScript, args []string) {
	w.proxy.mu.Lock()
	defer w.proxy.mu.Unlock()
	defer delete(w.proxy.hosts, args[0])
	if n := w.proxy.hosts[args[0]]; (n > 0) != (args[1] == "yes") {
		ts.Fatalf("%d connections to %s through the proxy: %v", n, args[0], w.proxy.hosts)
	}
}

// secure is `secure DIR`: the store of `store` behind TLS, with a folder's
// certificate; it sets $S3PORT.
func (w *world) secure(ts *testscript.TestScript, args []string) {
	behind, err := url.Parse(w.s3.URL())
	ts.Check(err)
	config, err := mutualTLS(ts.MkAbs(args[0]))
	ts.Check(err)
	config.ClientAuth = tls.NoClientCert
	front := httptest.NewUnstartedServer(httputil.NewSingleHostReverseProxy(behind))
	front.TLS = config
	front.Config.ErrorLog = log.New(io.Discard, "", 0)
	front.StartTLS()
	ts.Defer(front.Close)
	ts.Setenv("S3PORT", portOf(front))
}

func portOf(s *httptest.Server) string {
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	return port
}
