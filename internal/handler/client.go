package handler

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/sluicelog/sluice/internal/tlsconf"
)

const (
	requestTimeout = 30 * time.Second
	idleTimeout    = 8 * time.Second // below Fluentd's keepalive_timeout of 10 s: it must not close first
)

// newSender makes the sender for the first URL; its TLS files are read again
// when they change.
func (c *StartCmd) newSender(h *handler) (*sender, error) {
	files := &tlsconf.ClientFiles{CA: c.FluentdCA, Cert: c.FluentdCert, Key: c.FluentdKey, ServerName: c.receiver(), Log: h.log, Metrics: h.metrics}
	config, err := files.Config()
	if err != nil {
		return nil, err
	}
	id, err := loadIdentity(h.dir, c.DryRun)
	if err != nil {
		return nil, err
	}
	s := &sender{
		url: c.FluentdURL[0], client: c.httpClient(config), identity: id, gzip: c.FluentdGzip,
		slots: make(chan struct{}, c.FluentdMaxConnections), maxBatch: c.FluentdMaxBatch, maxBytes: c.FluentdMaxBatchBytes,
		log: h.log, counts: h.counts, health: h.health,
	}
	return s, nil
}

// receiver is the one host that all URLs name, whose certificate can then be
// checked against an authority that may change; "" when there are several.
func (c *StartCmd) receiver() string {
	host := ""
	for _, address := range append(slices.Clone(c.FluentdURL), c.FluentdSessionURL) {
		u, err := url.Parse(address)
		if err != nil || host != "" && u.Hostname() != host {
			return ""
		}
		host = u.Hostname()
	}
	return host
}

// httpClient speaks HTTP/1.1 over a pool of connections: HTTP/2 costs a Go
// server up to twice the CPU per small request. Redirects are not followed: they
// would turn a POST into a GET and look like success.
func (c *StartCmd) httpClient(config *tls.Config) *http.Client {
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:     config,
		TLSHandshakeTimeout: 10 * time.Second,
		MaxIdleConnsPerHost: c.FluentdMaxConnections,
		IdleConnTimeout:     idleTimeout,
		ForceAttemptHTTP2:   c.FluentdHTTP2,
		DisableCompression:  true,
	}
	return &http.Client{
		Transport:     transport,
		Timeout:       requestTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
