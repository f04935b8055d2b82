package ingest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"

	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
	"github.com/sluicelog/sluice/internal/status"
	"github.com/sluicelog/sluice/internal/tlsconf"
)

// inSyslog is `source @type syslog`: lines with a priority, by UDP, TCP or TLS. The
// tag is that of the configuration, the facility and the severity:
// system.local0.info.
type inSyslog struct {
	texts
	tag            string
	port           int
	bind           string
	protocol       string
	includeHost    bool
	sourceHost     string
	severityKey    string
	facilityKey    string
	limit          int64
	frame          string
	delimiter      string
	unmatched      bool
	maxConnections int
	receive        int64
	parseNodes     []*conf.Node
	transport      tlsconf.Server
	backlog        int

	parser      plugin.Parser
	hasPriority bool // the parser reads the priority itself
	ln          net.Listener
	reader      *packets // in place of ln, for UDP
}

// NewSyslog makes a syslog source.
func NewSyslog(env plugin.Env) plugin.Input { return &inSyslog{texts: newTexts(env)} }

func (in *inSyslog) Params(p *param.Set) {
	p.String("tag", &in.tag, "", "First part of the tag; facility and severity follow.").Required()
	p.Port("port", &in.port, 5140, "Port to listen on.")
	p.String("bind", &in.bind, "0.0.0.0", "Address to listen on.")
	p.String("protocol_type", &in.protocol, "", "udp or tcp.").Enum("udp", "tcp").Deprecated("write <transport tcp>")
	p.Bool("include_source_host", &in.includeHost, false, "Add the sender's address.").Deprecated("write source_address_key source_host")
	p.String("source_host_key", &in.sourceHost, "source_host", "Field for include_source_host.")
	p.String("severity_key", &in.severityKey, "", "Field that gets the severity.").Alias("priority_key")
	p.String("facility_key", &in.facilityKey, "", "Field that gets the facility.")
	p.Size("message_length_limit", &in.limit, 2048, "Longest message; longer datagrams are cut, longer lines dropped and counted.")
	p.String("frame_type", &in.frame, "traditional", "How lines are told apart on TCP: traditional by a delimiter, octet_count by their length in front.").
		Enum("traditional", "octet_count")
	p.String("delimiter", &in.delimiter, "\n", "What a line ends in.")
	p.Bool("emit_unmatched_lines", &in.unmatched, false, "Send lines that can not be read on, tagged TAG.unmatched.")
	p.Int("backlog", &in.backlog, 0, backlogDoc)
	p.Int("max_connections", &in.maxConnections, 4096, "Connections open at one time; more wait to be accepted.")
	p.Size("receive_buffer_size", &in.receive, 0, "Memory that the kernel may fill with datagrams which wait for us; the system's default without it.")
	p.String("source_address_key", &in.addressKey, "", "Field that gets the sender's address.")
	p.String("source_hostname_key", &in.hostnameKey, "", "Field that gets the sender's host name.")
	p.Ignore("resolve_hostname", "it is on when source_hostname_key is set")
	p.Ignore("blocking_timeout", "nothing here blocks in turns")
	p.Ignore("send_keepalive_packet", "TCP keep-alive is always on")
	p.Nodes("parse", &in.parseNodes, "How lines are read: a parser, syslog when it is not set.")
	in.transport.SubjectParam(p)
	in.transport.Section(p)
}

// Check builds the parser and holds the rules between parameters.
func (in *inSyslog) Check() error {
	if err := checkFraming(in.delimiter, in.limit); err != nil {
		return err
	}
	switch {
	case in.includeHost && in.addressKey != "":
		return param.Errorf("include_source_host", "leave it out", "specify either source_address_key or include_source_host")
	case in.includeHost:
		in.addressKey = in.sourceHost
	}
	if in.protocol == "" {
		in.protocol = in.transportKind()
	}
	in.take = in.parse
	return errors.Join(in.makeParser(), in.transport.Check())
}

// transportKind is udp unless <transport> is there and says otherwise.
func (in *inSyslog) transportKind() string {
	if in.env.Node != nil {
		for _, child := range in.env.Node.Children {
			if child.Name == "transport" {
				return in.transport.Kind
			}
		}
	}
	return "udp"
}

// makeParser makes the parser of <parse>. The syslog parser is told to expect the
// priority, which stands in front of every line that comes here.
func (in *inSyslog) makeParser() error {
	n := &conf.Node{Name: "parse", Pos: in.env.Node.Pos}
	if len(in.parseNodes) > 0 {
		last := *in.parseNodes[len(in.parseNodes)-1]
		n = &last
	}
	typ := n.Text("@type")
	if typ == "" {
		typ = "syslog"
	}
	if _, said := n.Get("with_priority"); typ == "syslog" && !said {
		n.Params = append(slices.Clone(n.Params), conf.Param{Name: "with_priority", Value: conf.Value{Text: "true"}, Pos: n.Pos, At: n.Pos})
	}
	yes, err := conf.ParseBool(n.Text("with_priority"))
	in.hasPriority = typ == "syslog" && err == nil && yes
	if in.parser, err = in.env.Parser(typ); err != nil {
		return err
	}
	problems := &conf.Problems{}
	param.DecodePlugin(n, fmt.Sprintf("%s <parse> (%s)", in.env.Node.Title(), typ), problems, in.parser)
	for _, w := range problems.Warnings {
		in.env.Log.Warn(w.Error())
	}
	return problems.Err()
}

