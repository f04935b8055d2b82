package ingest

import (
	"context"
	"net"
	"strconv"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
	"github.com/sluicelog/sluice/internal/status"
	"github.com/sluicelog/sluice/internal/tlsconf"
)

// inTCP is `source @type tcp`: messages that end in a delimiter, each read by
// <parse>. The sender is not told what became of them; while a buffer is full
// nothing more is read from its socket.
type inTCP struct {
	texts
	tag            string
	port           int
	bind           string
	delimiter      string
	limit          int64
	maxConnections int
	parser         plugin.Parser
	extract        plugin.Extract
	allow          networks
	transport      tlsconf.Server
	backlog        int
	ln             net.Listener
}

// NewTCP makes a tcp source.
func NewTCP(env plugin.Env) plugin.Input { return &inTCP{texts: newTexts(env)} }

// defaultMessageLimit bounds a message where the configuration does not: a sender
// that forgets the delimiter must not fill the memory.
const defaultMessageLimit = 32 << 20

func (in *inTCP) Params(p *param.Set) {
	p.String("tag", &in.tag, "", "Tag of the events.").Required()
	p.Port("port", &in.port, 5170, "Port to listen on.")
	p.String("bind", &in.bind, "0.0.0.0", "Address to listen on.")
	p.String("delimiter", &in.delimiter, "\n", "What a message ends in.")
	p.Size("message_length_limit", &in.limit, defaultMessageLimit, "Longest message; longer ones are dropped and counted.")
	p.Int("max_connections", &in.maxConnections, 4096, "Connections open at one time; more wait to be accepted.")
	in.senderParams(p)
	p.Int("backlog", &in.backlog, 0, backlogDoc)
	param.Plugin(p, "parse", &in.parser, "", in.env.Parser, "How messages are read.").Required()
	in.extract.Params(p)
	in.allow.params(p)
	in.transport.SubjectParam(p)
	in.transport.Section(p)
}

// Check holds the rules between parameters.
func (in *inTCP) Check() error {
	if err := checkFraming(in.delimiter, in.limit); err != nil {
		return err
	}
	in.take = in.parse
	return in.transport.Check()
}

// Status is the source's snapshot.
func (in *inTCP) Status() status.Plugin { return in.tally.status() }

// Address is where the source listens.
func (in *inTCP) Address() string { return net.JoinHostPort(in.bind, strconv.Itoa(in.port)) }

// Start opens the certificates.
func (in *inTCP) Start(context.Context) error {
	in.rejects.open()
	return in.transport.Open(in.env.Log, in.env.Metrics)
}

// Listen opens the port.
func (in *inTCP) Listen(ctx context.Context) (err error) {
	in.ln, err = in.env.Sockets.Listen(ctx, "tcp", in.Address(), in.backlog)
	return err
}

// Run accepts connections until ctx ends.
func (in *inTCP) Run(ctx context.Context, e plugin.Emitter) error { return in.serveOn(ctx, in.ln, e) }

func (in *inTCP) serveOn(ctx context.Context, ln net.Listener, e plugin.Emitter) error {
	return withWatch(ctx, in.transport.Watch, func(ctx context.Context) error {
		ln := in.transport.Listen(limitConnections(ln, in.maxConnections))
		return acceptAll(ctx, ln, in.env.Log, func(ctx context.Context, conn net.Conn) {
			if !in.allow.takes(conn.RemoteAddr()) {
				in.tally.refuse("network")
				in.rejects.calm.warn(in.env.Log, "anonymous client denied", "address", conn.RemoteAddr().String())
				return
			}
			in.serve(ctx, conn, certify(&in.transport, conn, e), newSplitter(nil, in.delimiter, in.limit))
		})
	})
}

// parse takes one message.
func (in *inTCP) parse(b *bundle, text []byte, from sender) error {
	return parseInto(b, in.parser, text, func(e *event.Event) (string, error) {
		tag, err := extracted(&in.extract, in.tag, e)
		in.mark(e.Record, from)
		return tag, err
	})
}

// parseInto adds the events of a text. When one of them can not be taken none is.
func parseInto(b *bundle, p plugin.Parser, text []byte, finish func(*event.Event) (tag string, err error)) error {
	var own bundle
	err := p.Parse(text, func(e event.Event) error {
		tag, err := finish(&e)
		if err == nil {
			own.add(tag, e)
		}
		return err
	})
	if err != nil {
		return err
	}
	if own.empty() {
		return &rejectedError{words: "pattern not matched"}
	}
	for _, part := range own.parts {
		for _, e := range part.events {
			b.add(part.tag, e)
		}
	}
	return nil
}

// extracted is the tag and, where the parser gave none, the time of an event, out of
// its record or else tag and now.
func extracted(x *plugin.Extract, tag string, e *event.Event) (string, error) {
	if own, ok := x.Tag(e.Record); ok {
		tag = own
	}
	if !e.Time.IsNone() {
		return tag, nil
	}
	t, ok, err := x.Time(e.Record)
	if !ok {
		t = event.Now()
	}
	e.Time = t
	return tag, err
}
