package tlsconf

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/metrics"
	"github.com/sluicelog/sluice/internal/param"
)

const certs = "testdata/certs"

// journal is a log that a test can wait on.
type journal struct {
	mu    sync.Mutex
	lines []string
	said  chan string
}

func newJournal() *journal { return &journal{said: make(chan string, 100)} }

func (j *journal) Enabled(context.Context, slog.Level) bool { return true }
func (j *journal) WithAttrs([]slog.Attr) slog.Handler       { return j }
func (j *journal) WithGroup(string) slog.Handler            { return j }
func (j *journal) Handle(_ context.Context, r slog.Record) error {
	line := r.Level.String() + " " + r.Message
	r.Attrs(func(a slog.Attr) bool { line += " " + a.String(); return true })
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
	j.said <- line
	return nil
}

// wait returns the next line that holds text.
func (j *journal) wait(t *testing.T, text string) string {
	t.Helper()
	late := time.After(8 * time.Second)
	for {
		select {
		case line := <-j.said:
			if strings.Contains(line, text) {
				return line
			}
		case <-late:
			t.Fatalf("nobody said %q; said was %q", text, j.all())
		}
	}
}

func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]string{}, j.lines...)
}

// decode makes a Server of the text of a <transport> section.
func decode(t testing.TB, text string) (*Server, error) {
	t.Helper()
	text = strings.ReplaceAll(text, "{{CERTS}}", certs)
	root, err := conf.Parse("fluent.conf", []byte("<source>\n"+text+"\n</source>\n"), conf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, problems := new(Server), &conf.Problems{}
	param.Decode(root.Children[0], "source (http)", problems, s.Section)
	for _, w := range problems.Warnings {
		t.Errorf("warning: %v", w)
	}
	if len(problems.Errors) > 0 {
		return nil, problems.Errors[0]
	}
	if err := s.Check(); err != nil {
		return nil, param.Place(err, root.Children[0], "source (http)")
	}
	return s, nil
}

// echo is a TLS server that sends back what it gets.
type echo struct {
	server  *Server
	log     *journal
	metrics *metrics.Registry
	addr    string
	stop    func() // stops watching and waits
}

func serve(t testing.TB, text string) *echo {
	t.Helper()
	s, err := decode(t, text)
	if err != nil {
		t.Fatal(err)
	}
	return serveWith(t, s)
}

func serveWith(t testing.TB, s *Server) *echo {
	t.Helper()
	e := &echo{server: s, log: newJournal(), metrics: metrics.New()}
	if err := s.Open(slog.New(e.log), e.metrics); err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln := s.Listen(tcp)
	e.addr = ln.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Watch(ctx) })
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			})
		}
	})
	t.Cleanup(func() { cancel(); _ = ln.Close(); wg.Wait() })
	e.stop = cancel
	return e
}

// dial connects and exchanges a few bytes; a server of TLS 1.3 refuses a client
// only after the client believes that the handshake is over.
func dial(addr string, c *tls.Config) (*tls.Conn, error) {
	raw, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, c)
	if err := ping(conn); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

func ping(conn net.Conn) error {
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := conn.Write([]byte("ping")); err != nil {
		return err
	}
	var b [4]byte
	if _, err := io.ReadFull(conn, b[:]); err != nil {
		return err
	}
	if string(b[:]) != "ping" {
		return fmt.Errorf("got %q", b)
	}
	return nil
}

// client is a configuration that trusts the test authority and shows name's pair.
func client(t testing.TB, name string) *tls.Config {
	t.Helper()
	text, err := os.ReadFile(certs + "/ca.crt")
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	c := &tls.Config{RootCAs: pool, ServerName: "localhost"}
	if name != "" {
		pair, err := tls.LoadX509KeyPair(certs+"/"+name+".crt", certs+"/"+name+".key")
		if err != nil {
			t.Fatal(err)
		}
		// Show it whatever authorities the server says it takes.
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	return c
}

func (e *echo) failures(reason string) float64 {
	return value(e.metrics, "relay_tls_handshake_errors_total", reason)
}

// value is a metric's, found by the values of its labels in the order of their names.
func value(m *metrics.Registry, name string, labels ...string) float64 {
	families, _ := m.Gatherer().Gather()
	for _, f := range families {
		for _, one := range f.GetMetric() {
			var got []string
			for _, l := range one.GetLabel() {
				got = append(got, l.GetValue())
			}
			if f.GetName() == name && slices.Equal(got, labels) {
				return one.GetCounter().GetValue() + one.GetGauge().GetValue()
			}
		}
	}
	return -1
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	// By a rename, as whoever replaces certificates should.
	if err := os.WriteFile(to+".new", text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(to+".new", to); err != nil {
		t.Fatal(err)
	}
}

func join(dir string, names ...string) string {
	return filepath.Join(append([]string{dir}, names...)...)
}
