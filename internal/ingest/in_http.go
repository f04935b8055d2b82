// Package ingest holds the sources: what takes events in, one file a plugin,
// named as in Fluentd.
package ingest

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
	"github.com/sluicelog/sluice/internal/status"
	"github.com/sluicelog/sluice/internal/tlsconf"
)

// inHTTP is `source @type http`: a POST's path is the tag, its body the events.
// It answers 200 when they are on disk. What it can not take it refuses with 400
// and takes nothing of the request; see docs/differences.md for what Fluentd
// does with such bodies.
type inHTTP struct {
	env plugin.Env

	port                int
	bind                string
	bodyLimit, unzipped int64
	unzippedSet         bool // decompression_size_limit is written
	memoryLimit         int64
	memoryWait          time.Duration
	minRate             int64
	answerTimeout       time.Duration
	http2               bool
	keepalive           time.Duration
	headerTimeout       time.Duration
	bodyTimeout         time.Duration
	blockingTimeout     time.Duration
	backlog             int
	maxConnections      int
	headers, remote     bool
	queries             bool
	tagPrefix           string
	cors                corsRules
	emptyImage, use204  bool
	dumpErrors          bool
	malformed           string
	format              string
	transport           tlsconf.Server
	auth                auths
	rates               rates
	parser              plugin.Parser
	decode              decoder
	memory              *memory
	door                *door
	ln                  net.Listener
	leaving             leaving
	streams             atomic.Int64 // requests of HTTP/2 under way
	tally               *tally
	counts              *httpCounts
}

// NewHTTP makes an http source.
func NewHTTP(env plugin.Env) plugin.Input { return &inHTTP{env: env, tally: newTally(env)} }

func (in *inHTTP) Params(p *param.Set) {
	p.Port("port", &in.port, 9880, "Port to listen on.")
	p.String("bind", &in.bind, "0.0.0.0", "Address to listen on.")
	p.Size("body_size_limit", &in.bodyLimit, 32<<20, "Largest body, as sent.")
	p.Size("decompression_size_limit", &in.unzipped, 256<<20, "Largest body after unpacking gzip or deflate. Unless it is written here, it is no more than request_memory_limit.").Present(&in.unzippedSet)
	p.Size("request_memory_limit", &in.memoryLimit, 40<<20, "Memory for all requests under way: what they sent, unpacked, and the records made of it. A larger limit on bodies raises it.")
	p.Time("request_memory_wait", &in.memoryWait, 5*time.Second, "How long a request waits for its memory before it is answered 503.")
	p.Time("keepalive_timeout", &in.keepalive, 10*time.Second, "How long an idle connection stays open.")
	p.Time("header_timeout", &in.headerTimeout, 10*time.Second, "How long a client may take to send a request's head.")
	p.Time("body_timeout", &in.bodyTimeout, 60*time.Second, "How long a client may take to send a request's body.")
	p.Size("min_body_rate", &in.minRate, 500, "Bytes per second that a client must send of a body, once header_timeout is over; 0 is any.")
	p.Time("answer_timeout", &in.answerTimeout, 10*time.Second, "How long a client may take to receive its answer.")
	p.Bool("http2", &in.http2, true, "Serve HTTP/2 to clients that ask for it.")
	p.Time("blocking_timeout", &in.blockingTimeout, 500*time.Millisecond, "Accepted; nothing here blocks in turns.")
	p.Int("backlog", &in.backlog, 0, backlogDoc)
	p.Int("max_connections", &in.maxConnections, 4096, "Connections open at one time. A further one takes the place of the oldest that has sent no request, else it waits.")
	p.Bool("add_http_headers", &in.headers, false, "Add the request's headers as HTTP_* fields.")
	p.Bool("add_remote_addr", &in.remote, false, "Add the client's address as REMOTE_ADDR.")
	p.Bool("add_query_params", &in.queries, false, "Add the query's parameters as QUERY_* fields.")
	p.String("add_tag_prefix", &in.tagPrefix, "", "Put this and a dot before every tag.")
	p.Strings("cors_allow_origins", &in.cors.origins, nil, "Origins that may post from a browser.")
	p.Bool("cors_allow_credentials", &in.cors.credentials, false, "Allow browsers to send credentials.")
	p.Bool("respond_with_empty_img", &in.emptyImage, false, "Answer with an empty GIF.")
	p.Bool("use_204_response", &in.use204, false, "Answer 204 instead of 200.")
	p.Bool("dump_error_log", &in.dumpErrors, true, "Log requests that fail.")
	p.String("malformed", &in.malformed, "reject", "What to do with a body that can not be taken: reject answers 400, accept answers 200 and loses it, as Fluentd does.").Enum("reject", "accept")
	p.String("format", &in.format, "default", "Format of the body, from before <parse> sections; default goes by content type.").Deprecated("write a <parse> section with this @type")
	p.Float("rate_limit", &in.rates.perSecond, 0, "Requests per second of one client: by its certificate, else its <auth> section, else its address. More are answered 429. 0 is any number.")
	p.Int("rate_limit_burst", &in.rates.burst, 0, "Requests that a client may send at once before rate_limit counts; 0 is those of one second.")
	param.Sections(p, "auth", &in.auth.rules, func(p *param.Set, a *authRule) { a.params(p) },
		"A client that shows a secret. With such sections nobody else may send, but who shows a certificate that client_cert_auth asks for.")
	in.transport.SubjectParam(p)
	in.transport.Section(p)
	param.Plugin(p, "parse", &in.parser, inHTTPType, in.parserOf, "How bodies are read: with a @type by that parser, whatever their content type says; without one by content type.")
}