// Status is the source's snapshot.
func (in *inSyslog) Status() status.Plugin { return in.tally.status() }

// Start opens the certificates.
func (in *inSyslog) Start(context.Context) error {
	in.rejects.open()
	return in.transport.Open(in.env.Log, in.env.Metrics)
}

// Listen opens the port.
func (in *inSyslog) Listen(ctx context.Context) (err error) {
	if in.protocol == "udp" {
		in.reader = in.packets()
		in.reader.conn, err = in.reader.listen(ctx)
		return err
	}
	in.ln, err = in.env.Sockets.Listen(ctx, "tcp", in.address(), in.backlog)
	return err
}

// Run takes lines until ctx ends.
func (in *inSyslog) Run(ctx context.Context, e plugin.Emitter) error {
	if in.reader != nil {
		return in.reader.serveOn(ctx, in.reader.conn, e)
	}
	return in.serveOn(ctx, in.ln, e)
}

func (in *inSyslog) address() string { return net.JoinHostPort(in.bind, strconv.Itoa(in.port)) }

func (in *inSyslog) packets() *packets {
	return &packets{texts: &in.texts, address: in.address(), limit: int(in.limit), chomp: true, receive: int(in.receive)}
}

func (in *inSyslog) serveOn(ctx context.Context, ln net.Listener, e plugin.Emitter) error {
	return withWatch(ctx, in.transport.Watch, func(ctx context.Context) error {
		ln := in.transport.Listen(limitConnections(ln, in.maxConnections))
		return acceptAll(ctx, ln, in.env.Log, func(ctx context.Context, conn net.Conn) {
			s := newSplitter(nil, in.delimiter, in.limit)
			s.counted = in.frame == "octet_count"
			in.serve(ctx, conn, certify(&in.transport, conn, e), s)
		})
	})
}

// The names of RFC 5424, section 6.2.1, as Fluentd writes them.
var (
	facilities = []string{
		"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
		"ntp", "audit", "alert", "at", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
	}
	severities = []string{"emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"}
)

// parse takes one line.
func (in *inSyslog) parse(b *bundle, text []byte, from sender) error {
	priority, rest := -1, text
	if !in.hasPriority {
		var ok bool
		if priority, rest, ok = cutPriority(text); !ok {
			return in.reject(b, text, from, "invalid syslog message")
		}
	}
	err := parseInto(b, in.parser, rest, func(e *event.Event) (string, error) {
		pri := priority
		if v, ok := e.Record.Delete("pri"); ok && pri < 0 {
			n, _ := v.(int64)
			pri = int(n)
		}
		if pri < 0 || pri>>3 >= len(facilities) {
			return "", errors.New("priority is out of range")
		}
		facility, severity := facilities[pri>>3], severities[pri&7]
		set := func(key, value string) {
			if key != "" {
				e.Record.Set(key, value)
			}
		}
		set(in.severityKey, severity)
		set(in.facilityKey, facility)
		in.mark(e.Record, from)
		if e.Time.IsNone() {
			e.Time = event.Now()
		}
		return in.tag + "." + facility + "." + severity, nil
	})
	if err != nil {
		return in.reject(b, rest, from, "failed to parse message")
	}
	return nil
}

// reject sends a line on as it is, where that is asked for; else it says why not.
func (in *inSyslog) reject(b *bundle, text []byte, from sender, words string) error {
	if !in.unmatched {
		return &rejectedError{words: words, tag: in.tag}
	}
	r := event.NewRecord("unmatched_line", string(text))
	in.mark(r, from)
	b.add(in.tag+".unmatched", event.Event{Time: event.Now(), Record: r})
	in.rejects.calm.warn(in.env.Log, words, "host", from.address, "bytes", len(text))
	return nil
}

// cutPriority takes <13> off the front.
func cutPriority(text []byte) (priority int, rest []byte, ok bool) {
	if len(text) < 3 || text[0] != '<' {
		return 0, nil, false
	}
	for i := 1; i < len(text) && i <= 4; i++ {
		if text[i] == '>' && i > 1 {
			return priority, text[i+1:], true
		}
		if text[i] < '0' || text[i] > '9' {
			return 0, nil, false
		}
		priority = priority*10 + int(text[i]-'0')
	}
	return 0, nil, false
}
