package ingest

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
	"github.com/sluicelog/sluice/internal/tlsconf"
)

// inPrometheus is `source @type prometheus`: the relay's numbers for Prometheus, at
// the address of fluent-plugin-prometheus. The admin API serves the same.
type inPrometheus struct {
	env        plugin.Env
	bind       string
	port       int
	path       string
	aggregated string
	encoding   string
	ssl        oldSSL
	hasSSL     bool
	transport  tlsconf.Server
	ln         net.Listener
}

// oldSSL is <ssl>, which was there before <transport tls>.
type oldSSL struct{ enable bool }

// NewPrometheus makes a prometheus source.
func NewPrometheus(env plugin.Env) plugin.Input { return &inPrometheus{env: env} }

func (in *inPrometheus) Params(p *param.Set) {
	p.String("bind", &in.bind, "127.0.0.1", "Address to listen on.")
	p.Port("port", &in.port, 24231, "Port to listen on.")
	p.String("metrics_path", &in.path, "/metrics", "Path of the numbers.")
	p.String("aggregated_metrics_path", &in.aggregated, "/aggregated_metrics", "Path of the numbers of all workers, which are one here.")
	p.String("content_encoding", &in.encoding, "identity", "Accepted; the answer is packed when the client asks for it.").Enum("identity", "gzip")
	param.Section(p, "ssl", &in.ssl, func(p *param.Set, s *oldSSL) {
		p.Bool("enable", &s.enable, false, "Encrypt.")
		for _, name := range []string{"certificate_path", "private_key_path", "private_key_passphrase", "ca_path", "extra_conf"} {
			p.Ignore(name, "write <transport tls>")
		}
	}, "Encryption, in old words.").Present(&in.hasSSL)
	in.transport.Section(p)
}

// Check holds the rules between parameters.
func (in *inPrometheus) Check() error {
	if in.ssl.enable {
		return param.Errorf("enable", "write <transport tls> with cert_path and private_key_path", "<ssl> is not supported")
	}
	return in.transport.Check()
}

// Address is where the source listens.
func (in *inPrometheus) Address() string { return net.JoinHostPort(in.bind, strconv.Itoa(in.port)) }

// Start opens the certificates.
func (in *inPrometheus) Start(context.Context) error {
	return in.transport.Open(in.env.Log, in.env.Metrics)
}

// Listen opens the port.
func (in *inPrometheus) Listen(ctx context.Context) (err error) {
	in.ln, err = in.env.Sockets.Listen(ctx, "tcp", in.Address(), 0)
	return err
}

// Run serves until ctx ends.
func (in *inPrometheus) Run(ctx context.Context, _ plugin.Emitter) error {
	r := chi.NewRouter()
	numbers := in.env.Metrics.Handler()
	r.Method(http.MethodGet, in.path, numbers)
	if in.aggregated != in.path {
		r.Method(http.MethodGet, in.aggregated, numbers)
	}
	return serve(ctx, smallServer(r, in.env.Log), in.transport.Listen(limitConnections(in.ln, smallLimit)), new(leaving), in.transport.Watch)
}

// smallLimit is how many connections a server for operators needs at most.
const smallLimit = 64

// smallServer serves operators: few requests without bodies.
func smallServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
