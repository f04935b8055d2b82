package ingest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluicelog/sluice/internal/forward"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// security is <security> of the forward source: a shared key, users, and the
// networks that may send.
type security struct {
	hostname, sharedKey string
	userAuth, anonymous bool
	users               []user
	clients             []client
}

type user struct{ name, password string }

type client struct {
	host, network, sharedKey string
	users                    []string
	prefix                   netip.Prefix
}

func securityParams(p *param.Set, s *security) {
	p.String("self_hostname", &s.hostname, "", "Name by which the relay introduces itself.").Required()
	p.String("shared_key", &s.sharedKey, "", "Key that senders must know.").Required().Secret()
	p.Bool("user_auth", &s.userAuth, false, "Ask for user and password too.")
	p.Bool("allow_anonymous_source", &s.anonymous, true, "Let senders that no <client> section names send.")
	param.Sections(p, "user", &s.users, func(p *param.Set, u *user) {
		p.String("username", &u.name, "", "Name.").Required()
		p.String("password", &u.password, "", "Password.").Required().Secret()
	}, "A user that may send.")
	param.Sections(p, "client", &s.clients, func(p *param.Set, c *client) {
		p.String("host", &c.host, "", "Address or name of a sender.")
		p.String("network", &c.network, "", "Network of senders, 10.0.0.0/8.")
		p.String("shared_key", &c.sharedKey, "", "Key of these senders, in place of the common one.").Secret()
		p.Strings("users", &c.users, nil, "Users that may send from there.")
	}, "Senders that are known.")
}

func (s *security) check() error {
	if s.userAuth && len(s.users) == 0 {
		return param.Errorf("user_auth", "add <user> sections", "<user> sections required if user_auth enabled")
	}
	for i := range s.clients {
		c := &s.clients[i]
		switch {
		case c.host == "" && c.network == "":
			return param.Errorf("host", "", "<client> needs host or network")
		case c.host != "" && c.network != "":
			return param.Errorf("network", "leave one out", "<client> has both host and network")
		case c.network != "":
			prefix, err := netip.ParsePrefix(c.network)
			if err != nil {
				return param.Errorf("network", "write 10.0.0.0/8", "%s is no network", c.network)
			}
			c.prefix = prefix.Masked()
		}
	}
	return nil
}

// handshake runs HELO, PING, PONG. Its error is what the log says.
func (s *security) handshake(conn net.Conn, d *forward.Decoder, address string) error {
	known, reason := s.find(address)
	nonce, auth := randomText(), ""
	if s.userAuth {
		auth = randomText()
	}
	if _, err := conn.Write(forward.Helo{Nonce: nonce, Auth: auth, Keepalive: true}.Append(nil)); err != nil {
		return err
	}
	v, err := d.Value()
	if err != nil {
		return fmt.Errorf("read PING: %w", err)
	}
	ping, err := forward.ReadPing(v)
	if err != nil {
		return err
	}
	key := s.sharedKey
	if known != nil && known.sharedKey != "" {
		key = known.sharedKey
	}
	if reason == "" {
		reason = s.judge(ping, known, key, nonce, auth)
	}
	pong := forward.Pong{OK: reason == "", Reason: reason}
	if pong.OK {
		pong.Hostname = s.hostname
		pong.Digest = forward.KeyDigest(ping.Salt, s.hostname, nonce, key)
	}
	if _, err := conn.Write(pong.Append(nil)); err != nil {
		return err
	}
	if reason != "" {
		return errors.New("connection refused: " + reason)
	}
	return nil
}

// find is the <client> section of an address; reason is why it may not send.
func (s *security) find(address string) (known *client, reason string) {
	addr, err := netip.ParseAddr(address)
	for i := range s.clients {
		c := &s.clients[i]
		if c.host == address || c.network != "" && err == nil && c.prefix.Contains(addr.Unmap()) || c.resolves(address) {
			return c, ""
		}
	}
	if !s.anonymous {
		return nil, fmt.Sprintf("anonymous source host '%s' denied", address)
	}
	return nil, ""
}

func (c *client) resolves(address string) bool {
	if c.host == "" || net.ParseIP(c.host) != nil {
		return false
	}
	addresses, err := net.LookupHost(c.host)
	return err == nil && slices.Contains(addresses, address)
}

// judge is why a PING is refused, in Fluentd's words; "" when it is good.
func (s *security) judge(p forward.Ping, known *client, key, nonce, auth string) string {
	if p.Hostname == s.hostname {
		return "same hostname between input and output: invalid configuration"
	}
	if !forward.Equal(p.Digest, forward.KeyDigest(p.Salt, p.Hostname, nonce, key)) {
		return "shared_key mismatch"
	}
	if !s.userAuth {
		return ""
	}
	for _, u := range s.users {
		allowed := known == nil || len(known.users) == 0 || slices.Contains(known.users, u.name)
		if allowed && u.name == p.User && forward.Equal(p.PasswordDigest, forward.PasswordDigest(auth, u.name, u.password)) {
			return ""
		}
	}
	return "username/password mismatch"
}

func randomText() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return string(b[:])
}

// forwardCounts is the numbers of one forward source.
type forwardCounts struct {
	id       string
	received prometheus.Counter
	open     prometheus.Gauge
	refused  prometheus.Counter
	dropped  *prometheus.CounterVec
}

func newForwardCounts(env plugin.Env) *forwardCounts {
	m := env.Metrics
	return &forwardCounts{
		id:       env.ID,
		received: m.Counter("relay_input_events_total", "Events that came in.", "plugin_id", "type").WithLabelValues(env.ID, env.Type),
		open:     m.Gauge("relay_forward_connections", "Connections open now.", "plugin_id").WithLabelValues(env.ID),
		refused:  m.Counter("relay_forward_refused_total", "Connections whose handshake failed.", "plugin_id").WithLabelValues(env.ID),
		dropped:  m.Counter("relay_events_dropped_total", "Events that were thrown away, by reason.", "plugin_id", "reason"),
	}
}

func (c *forwardCounts) drop(reason string, n int) {
	c.dropped.WithLabelValues(c.id, reason).Add(float64(n))
}
