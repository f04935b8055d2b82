package output

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/forward"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
	"github.com/sluicelog/sluice/internal/tlsconf"
)

// forwardOut sends chunks to other relays, Fluentds or Fluent Bits by the forward
// protocol: to the servers in turn, by weight, leaving out those that do not answer
// (forward_detector.go); how one is spoken to is in forward_node.go.
//
// With require_ack_response a chunk leaves the buffer when the server has it. The
// others leave it when the system has taken their bytes, and a server that dies
// then loses them, as everywhere.
type forwardOut struct {
	env        plugin.Env
	options    forwardOptions
	servers    []forwardServer
	discovery  []discovery
	security   forwardSecurity
	transport  string
	tls        tlsconf.Client
	detect     detectorOptions
	heartbeat  string
	interval   time.Duration
	verify     bool
	ignoreDown bool

	balance balancer
	stop    func() // ends what Start began
}

// forwardOptions is what all connections share.
type forwardOptions struct {
	ack             bool
	ackTimeout      time.Duration
	send, connect   time.Duration
	keepalive       bool
	keepaliveFor    time.Duration // 0: for ever
	keepaliveForSet bool
	compress        string
	integerTime     bool
	dnsFor          time.Duration // how long an address is remembered
	dnsForSet       bool          // else until the server is given up
	dnsTurns        bool

	log      *slog.Logger
	counts   *forwardCounts
	security *forwardSecurity     // nil: no handshake
	tls      *tlsconf.ClientFiles // nil: plain TCP
	detect   *detectorOptions
}

type forwardSecurity struct {
	hostname, sharedKey string
}

// forwardServer is one <server>, or one <service>.
type forwardServer struct {
	Host      string `yaml:"host"`
	Port      int    `yaml:"port"`
	Name      string `yaml:"name"`
	Weight    int    `yaml:"weight"`
	Standby   bool   `yaml:"standby"`
	SharedKey string `yaml:"shared_key"`
	Username  string `yaml:"username"`
	Password  string `yaml:"password"`

	transport string // tcp or tls; "" is as the output says
	tls       tlsconf.Client
	files     *tlsconf.ClientFiles // with transport tls, once started
}

func (s *forwardServer) params(p *param.Set) {
	p.String("host", &s.Host, "", "Name or address.").Required()
	p.Int("port", &s.Port, 24224, "Port.")
	p.String("name", &s.Name, "", "Name for logs, and the one that its certificate must be for; host without it.")
	p.Int("weight", &s.Weight, 60, "How many chunks it gets in proportion to the others.")
	p.Bool("standby", &s.Standby, false, "Use it only while another does not answer.")
	p.String("shared_key", &s.SharedKey, "", "Key of this server, in place of the common one.").Secret()
	p.String("username", &s.Username, "", "User to prove.")
	p.String("password", &s.Password, "", "Password of that user.").Secret()
	p.String("transport", &s.transport, "", "tls or tcp for this server alone; with tls its own tls_ parameters count, not those of the output.").Enum("", "tcp", "tls")
	s.tls.ForwardParams(p)
}

// open reads the certificates that are of this server alone.
func (s *forwardServer) open(env plugin.Env) error {
	if s.transport != "tls" {
		return nil
	}
	files, err := s.tls.Open(env.Log, env.Metrics)
	s.files = files
	return err
}

// NewForward makes a forward output.
func NewForward(env plugin.Env) plugin.Output {
	return &forwardOut{env: env, balance: balancer{log: env.Log}}
}