// Check holds the rules between parameters.
func (in *inHTTP) Check() error {
	if in.cors.credentials && in.cors.any() {
		return param.Errorf("cors_allow_credentials", "list the origins instead of *", "Cannot enable cors_allow_credentials without specific origins") //nolint:staticcheck // Fluentd's own words
	}
	if in.rates.perSecond < 0 {
		return param.Errorf("rate_limit", "0 is no limit", "%g is no rate", in.rates.perSecond)
	}
	if err := in.auth.check(); err != nil {
		return err
	}
	return in.transport.Check()
}

// Status is the source's snapshot.
func (in *inHTTP) Status() status.Plugin { return in.tally.status() }

// Address is where the source listens, "0.0.0.0:9880".
func (in *inHTTP) Address() string { return net.JoinHostPort(in.bind, strconv.Itoa(in.port)) }

// Start prepares what Run serves with, and opens the certificates: a key that
// does not fit is refused before anything listens.
func (in *inHTTP) Start(ctx context.Context) error {
	in.fitMemory()
	in.counts = newHTTPCounts(in.env, in.tally)
	in.decode = newDecoder(in)
	if err := in.openAuth(); err != nil {
		return err
	}
	if in.http2 {
		in.transport.Protocols = []string{"h2", "http/1.1"}
	}
	return in.transport.Open(in.env.Log, in.env.Metrics)
}

func (in *inHTTP) openAuth() error {
	if len(in.auth.rules) == 0 {
		return nil
	}
	if !in.transport.TLS() {
		in.env.Log.Warn("<auth> without <transport tls>: everybody on the way can read the secrets")
	}
	in.transport.ClientsOptional = true
	return in.auth.open(in.env.Log)
}

// fitMemory makes room for the largest body that was asked for.
func (in *inHTTP) fitMemory() {
	total := max(in.memoryLimit, in.bodyLimit)
	if in.unzippedSet {
		total = max(total, in.unzipped)
	}
	in.unzipped = min(in.unzipped, total)
	in.memory = newMemory(total, in.memoryWait)
}

// Listen opens the port.
func (in *inHTTP) Listen(ctx context.Context) (err error) {
	in.ln, err = in.listen(ctx)
	return err
}

// Run serves until ctx ends, then answers what is in flight.
func (in *inHTTP) Run(ctx context.Context, e plugin.Emitter) error { return in.serveOn(ctx, in.ln, e) }

func (in *inHTTP) serveOn(ctx context.Context, ln net.Listener, e plugin.Emitter) error {
	srv := &http.Server{
		Protocols:         in.protocols(),
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxStreams, MaxReceiveBufferPerConnection: 128 << 10, MaxReceiveBufferPerStream: 64 << 10},
		Handler:           in.routes(e),
		IdleTimeout:       in.keepalive,
		ReadHeaderTimeout: in.headerTimeout,
		ReadTimeout:       in.readTimeout(),
		// OPTIONS * is ours to answer too.
		DisableGeneralOptionsHandler: true,
		MaxHeaderBytes:               maxHead,
		ErrorLog:                     slog.NewLogLogger(in.env.Log.Handler(), slog.LevelDebug),
		// A request outlives the signal that stops the source: it is answered.
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
		ConnContext: rememberConn,
		ConnState:   in.counts.connState,
	}
	return serve(ctx, srv, ln, &in.leaving, in.transport.Watch)
}

// routes is a chain without a router behind it: the raw path is the tag, so every
// target of every method has the same handler, and a router would only copy the
// request to note what it matched.
func (in *inHTTP) routes(e plugin.Emitter) http.Handler {
	h := &httpHandler{in: in, emit: e}
	return chi.Chain(noteHead, in.boundStreams, in.counts.middleware, in.leaving.lasting, in.admit, in.crossOrigin, refuseGet).HandlerFunc(h.post)
}

func (in *inHTTP) listen(ctx context.Context) (net.Listener, error) {
	ln, err := in.env.Sockets.Listen(ctx, "tcp", in.Address(), in.backlog)
	if err != nil {
		return nil, err
	}
	in.door = newDoor(in.maxConnections, func() { in.counts.refused(0, "crowded out") })
	return &watched{
		Listener: in.transport.Listen(ln), door: in.door, memory: in.memory, keepsHead: in.headers, patience: in.answerTimeout,
		refused: func(reason string) { in.counts.refused(0, reason) },
	}, nil
}

// readTimeout bounds what is read of a request beside its body's own clock, such as
// the body of one that was refused.
func (in *inHTTP) readTimeout() time.Duration {
	if in.headerTimeout <= 0 || in.bodyTimeout <= 0 {
		return 0
	}
	return in.headerTimeout + in.bodyTimeout
}

// protocols: net/http knows HTTP/2 by its first bytes, since it does not see TLS.
func (in *inHTTP) protocols() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetUnencryptedHTTP2(in.http2)
	return p
}
