package handler

import (
	"crypto/tls"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sluicelog/sluice/internal/tlsconf"
)

// newSender makes the sender of audit events. Its TLS files are read again when
// they change.
func (c *StartCmd) newSender(h *handler) (*sender, error) {
	id, err := loadIdentity(h.dir, c.DryRun)
	if err != nil {
		return nil, err
	}
	id.shared = h.share != nil
	s := &sender{
		identity: id, permit: h.share.permit, slots: make(chan struct{}, c.FluentdMaxConnections), maxBatch: c.FluentdMaxBatch, maxBytes: c.FluentdMaxBatchBytes,
		patience: c.FluentdFailoverAfter, log: h.log, counts: h.counts, health: h.health,
	}
	if s.dialing, err = c.newDialing(h, id); err != nil {
		return nil, err
	}
	s.relays, err = s.dialing.relays(c.FluentdURL)
	return s, err
}

// forSessions is a sender to the addresses of recordings, which shares everything
// else.
func (c *StartCmd) forSessions(audit *sender) (*sender, error) {
	s := *audit
	var err error
	s.relays, err = s.dialing.relays(c.sessionURLs())
	return &s, err
}

// sessionURLs is the list in --fluentd-session-url.
func (c *StartCmd) sessionURLs() []string { return trimAll(strings.Split(c.FluentdSessionURL, ",")) }

// dialing is what connections to all receivers have in common.
type dialing struct {
	cmd      *StartCmd
	identity *identity
	observe  observer
	files    *tlsconf.ClientFiles
	clients  map[string]*http.Client // by server name
	forwards []*forwardReceiver
}

// closeIdle ends the connections that nobody uses.
func (d *dialing) closeIdle() {
	for _, c := range d.clients {
		c.CloseIdleConnections()
	}
	for _, f := range d.forwards {
		f.closeIdle()
	}
}

func (c *StartCmd) newDialing(h *handler, id *identity) (*dialing, error) {
	d := &dialing{cmd: c, identity: id, clients: map[string]*http.Client{}}
	d.observe = func(status string, took time.Duration) {
		if h.counts != nil {
			h.counts.posted(status, took, 0)
		}
	}
	d.files = &tlsconf.ClientFiles{CA: c.FluentdCA, Cert: c.FluentdCert, Key: c.FluentdKey, Log: h.log, Metrics: h.metrics}
	return d, d.files.Open()
}

func (d *dialing) relays(urls []string) ([]*relay, error) {
	var all []*relay
	for i, address := range urls {
		if slices.Contains(urls[:i], address) {
			continue // it can not stand in for itself
		}
		r, err := d.receiver(address)
		if err != nil {
			return nil, err
		}
		all = append(all, &relay{receiver: r, url: address})
	}
	return newRelays(all), nil
}

// receiver makes what an address's scheme asks for.
func (d *dialing) receiver(address string) (receiver, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	var config *tls.Config
	if u.Scheme == "https" || u.Scheme == "forward+tls" {
		config = d.files.ConfigFor(u.Hostname())
	}
	if strings.HasPrefix(u.Scheme, "forward") {
		f := newForwardReceiver(u, config)
		f.identity, f.observe = d.identity, d.observe
		d.forwards = append(d.forwards, f)
		return f, nil
	}
	client := d.clients[u.Hostname()]
	if client == nil {
		client = d.cmd.newHTTPClient(d.files.ConfigFor(u.Hostname()))
		d.clients[u.Hostname()] = client
	}
	return &httpReceiver{url: address, client: client, identity: d.identity, gzip: d.cmd.FluentdGzip, observe: d.observe}, nil
}
