package ingest

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/sluicelog/sluice/internal/param"
)

// networks is <security> of the tcp source: who may connect.
type networks struct {
	anonymous bool
	clients   []allowed
}

type allowed struct {
	host, network string
	prefix        netip.Prefix
}

func (n *networks) params(p *param.Set) {
	param.Section(p, "security", n, func(p *param.Set, n *networks) {
		p.Bool("allow_anonymous_source", &n.anonymous, true, "Let senders that no <client> section names send.")
		param.Sections(p, "client", &n.clients, func(p *param.Set, c *allowed) {
			p.String("host", &c.host, "", "Address or name of a sender.")
			p.String("network", &c.network, "", "Network of senders, 10.0.0.0/8.")
		}, "A sender that may send.")
	}, "Who may send.")
}

// CheckSection reads the networks.
func (n *networks) CheckSection() error {
	if !n.anonymous && len(n.clients) == 0 {
		return param.Errorf("allow_anonymous_source", "add <client> sections", "<client> sections required if allow_anonymous_source is false")
	}
	for i := range n.clients {
		c := &n.clients[i]
		switch {
		case (c.host == "") == (c.network == ""):
			return param.Errorf("host", "", "<client> needs either host or network")
		case c.network == "":
			continue
		}
		var err error
		if c.prefix, err = parseNetwork(c.network); err != nil {
			return err
		}
	}
	return nil
}

// parseNetwork reads what Ruby's IPAddr does: 10.0.0.0/8, 10.0.0.0/255.0.0.0, or one
// address.
func parseNetwork(text string) (netip.Prefix, error) {
	address, size, sized := strings.Cut(text, "/")
	addr, err := netip.ParseAddr(address)
	bits := addr.BitLen()
	if mask := net.ParseIP(size).To4(); sized && mask != nil && addr.Is4() {
		ones, of := net.IPMask(mask).Size()
		if of == 0 { // 255.0.255.0
			ones = -1
		}
		bits = ones
	} else if sized && err == nil {
		bits, err = strconv.Atoi(size)
	}
	prefix := netip.PrefixFrom(addr, bits)
	if err != nil || !prefix.IsValid() {
		return prefix, param.Errorf("network", "write 10.0.0.0/8", "%s is no network", text)
	}
	return prefix.Masked(), nil
}

// takes reports whether a sender may send.
func (n *networks) takes(from net.Addr) bool {
	if n.anonymous {
		return true
	}
	at, err := netip.ParseAddrPort(from.String())
	if err != nil {
		return false
	}
	ip := at.Addr().Unmap()
	return slices.ContainsFunc(n.clients, func(c allowed) bool {
		if c.network != "" {
			return c.prefix.Contains(ip)
		}
		if literal, err := netip.ParseAddr(c.host); err == nil {
			return literal.Unmap() == ip
		}
		addresses, err := net.LookupHost(c.host)
		return err == nil && slices.Contains(addresses, ip.String())
	})
}
