package ruby

import (
	"math/big"
	"net/netip"
	"strings"
)

// ipAddr is an IPAddr: an address or a network.
type ipAddr struct {
	addr netip.Addr // masked
	bits int
}

func (ip *ipAddr) text() string { return ip.addr.String() }

func (ip *ipAddr) equal(o *ipAddr) bool { return ip.addr == o.addr }

func (ip *ipAddr) compare(o *ipAddr) int { return ip.addr.Compare(o.addr) }

func (ip *ipAddr) prefix() netip.Prefix { return netip.PrefixFrom(ip.addr, ip.bits) }

func (ip *ipAddr) inspect() string {
	family, full := "IPv4", ip.addr.String()
	mask := maskOf(ip.addr, ip.bits)
	if ip.addr.Is6() {
		family, full = "IPv6", ip.addr.StringExpanded()
		mask = maskExpanded(mask)
	}
	return "#<IPAddr: " + family + ":" + full + "/" + mask + ">"
}

func maskExpanded(s string) string { return netip.MustParseAddr(s).StringExpanded() }

// maskOf is a netmask as an address.
func maskOf(a netip.Addr, bits int) string {
	ones := "255.255.255.255"
	if a.Is6() {
		ones = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
	}
	p, _ := netip.MustParseAddr(ones).Prefix(bits)
	return p.Addr().String()
}

func (m *Env) parseIP(s string) *ipAddr {
	text, mask, masked := strings.Cut(s, "/")
	a, err := netip.ParseAddr(strings.Trim(text, "[]"))
	if err != nil || a.Zone() != "" {
		m.raise("IPAddr::InvalidAddressError", "invalid address: %s", s)
	}
	ip := &ipAddr{a, a.BitLen()}
	if !masked {
		return ip
	}
	n, ok := digitsOnly(mask)
	if !ok {
		n, ok = maskBits(mask)
	}
	if !ok || n > int64(a.BitLen()) {
		m.raise("IPAddr::InvalidPrefixError", "invalid length: %s", s)
	}
	p, _ := a.Prefix(int(n))
	return &ipAddr{p.Addr(), int(n)}
}

// maskBits is the length of a netmask such as 255.255.0.0.
func maskBits(s string) (int64, bool) {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return 0, false
	}
	for n := range a.BitLen() + 1 {
		if maskOf(a, n) == a.String() {
			return int64(n), true
		}
	}
	return 0, false
}

// toIP is a value as an address, if it can be one.
func (m *Env) toIP(v Value) (*ipAddr, bool) {
	switch v := v.(type) {
	case *ipAddr:
		return v, true
	case *Str:
		text, _, _ := strings.Cut(v.s, "/")
		if _, err := netip.ParseAddr(text); err != nil {
			return nil, false
		}
		return m.parseIP(v.s), true
	}
	return nil, false
}

func (m *Env) ipIncludes(net *ipAddr, v Value) bool {
	var other *ipAddr
	switch v := v.(type) {
	case *ipAddr:
		other = v
	case *Str:
		other = m.parseIP(v.s)
	default:
		m.unsupported("IPAddr#include? of "+className(v), "give it text")
	}
	if other.addr.Is4() != net.addr.Is4() {
		return false
	}
	return other.bits >= net.bits && net.prefix().Contains(other.addr)
}

func ipMethods() table {
	include := func(m *Env, self Value, a []Value, _ *Proc) Value { return m.ipIncludes(self.(*ipAddr), a[0]) }
	is := func(test func(a netip.Addr) bool) method {
		return method{func(_ *Env, self Value, _ []Value, _ *Proc) Value { return test(self.(*ipAddr).addr) }, 0, 0, false}
	}
	return table{
		"include?": {include, 1, 1, false}, "===": {include, 1, 1, false},
		"ipv4?":       is(netip.Addr.Is4),
		"ipv6?":       is(netip.Addr.Is6),
		"loopback?":   is(func(a netip.Addr) bool { return a.Is4() && a.As4()[0] == 127 || a == netip.IPv6Loopback() }),
		"private?":    is(netip.Addr.IsPrivate),
		"link_local?": is(netip.Addr.IsLinkLocalUnicast),
		"to_string":   {func(m *Env, self Value, _ []Value, _ *Proc) Value { return m.str(self.(*ipAddr).addr.StringExpanded()) }, 0, 0, false},
		"to_i": {func(m *Env, self Value, _ []Value, _ *Proc) Value {
			return m.norm(new(big.Int).SetBytes(self.(*ipAddr).addr.AsSlice()))
		}, 0, 0, false},
		"prefix": {func(_ *Env, self Value, _ []Value, _ *Proc) Value { return int64(self.(*ipAddr).bits) }, 0, 0, false},
		"mask": {func(m *Env, self Value, a []Value, _ *Proc) Value {
			switch a[0].(type) {
			case int64, *Str:
			default:
				m.unsupported("mask of "+className(a[0]), "")
			}
			return m.parseIP(self.(*ipAddr).addr.String() + "/" + m.toS(a[0]).s)
		}, 1, 1, false},
	}
}

func ipNew(m *Env, _ Value, a []Value, _ *Proc) Value {
	if _, ok := a[0].(*Str); !ok {
		m.unsupported("IPAddr.new of "+className(a[0]), "give it text")
	}
	return m.parseIP(m.text(a[0]).s)
}