func (o *forwardOut) Params(p *param.Set) {
	param.Sections(p, "server", &o.servers, func(p *param.Set, s *forwardServer) { s.params(p) }, "A server to send to.")
	param.Sections(p, "service_discovery", &o.discovery, func(p *param.Set, d *discovery) { d.params(p) }, "Servers that are written elsewhere.")
	p.Bool("require_ack_response", &o.options.ack, false, "Keep a chunk until the server says that it has it.")
	p.Time("ack_response_timeout", &o.options.ackTimeout, 190*time.Second, "How long that may take.")
	p.Time("send_timeout", &o.options.send, 60*time.Second, "How long a server may take none of what is sent.")
	p.Time("connect_timeout", &o.options.connect, 0, "How long connecting may take; send_timeout without it.")
	p.String("heartbeat_type", &o.heartbeat, "transport", "How servers are watched: transport and tcp connect, udp sends a packet and waits for one, none does not.").
		Enum("transport", "tcp", "udp", "none")
	p.Time("heartbeat_interval", &o.interval, time.Second, "How often.")
	p.Time("recover_wait", &o.detect.recoverWait, 10*time.Second, "How long a server must answer again before it is used.")
	p.Time("hard_timeout", &o.detect.hardTimeout, 60*time.Second, "How long a server may be silent before it is not used any more.")
	p.Bool("phi_failure_detector", &o.detect.phi, true, "Find out from the gaps between heartbeats that a server is away.")
	p.Int("phi_threshold", &o.detect.threshold, 16, "How sure to be; higher is later.")
	p.Time("expire_dns_cache", &o.options.dnsFor, 0, "How long a server's address is remembered; until the server does not answer when it is not set, 0 is not at all.").
		Present(&o.options.dnsForSet)
	p.Bool("dns_round_robin", &o.options.dnsTurns, false, "Take the addresses of a name in turn.")
	p.Bool("ignore_network_errors_at_startup", &o.ignoreDown, false, "Accepted; a server that is away at the start is no error.")
	p.Bool("verify_connection_at_startup", &o.verify, false, "Connect to each server at the start, and do not start when one is away.")
	p.String("compress", &o.options.compress, "text", "How events are packed.").Enum("text", "gzip", "zstd")
	p.Bool("time_as_integer", &o.options.integerTime, false, "Send whole seconds, for receivers before Fluentd 0.14.")
	p.Bool("keepalive", &o.options.keepalive, false, "Keep connections open between chunks.")
	p.Time("keepalive_timeout", &o.options.keepaliveFor, 0, "How long such a connection may be idle; for ever when it is not set.").Present(&o.options.keepaliveForSet)
	p.String("transport", &o.transport, "tcp", "tls encrypts.").Enum("tcp", "tls")
	o.tls.ForwardParams(p)
	param.Section(p, "security", &o.security, func(p *param.Set, s *forwardSecurity) {
		p.String("self_hostname", &s.hostname, "", "Name by which the relay introduces itself.").Required()
		p.String("shared_key", &s.sharedKey, "", "Key that both sides know.").Required().Secret()
	}, "How the relay and the servers prove themselves to each other.")
}

// BufferDefaults are Fluentd's: chunks by tag.
func (o *forwardOut) BufferDefaults(c *buffer.Config) { c.ChunkKeys = "tag" }

// AsSecondary refuses chunks that hold no entries.
func (o *forwardOut) AsSecondary(primary string) error {
	if primary != "forward" && primary != "buffer" {
		return param.Errorf("@type", "use @type secondary_file", "chunks of %s can not be forwarded: they are formatted otherwise", primary)
	}
	return nil
}

// SetBuffer wants the tag to be known when a chunk leaves.
func (o *forwardOut) SetBuffer(c buffer.Config, _ int) error {
	if !c.KeyedByTag() {
		return param.Errorf("", "write <buffer tag>", "buffer chunk key must include 'tag' for forward output")
	}
	return nil
}

// Check holds the rules between parameters.
func (o *forwardOut) Check() error {
	if len(o.servers)+len(o.discovery) == 0 {
		return param.Errorf("", "", "forward output plugin requires at least one node is required. Add <server> or <service_discovery>")
	}
	secured := o.security != forwardSecurity{}
	for i := range o.servers {
		if err := o.servers[i].check(secured); err != nil {
			return err
		}
	}
	for i := range o.discovery {
		if err := o.discovery[i].check(secured); err != nil {
			return err
		}
	}
	if len(o.discovery) == 0 && !slices.ContainsFunc(o.servers, func(s forwardServer) bool { return s.Weight > 0 }) {
		return param.Errorf("weight", "give one of the servers a weight above 0", "no server has a weight, so that nothing would ever be sent")
	}
	switch {
	case o.options.send <= 0:
		return param.Errorf("send_timeout", "leave the line out for 60 seconds, or write a long time", "nothing can be sent in %s", o.options.send)
	case o.options.ack && o.options.ackTimeout <= 0:
		return param.Errorf("ack_response_timeout", "leave the line out for 190 seconds, or write a long time", "no server answers in %s", o.options.ackTimeout)
	case o.heartbeat == "udp" && o.options.dnsTurns:
		return param.Errorf("dns_round_robin", "leave heartbeat_type out", "'dns_round_robin' can not be used with heartbeat_type udp")
	case o.heartbeat != "none" && o.interval <= 0:
		return param.Errorf("heartbeat_interval", "write heartbeat_type none", "%s is no interval", o.interval)
	}
	return o.tls.Check()
}

