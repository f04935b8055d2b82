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
	unpackedLimit           int64
	memoryLimit             int64
	skipInvalid             bool
	tag, tagPrefix          string
	addressKey, hostnameKey string
	denyKeepalive           bool
	socket                  socketOptions
	resolve, resolveSet     bool
	maxConnections          int
	idleTimeout             time.Duration
	messageTimeout          time.Duration
	security                security
	hasSecurity             bool
	transport               tlsconf.Server
	backlog                 int

	tcp     net.Listener
	udp     net.PacketConn // heartbeats
	memory  *messageMemory
	names   names
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
	p.Port("port", &in.port, 24224, "Port to listen on, TCP for events and UDP for heartbeats.")
	p.String("bind", &in.bind, "0.0.0.0", "Address to listen on.")
	p.Size("chunk_size_limit", &in.chunkLimit, 0, "Largest message, as sent; larger ones are dropped with a warning. 0 is the limit of 512m.")
	p.Size("chunk_size_warn_limit", &in.chunkWarn, 0, "Warn about messages that are larger; 0 is never.")
	p.Bool("skip_invalid_event", &in.skipInvalid, true, "Take the other events of a message that holds invalid ones; without it the whole message is dropped.")
	p.String("tag", &in.tag, "", "Give every event this tag.")
	p.String("add_tag_prefix", &in.tagPrefix, "", "Put this and a dot before every tag.")
	p.String("source_address_key", &in.addressKey, "", "Field that gets the sender's address.")
	p.String("source_hostname_key", &in.hostnameKey, "", "Field that gets the sender's host name.")
	p.Bool("deny_keepalive", &in.denyKeepalive, false, "Close the connection after each message.")
	p.Int("max_connections", &in.maxConnections, 4096, "Connections open at one time. When there are so many, the one that has been silent longest since it came makes room; when all have sent something, more wait.")
	p.Time("idle_timeout", &in.idleTimeout, 0, "Close connections that are silent for so long; 0 is never.")
	p.Time("message_timeout", &in.messageTimeout, 5*time.Minute, "Close connections that begin a message and do not end it; time begins again each time what is there has doubled.")
	p.Size("decompression_size_limit", &in.unpackedLimit, 2<<30, "Largest compressed message after unpacking.")
	p.Size("message_memory_limit", &in.memoryLimit, 32<<20, "Memory for the messages of all connections; one larger message at a time is taken alone.")
	p.Int("backlog", &in.backlog, 0, backlogDoc)
	p.Bool("resolve_hostname", &in.resolve, false, "Name senders in the log by their host names; it is on when source_hostname_key is set.").Present(&in.resolveSet)
	in.socket.params(p)
	p.Ignore("blocking_timeout", "nothing here blocks in turns")
	p.Ignore("heartbeat_interval", "a source has no heartbeat of its own")
	param.Section(p, "security", &in.security, securityParams, "Who may send.").Present(&in.hasSecurity)
	in.transport.SubjectParam(p)
	in.transport.Section(p)
}

// Check holds the rules between parameters.
func (in *inForward) Check() error {
	if in.messageTimeout <= 0 {
		return param.Errorf("message_timeout", "leave the line out for 5 minutes", "a message that takes no time can not be read")
	}
	if in.hostnameKey != "" && in.resolveSet && !in.resolve {
		return param.Errorf("resolve_hostname", "leave the line out", "resolve_hostname must be true with source_hostname_key")
	}
	if err := in.socket.check(in.denyKeepalive); err != nil {
		return err
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
	in.memory = newMessageMemory(in.memoryLimit)
	in.rejects.open()
	return in.transport.Open(in.env.Log, in.env.Metrics)
}

// defaultChunkLimit bounds the memory that one message may take. A chunk of a file
// buffer may be 256 MiB long, and the message around it is longer.
const defaultChunkLimit = 512 << 20

// Listen opens the port for messages, and the same one of UDP for heartbeats.
func (in *inForward) Listen(ctx context.Context) (err error) {
	if in.tcp, err = in.env.Sockets.Listen(ctx, "tcp", in.Address(), in.backlog); err != nil {
		return err
	}
	udp, err := in.env.Sockets.ListenPacket(ctx, in.tcp.Addr().String())
	if err != nil {
		return errors.Join(fmt.Errorf("heartbeats: %w", err), in.tcp.Close())
	}
	in.udp = udp
	return nil
}

// Run accepts connections until ctx ends; messages that were read are emitted
// before it returns.
func (in *inForward) Run(ctx context.Context, e plugin.Emitter) error {
	return in.serveAll(ctx, in.tcp, in.udp, e)
}

func (in *inForward) serveAll(ctx context.Context, tcp net.Listener, udp net.PacketConn, e plugin.Emitter) error {
	var wg sync.WaitGroup
	wg.Go(func() { answerHeartbeats(ctx, udp) })
	err := withWatch(ctx, in.transport.Watch, func(ctx context.Context) error {
		ln := in.transport.Listen(&forwardDoor{tcp, newDoor(in.maxConnections, func() { in.counts.refuse("crowded out") })})
		return acceptAll(ctx, ln, in.env.Log, func(ctx context.Context, conn net.Conn) { in.serve(ctx, conn, certify(&in.transport, conn, e)) })
	})
	_ = udp.Close()
	wg.Wait()
	return err
}

// senderOf is who sits at the other end.
func (in *inForward) senderOf(addr net.Addr) sender {
	host, _, err := net.SplitHostPort(addr.String())
	if err != nil {
		host = addr.String()
	}
	s := sender{address: host}
	if in.hostnameKey != "" || in.resolve {
		s.hostname = in.names.of(host)
	}
	return s
}

// answerHeartbeats sends a byte back for each packet, as Fluentd does.
func answerHeartbeats(ctx context.Context, udp net.PacketConn) {
	var packet [128]byte
	for {
		_, from, err := udp.ReadFrom(packet[:])
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err == nil:
			_, _ = udp.WriteTo([]byte{0}, from)
		case pause(ctx, 50*time.Millisecond) != nil:
			return
		}
	}
}
