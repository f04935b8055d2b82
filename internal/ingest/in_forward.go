package ingest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
	"github.com/sluicelog/sluice/internal/status"
	"github.com/sluicelog/sluice/internal/tlsconf"
)

// inForward is `source @type forward`. An ack is sent when the events are on
// disk. A sender that asks for none is slowed down instead: while a buffer is
// full nothing more is read from its socket, and what was read is kept until it
// fits.
type inForward struct {
	env plugin.Env

	port                    int
	bind                    string
	chunkLimit, chunkWarn   int64
	skipInvalid             bool
	tag, tagPrefix          string
	addressKey, hostnameKey string
	denyKeepalive           bool
	maxConnections          int
	idleTimeout             time.Duration
	security                security
	hasSecurity             bool
	transport               tlsconf.Server
	ignored                 struct {
		backlog, linger        int
		resolve, sendKeepalive bool
		heartbeat, blocking    time.Duration
	}

	tally   *tally
	counts  *forwardCounts
	rejects *rejects
}

// NewForward makes a forward source.
func NewForward(env plugin.Env) plugin.Input {
	t := newTally(env)
	return &inForward{env: env, tally: t, rejects: newRejects(t)}
}

func (in *inForward) Params(p *param.Set) {
	p.Int("port", &in.port, 24224, "Port to listen on, TCP for events and UDP for heartbeats.")
	p.String("bind", &in.bind, "0.0.0.0", "Address to listen on.")
	p.Size("chunk_size_limit", &in.chunkLimit, 0, "Largest message; larger ones are dropped with a warning. 0 is the limit of 256m.")
	p.Size("chunk_size_warn_limit", &in.chunkWarn, 0, "Warn about messages that are larger; 0 is never.")
	p.Bool("skip_invalid_event", &in.skipInvalid, true, "Take the other events of a message that holds invalid ones; without it the whole message is dropped.")
	p.String("tag", &in.tag, "", "Give every event this tag.")
	p.String("add_tag_prefix", &in.tagPrefix, "", "Put this and a dot before every tag.")
	p.String("source_address_key", &in.addressKey, "", "Field that gets the sender's address.")
	p.String("source_hostname_key", &in.hostnameKey, "", "Field that gets the sender's host name.")
	p.Bool("deny_keepalive", &in.denyKeepalive, false, "Close the connection after each message.")
	p.Int("max_connections", &in.maxConnections, 4096, "Connections open at one time; more wait to be accepted.")
	p.Time("idle_timeout", &in.idleTimeout, 0, "Close connections that are silent for so long; 0 is never.")
	p.Int("backlog", &in.ignored.backlog, 0, "Accepted; the system's own limit holds.")
	p.Int("linger_timeout", &in.ignored.linger, 0, "Accepted; connections are closed in order.")
	p.Bool("resolve_hostname", &in.ignored.resolve, false, "Look up the sender's host name; on when source_hostname_key is set.")
	p.Bool("send_keepalive_packet", &in.ignored.sendKeepalive, false, "Accepted; TCP keep-alive is always on.")
	p.Time("blocking_timeout", &in.ignored.blocking, 500*time.Millisecond, "Accepted; nothing here blocks in turns.")
	param.Section(p, "security", &in.security, securityParams, "Who may send.").Present(&in.hasSecurity)
	in.transport.SubjectParam(p)
	in.transport.Section(p)
}

// Check holds the rules between parameters.
func (in *inForward) Check() error {
	if in.port < 0 || in.port > 65535 {
		return param.Errorf("port", "", "%d is no port: it must be 0 to 65535", in.port)
	}
	if in.hasSecurity {
		if err := in.security.check(); err != nil {
			return err
		}
	}
	return in.transport.Check()
}

// Status is the source's snapshot.
func (in *inForward) Status() status.Plugin { return in.tally.status() }

// Address is where the source listens.
func (in *inForward) Address() string { return net.JoinHostPort(in.bind, strconv.Itoa(in.port)) }

// Start opens the certificates.
func (in *inForward) Start(context.Context) error {
	in.counts = newForwardCounts(in.env)
	if in.chunkLimit <= 0 {
		in.chunkLimit = defaultChunkLimit
	}
	in.rejects.open()
	return in.transport.Open(in.env.Log, in.env.Metrics)
}

// defaultChunkLimit bounds the memory that one message may take.
const defaultChunkLimit = 256 << 20

// Run accepts connections until ctx ends; messages that were read are emitted
// before it returns.
func (in *inForward) Run(ctx context.Context, e plugin.Emitter) error {
	tcp, err := listen(ctx, in.Address())
	if err != nil {
		return err
	}
	var lc net.ListenConfig
	udp, err := lc.ListenPacket(ctx, "udp", tcp.Addr().String())
	if err != nil {
		return errors.Join(fmt.Errorf("listen for heartbeats on %s: %w", tcp.Addr(), err), tcp.Close())
	}
	var wg sync.WaitGroup
	wg.Go(func() { answerHeartbeats(udp) })
	err = withWatch(ctx, in.transport.Watch, func(ctx context.Context) error {
		ln := in.transport.Listen(limitConnections(tcp, in.maxConnections))
		return acceptAll(ctx, ln, in.env.Log, func(ctx context.Context, conn net.Conn) { in.serve(ctx, conn, certify(&in.transport, conn, e)) })
	})
	_ = udp.Close()
	wg.Wait()
	return err
}

// answerHeartbeats sends a byte back for each packet, as Fluentd does.
func answerHeartbeats(udp net.PacketConn) {
	var packet [128]byte
	for {
		_, from, err := udp.ReadFrom(packet[:])
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			_, _ = udp.WriteTo([]byte{0}, from)
		}
	}
}