func (s *forwardServer) check(secured bool) error {
	switch {
	case s.Host == "":
		return param.Errorf("host", "", "a server without host")
	case s.Port < 1 || s.Port > 65535:
		return param.Errorf("port", "", "%d is no port: it must be 1 to 65535", s.Port)
	case s.Weight < 0 || s.Weight > maxWeight:
		return param.Errorf("weight", "", "%d is not between 0 and %d", s.Weight, maxWeight)
	case !secured && (s.SharedKey != "" || s.Username != ""):
		return param.Errorf("shared_key", "add <security> with self_hostname and shared_key", "shared_key and username have no effect without <security>")
	case s.transport == "tls":
		return s.tls.Check()
	}
	return nil
}

// Start reads the certificates and begins to watch the servers.
func (o *forwardOut) Start(ctx context.Context) error {
	if err := o.prepare(); err != nil {
		return err
	}
	for i := range o.servers {
		if err := o.servers[i].open(o.env); err != nil {
			return err
		}
	}
	for i := range o.discovery {
		if err := o.discovery[i].load(ctx, o.env); err != nil {
			return err
		}
	}
	o.balance.set(o.wanted(), &o.options)
	if o.verify {
		for _, n := range o.balance.all() {
			l, err := n.connect(ctx)
			if err != nil {
				return fmt.Errorf("forward's connection setting error: %w", err)
			}
			l.close()
		}
	}
	w, err := newWatcher(o)
	if err != nil {
		return err
	}
	o.stop = w.start()
	return nil
}

func (o *forwardOut) prepare() error {
	o.options.log = o.env.Log
	o.options.counts = newForwardCounts(o.env.Metrics, o.env.ID)
	if o.security != (forwardSecurity{}) {
		o.options.security = &o.security
	}
	if o.options.connect <= 0 {
		o.options.connect = o.options.send
	}
	o.detect.interval = o.interval
	if o.heartbeat != "none" {
		o.options.detect = &o.detect
	}
	if o.heartbeat == "tcp" {
		o.env.Log.Warn("'heartbeat_type tcp' is deprecated. use 'transport' instead.")
	}
	if o.options.keepaliveForSet && !o.options.keepalive {
		o.env.Log.Warn("The value of keepalive_timeout is ignored. if you want to use keepalive, please add `keepalive true` to your conf.")
	}
	if o.transport != "tls" {
		return nil
	}
	files, err := o.tls.Open(o.env.Log, o.env.Metrics)
	o.options.tls = files
	return err
}

// wanted is the servers that the configuration names now.
func (o *forwardOut) wanted() []forwardServer {
	all := append([]forwardServer(nil), o.servers...)
	for i := range o.discovery {
		all = append(all, o.discovery[i].servers()...)
	}
	return all
}

// Ready says that no server can be used.
func (o *forwardOut) Ready() error {
	if !o.balance.any() {
		return errNoNodes
	}
	return nil
}

// Close stops watching and closes idle connections.
func (o *forwardOut) Close(context.Context) error {
	if o.stop != nil {
		o.stop()
		o.stop = nil
	}
	for _, n := range o.balance.all() {
		n.leave()
	}
	return nil
}

// Format appends [time, record] in msgpack.
func (o *forwardOut) Format(dst []byte, _ string, e event.Event) ([]byte, error) {
	return forward.AppendEntry(dst, e, o.options.integerTime), nil
}

// Write sends the chunk to the server whose turn it is, or to the next that takes
// it.
func (o *forwardOut) Write(ctx context.Context, c *buffer.Chunk) error { return o.write(ctx, c) }

// maxEntries is the longest body that a message can announce.
const maxEntries = 1<<32 - 1

func (o *forwardOut) write(ctx context.Context, c chunk) error {
	o.options.tls.Look()
	tag := c.Meta()
	if !tag.HasTag {
		return plugin.Permanent(errors.New("chunk has no tag"))
	}
	b := body{chunk: c, compress: o.options.compress}
	size, err := b.size()
	switch {
	case err != nil || size == 0:
		return err
	case size > maxEntries:
		return plugin.Permanent(fmt.Errorf("chunk of %d bytes is too large for the forward protocol", size))
	}
	return o.balance.pick(func(n *node) error { return n.send(ctx, b, size) })
}
