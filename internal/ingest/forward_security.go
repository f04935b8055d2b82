package ingest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/sluicelog/sluice/internal/forward"
	"github.com/sluicelog/sluice/internal/param"
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
	if !s.anonymous && len(s.clients) == 0 {
		return param.Errorf("allow_anonymous_source", "add <client> sections", "<client> sections required if allow_anonymous_source disabled")
	}
	for i := range s.clients {
		c := &s.clients[i]
		switch {
		case c.host == "" && c.network == "":
			return param.Errorf("host", "", "Either of 'host' and 'network' must be specified for client") //nolint:staticcheck // Fluentd's own words
		case c.host != "" && c.network != "":
			return param.Errorf("network", "leave one out", "both of 'host' and 'network' are specified for client")
		case c.network != "":
			var err error
			if c.prefix, err = parseNetwork(c.network); err != nil {
				return err
			}
		}
	}
	return nil
}

// refusal is why a sender may not send: what the sender is told, and what the log
// says, in Fluentd's words.
type refusal struct {
	reason, log, hostname string
	label                 string // for the metric
}

func (r *refusal) Error() string { return r.log }

// handshake runs HELO, PING, PONG. A sender that may not send gives a *refusal.
func (s *security) handshake(ctx context.Context, conn net.Conn, d *forward.Decoder, address string, keepalive bool) error {
	known := s.find(ctx, address)
	nonce, auth := randomText(), randomText()
	if _, err := conn.Write(forward.Helo{Nonce: nonce, Auth: auth, Keepalive: keepalive}.Append(nil)); err != nil {
		return fmt.Errorf("send HELO: %w", err)
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
	pong := forward.Pong{OK: true, Hostname: s.hostname, Digest: forward.KeyDigest(ping.Salt, s.hostname, nonce, key)}
	refused := s.judge(ping, known, address, proof{key, nonce, auth})
	if refused != nil {
		pong = forward.Pong{Reason: refused.reason}
	}
	if _, err := conn.Write(pong.Append(nil)); err != nil {
		return fmt.Errorf("send PONG: %w", err)
	}
	if refused != nil {
		return refused
	}
	return nil
}

// proof is what a PING's digests are made of.
type proof struct{ key, nonce, auth string }

// find is the <client> section of an address; nil when there is none.
func (s *security) find(ctx context.Context, address string) *client {
	addr, err := netip.ParseAddr(address)
	addr = addr.Unmap().WithZone("")
	for i := range s.clients {
		c := &s.clients[i]
		if c.network != "" && err == nil && c.prefix.Contains(addr) || c.host != "" && c.is(ctx, address) {
			return c
		}
	}
	return nil
}

// lookupTime is how long the name of a <client> may take to resolve.
const lookupTime = 5 * time.Second

// is reports whether host is, or resolves to, the address.
func (c *client) is(ctx context.Context, address string) bool {
	if c.host == address || net.ParseIP(c.host) != nil {
		return c.host == address
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupHost(ctx, c.host)
	return err == nil && slices.Contains(addresses, address)
}

// judge is why a PING is refused; nil when it is good.
func (s *security) judge(p forward.Ping, known *client, address string, with proof) *refusal {
	switch {
	case known == nil && !s.anonymous:
		return &refusal{fmt.Sprintf("anonymous source host '%s' denied", address), "Anonymous client disallowed", p.Hostname, "anonymous"}
	case !forward.Equal(p.Digest, forward.KeyDigest(p.Salt, p.Hostname, with.nonce, with.key)):
		return &refusal{"shared_key mismatch", "Shared key mismatch", p.Hostname, "shared_key"}
	case !s.userAuth:
		return nil
	}
	for _, u := range s.users {
		allowed := known == nil || len(known.users) == 0 || slices.Contains(known.users, u.name)
		if allowed && u.name == p.User && forward.Equal(p.PasswordDigest, forward.PasswordDigest(with.auth, u.name, u.password)) {
			return nil
		}
	}
	return &refusal{"username/password mismatch", "Authentication failed", p.Hostname, "user"}
}

func randomText() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return string(b[:])
}
