package ingest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/forward"
	"github.com/sluicelog/sluice/internal/metrics"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

const forwardCerts = "../../testdata/compat/certs/"

// forwardSink is where a source's events go. fail, when set, may refuse them.
type forwardSink struct {
	fail func(tag string, es event.Stream) error

	mu   sync.Mutex
	got  []string
	news chan struct{}
}

func newForwardSink() *forwardSink { return &forwardSink{news: make(chan struct{}, 1)} }

func (s *forwardSink) Emit(_ context.Context, tag string, es event.Stream) error {
	if s.fail != nil {
		if err := s.fail(tag, es); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range es {
		s.got = append(s.got, tag+string(e.Record.AppendJSON(nil)))
	}
	select {
	case s.news <- struct{}{}:
	default:
	}
	return nil
}

// Accept makes the sink a <label>.
func (s *forwardSink) Accept(tx *plugin.Tx, tag string, es event.Stream) error {
	tx.After(func(ctx context.Context) error { return s.Emit(ctx, tag, es) })
	return nil
}

func (s *forwardSink) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.got...)
}

// wait returns what came when there are n events.
func (s *forwardSink) wait(t *testing.T, n int) []string {
	t.Helper()
	late := time.After(10 * time.Second)
	for {
		if got := s.all(); len(got) >= n {
			return got
		}
		select {
		case <-s.news:
		case <-late:
			t.Fatalf("%d events came, not %d: %q", len(s.all()), n, s.all())
		}
	}
}

// forwardSource is a running source.
type forwardSource struct {
	t       *testing.T
	addr    string
	sink    *forwardSink
	errors  *forwardSink // <label @ERROR>
	metrics *metrics.Registry
	log     *syncBuffer
	stop    func()
}

// forwardOf decodes the lines of a forward source.
func forwardOf(t *testing.T, lines string, env plugin.Env) (*inForward, error) {
	t.Helper()
	tree, err := conf.Parse("t.conf", []byte("<source>\n@type forward\n"+strings.ReplaceAll(lines, "CERTS/", forwardCerts)+"\n</source>"), conf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	in := NewForward(env).(*inForward)
	problems := &conf.Problems{}
	param.DecodePlugin(tree.Children[0], "source", problems, in)
	return in, problems.Err()
}

func startForward(t *testing.T, lines string, change ...func(*forwardSource)) *forwardSource {
	t.Helper()
	s := &forwardSource{t: t, sink: newForwardSink(), errors: newForwardSink(), metrics: metrics.New(), log: new(syncBuffer)}
	for _, c := range change {
		c(s)
	}
	env := plugin.Env{
		ID: "in", Type: "forward", Metrics: s.metrics, Log: slog.New(slog.NewTextHandler(s.log, nil)),
		Label: func(name string) plugin.Acceptor {
			if name == "@ERROR" {
				return s.errors
			}
			return nil
		},
	}
	in, err := forwardOf(t, lines, env)
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = ln.Addr().String()
	udp, err := net.ListenPacket("udp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := in.serveAll(ctx, ln, udp, s.sink); err != nil {
			t.Error(err)
		}
	}()
	s.stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(s.stop)
	return s
}

// count is a metric's value; labels are values that its series must have.
func (s *forwardSource) count(name string, labels ...string) float64 {
	s.t.Helper()
	families, err := s.metrics.Gatherer().Gather()
	if err != nil {
		s.t.Fatal(err)
	}
	total := 0.0
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			text := m.String()
			fits := true
			for _, l := range labels {
				fits = fits && strings.Contains(text, `"`+l+`"`)
			}
			if fits {
				total += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return total
}

// forwardClient is a sender's end.
type forwardClient struct {
	t    *testing.T
	conn net.Conn
	d    *forward.Decoder
}

func (s *forwardSource) dial() *forwardClient {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	return clientOver(s.t, conn)
}

func clientOver(t *testing.T, conn net.Conn) *forwardClient {
	_ = conn.SetDeadline(time.Now().Add(15 * time.Second))
	t.Cleanup(func() { _ = conn.Close() })
	return &forwardClient{t: t, conn: conn, d: forward.NewDecoder(conn)}
}

func (s *forwardSource) dialTLS(pair string) *forwardClient {
	s.t.Helper()
	ca, err := os.ReadFile(forwardCerts + "ca.crt")
	if err != nil {
		s.t.Fatal(err)
	}
	c := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "localhost"}
	c.RootCAs.AppendCertsFromPEM(ca)
	if pair != "" {
		loaded, err := tls.LoadX509KeyPair(forwardCerts+pair+".crt", forwardCerts+pair+".key")
		if err != nil {
			s.t.Fatal(err)
		}
		c.Certificates = []tls.Certificate{loaded}
	}
	raw, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	return clientOver(s.t, tls.Client(raw, c))
}

// send sends values, packed; bytes go as they are.
func (c *forwardClient) send(values ...any) {
	c.t.Helper()
	var b []byte
	for _, v := range values {
		if raw, ok := v.([]byte); ok {
			b = append(b, raw...)
		} else {
			b = event.AppendMsgpack(b, v)
		}
	}
	if _, err := c.conn.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

// ack reads an acknowledgement.
func (c *forwardClient) ack() string {
	c.t.Helper()
	v, err := c.d.Value()
	if err != nil {
		c.t.Fatalf("read acknowledgement: %v", err)
	}
	id, err := forward.AckOf(v)
	if err != nil {
		c.t.Fatal(err)
	}
	return id
}

// closed waits until the source closes the connection, without a word.
func (c *forwardClient) closed() {
	c.t.Helper()
	if v, err := c.d.Value(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatalf("got %v, %v; want the end", v, err)
	}
}

// message is one event in Message mode; a chunk id asks for an acknowledgement.
func message(tag string, n int, chunk ...string) []any {
	m := []any{tag, event.Time{Sec: 1600000000}, event.NewRecord("n", n)}
	if len(chunk) > 0 {
		m = append(m, event.NewRecord("chunk", chunk[0]))
	}
	return m
}

// greet runs the client's side of the handshake and returns the verdict.
func (c *forwardClient) greet(key, user, password string) (forward.Pong, error) {
	v, err := c.d.Value()
	if err != nil {
		return forward.Pong{}, fmt.Errorf("read HELO: %w", err)
	}
	helo, err := forward.ReadHelo(v)
	if err != nil {
		return forward.Pong{}, err
	}
	ping := forward.Ping{Hostname: "tester", Salt: "salt", Digest: forward.KeyDigest("salt", "tester", helo.Nonce, key)}
	ping.User, ping.PasswordDigest = user, forward.PasswordDigest(helo.Auth, user, password)
	c.send(ping.Append(nil))
	if v, err = c.d.Value(); err != nil {
		return forward.Pong{}, fmt.Errorf("read PONG: %w", err)
	}
	pong, err := forward.ReadPong(v)
	if err == nil && pong.OK && pong.Digest != forward.KeyDigest("salt", pong.Hostname, helo.Nonce, key) {
		err = errors.New("the server does not know the key")
	}
	return pong, err
}

func readAllOf(c *forwardClient) []byte {
	b, _ := io.ReadAll(c.conn)
	return b
}
