package output

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/sluicelog/sluice/internal/param"
)

// srv is <service_discovery> @type srv: the servers stand in the SRV records
// _service._proto.hostname, which are asked for again and again. A record's weight
// is the server's; priorities order the list, as in Fluentd, and do no more.
type srv struct {
	service, proto, hostname      string
	dnsServer                     string
	interval                      time.Duration
	sharedKey, username, password string

	lookup   func(ctx context.Context, service, proto, name string) (string, []*net.SRV, error) // for tests
	looked   time.Time
	current  []forwardServer
	answered bool
	failing  bool
}

func (s *srv) params(p *param.Set) {
	p.String("service", &s.service, "", "The service's name without its underscore, of type srv.")
	p.String("proto", &s.proto, "tcp", "The protocol's name without its underscore, of type srv.")
	p.String("hostname", &s.hostname, "", "The domain that has the records, of type srv.")
	p.String("dns_server_host", &s.dnsServer, "", "Name server to ask, host or host:port, of type srv; the system's without it.")
	p.Time("interval", &s.interval, 60*time.Second, "How often to ask, of type srv.")
	p.Ignore("dns_lookup", "the servers' names are resolved when they are connected to")
	p.String("shared_key", &s.sharedKey, "", "Key of these servers, of type srv.").Secret()
	p.String("username", &s.username, "", "User to prove, of type srv.")
	p.String("password", &s.password, "", "Password of that user, of type srv.").Secret()
}

func (s *srv) check(secured bool) error {
	switch {
	case s.hostname == "":
		return param.Errorf("hostname", "write the domain, such as `hostname example.com`", "parameter is required")
	case s.interval <= 0:
		return param.Errorf("interval", "", "%s is no interval", s.interval)
	case !secured && (s.sharedKey != "" || s.username != ""):
		return param.Errorf("shared_key", "add <security> with self_hostname and shared_key", "shared_key and username have no effect without <security>")
	}
	return nil
}

// srvTime is how long a name server may take.
const srvTime = 5 * time.Second

// look asks when it is time to; changed is true when there are other servers. A
// question without an answer leaves the servers what they are.
func (s *srv) look(ctx context.Context, log *slog.Logger) (servers []forwardServer, changed bool) {
	if !s.looked.IsZero() && time.Since(s.looked) < s.interval {
		return nil, false
	}
	s.looked = time.Now()
	ctx, cancel := context.WithTimeout(ctx, srvTime)
	defer cancel()
	_, records, err := s.resolve()(ctx, s.service, s.proto, s.hostname)
	if err != nil && len(records) == 0 {
		if !s.failing {
			log.Error("sd_srv: failed to look up the servers; they stay what they were", "hostname", s.hostname, "error", err)
		}
		s.failing = true
		return nil, false
	}
	s.failing = false
	// The resolver shuffles by weight; an order of our own tells what has changed.
	slices.SortFunc(records, func(a, b *net.SRV) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.Target, b.Target), cmp.Compare(a.Port, b.Port))
	})
	for _, r := range records {
		servers = append(servers, forwardServer{
			Host: strings.TrimSuffix(r.Target, "."), Port: int(r.Port), Weight: max(int(r.Weight), 1),
			SharedKey: s.sharedKey, Username: s.username, Password: s.password,
		})
	}
	changed = !s.answered || !reflect.DeepEqual(servers, s.current)
	s.answered, s.current = true, servers
	return servers, changed
}

func (s *srv) resolve() func(context.Context, string, string, string) (string, []*net.SRV, error) {
	if s.lookup != nil {
		return s.lookup
	}
	r := net.DefaultResolver
	if s.dnsServer != "" {
		address := s.dnsServer
		if _, _, err := net.SplitHostPort(address); err != nil {
			address = net.JoinHostPort(address, "53")
		}
		r = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		}}
	}
	return r.LookupSRV
}
