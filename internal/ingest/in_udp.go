package ingest

import (
	"context"
	"net"
	"strconv"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
	"github.com/sluicelog/sluice/internal/status"
)

// inUDP is `source @type udp`: each datagram is one message, read by <parse>.
type inUDP struct {
	texts
	tag     string
	port    int
	bind    string
	limit   int64
	chomp   bool
	receive int64
	parser  plugin.Parser
	extract plugin.Extract
	reader  *packets
}

// NewUDP makes a udp source.
func NewUDP(env plugin.Env) plugin.Input { return &inUDP{texts: newTexts(env)} }

func (in *inUDP) Params(p *param.Set) {
	p.String("tag", &in.tag, "", "Tag of the events.").Required()
	p.Port("port", &in.port, 5160, "Port to listen on.")
	p.String("bind", &in.bind, "0.0.0.0", "Address to listen on.")
	p.Size("message_length_limit", &in.limit, 4096, "Bytes of a datagram that are read; the rest is cut off.").Alias("body_size_limit")
	p.Bool("remove_newline", &in.chomp, true, "Take a line break off the end of each message.")
	p.Size("receive_buffer_size", &in.receive, 0, "Memory that the kernel may fill with datagrams which wait for us; the system's default without it.")
	in.senderParams(p)
	p.Ignore("backlog", "there are no connections")
	param.Plugin(p, "parse", &in.parser, "", in.env.Parser, "How messages are read.").Required()
	in.extract.Params(p)
}

// Check holds the rules between parameters.
func (in *inUDP) Check() error {
	if err := checkLimit(in.limit); err != nil {
		return err
	}
	in.take = in.parse
	return nil
}

// Status is the source's snapshot.
func (in *inUDP) Status() status.Plugin { return in.tally.status() }

// Start finds <label @ERROR>.
func (in *inUDP) Start(context.Context) error { in.rejects.open(); return nil }

// Listen opens the port.
func (in *inUDP) Listen(ctx context.Context) (err error) {
	in.reader = in.packets()
	in.reader.conn, err = in.reader.listen(ctx)
	return err
}

// Run reads datagrams until ctx ends.
func (in *inUDP) Run(ctx context.Context, e plugin.Emitter) error {
	return in.reader.serveOn(ctx, in.reader.conn, e)
}

func (in *inUDP) packets() *packets {
	return &packets{
		texts: &in.texts, address: net.JoinHostPort(in.bind, strconv.Itoa(in.port)),
		limit: int(in.limit), chomp: in.chomp, receive: int(in.receive),
	}
}

// parse takes one message.
func (in *inUDP) parse(b *bundle, text []byte, from sender) error {
	return parseInto(b, in.parser, text, func(e *event.Event) (string, error) {
		tag, err := extracted(&in.extract, in.tag, e)
		in.mark(e.Record, from)
		return tag, err
	})
}
