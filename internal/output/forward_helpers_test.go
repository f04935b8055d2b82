package output

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"strconv"
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

// forwardChunk is a chunk with the numbers from..to.
type forwardChunk struct {
	id     byte
	events int
	body   []byte
}

func chunkOf(o *forwardOut, id byte, numbers ...int) *forwardChunk {
	c := &forwardChunk{id: id, events: len(numbers)}
	for _, n := range numbers {
		c.body, _ = o.Format(c.body, "a.b", event.Event{Time: event.Time{Sec: 1600000000, Nsec: 5}, Record: event.NewRecord("n", n)})
	}
	return c
}

func (c *forwardChunk) ID() event.ChunkID { return event.ChunkID{c.id} }
func (c *forwardChunk) Meta() event.Meta  { return event.Meta{Tag: "a.b", HasTag: true} }
func (c *forwardChunk) Events() int       { return c.events }
func (c *forwardChunk) Open() (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(c.body)), nil
}

func (c *forwardChunk) OpenStored() (io.ReadCloser, string, error) {
	r, err := c.Open()
	return r, "text", err
}
func (c *forwardChunk) Note() (map[string]string, bool) { return nil, false }
func (c *forwardChunk) SetNote(map[string]string) error { return nil }

// forwardReceiver is a server that does what a script says: what to answer to each
// message. An answer of nil closes the connection, an empty one says nothing.
type forwardReceiver struct {
	t      *testing.T
	ln     net.Listener
	host   string
	port   string
	answer func(m *forward.Message) []byte
	greet  func(net.Conn, *forward.Decoder) bool // before messages; may be nil

	mu    sync.Mutex
	got   []string
	conns []net.Conn
	work  sync.WaitGroup
	ended chan struct{} // one for each connection that has ended
	came  chan struct{} // one for each message
}

func acks(m *forward.Message) []byte {
	if !m.HasChunk {
		return []byte{}
	}
	return forward.AppendAck(nil, m)
}

func receive(t *testing.T, wrap func(net.Listener) net.Listener) *forwardReceiver {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &forwardReceiver{t: t, answer: acks, ended: make(chan struct{}, 1000), came: make(chan struct{}, 1000)}
	r.host, r.port, _ = net.SplitHostPort(ln.Addr().String())
	if wrap != nil {
		ln = wrap(ln)
	}
	r.ln = ln
	t.Cleanup(r.close)
	return r
}

// start serves; what shall be different is set before.
func (r *forwardReceiver) start() *forwardReceiver {
	r.work.Go(func() {
		for {
			conn, err := r.ln.Accept()
			if err != nil {
				return
			}
			r.mu.Lock()
			r.conns = append(r.conns, conn)
			r.mu.Unlock()
			r.work.Go(func() {
				r.serve(conn)
				_ = conn.Close()
				r.ended <- struct{}{}
			})
		}
	})
	return r
}

func (r *forwardReceiver) close() {
	_ = r.ln.Close()
	r.hangUp()
	r.work.Wait()
}

// hangUp closes all connections.
func (r *forwardReceiver) hangUp() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		_ = c.Close()
	}
	r.conns = nil
}

func (r *forwardReceiver) serve(conn net.Conn) {
	d := forward.NewDecoder(conn)
	if r.greet != nil && !r.greet(conn, d) {
		return
	}
	for {
		m, err := d.Next()
		if err != nil {
			return
		}
		line := m.Tag
		for {
			b, err := m.Batch(math.MaxInt64)
			if err != nil {
				break
			}
			for _, e := range b.Events {
				line += fmt.Sprintf(" %d.%d%s", e.Time.Sec, e.Time.Nsec, e.Record.AppendJSON(nil))
			}
		}
		if m.HasChunk {
			line += " chunk=" + m.Chunk
		}
		r.mu.Lock()
		r.got = append(r.got, line)
		r.mu.Unlock()
		r.came <- struct{}{}
		answer := r.answer(m)
		if answer == nil {
			return
		}
		if _, err := conn.Write(answer); err != nil {
			return
		}
	}
}

func (r *forwardReceiver) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.got...)
}

// server is the section that names the receiver.
func (r *forwardReceiver) server(lines string) string {
	return "<server>\nhost " + r.host + "\nport " + r.port + "\n" + lines + "\n</server>\n"
}

// guarded makes a receiver ask for the key k, and for user u with password p.
func (r *forwardReceiver) guarded(hostname string) {
	r.greet = func(conn net.Conn, d *forward.Decoder) bool {
		_, _ = conn.Write(forward.Helo{Nonce: "nonce", Auth: "auth", Keepalive: true}.Append(nil))
		v, err := d.Value()
		if err != nil {
			return false
		}
		ping, err := forward.ReadPing(v)
		if err != nil {
			return false
		}
		pong := forward.Pong{OK: true, Hostname: hostname, Digest: forward.KeyDigest(ping.Salt, hostname, "nonce", "k")}
		switch {
		case ping.Digest != forward.KeyDigest(ping.Salt, ping.Hostname, "nonce", "k"):
			pong = forward.Pong{Reason: "shared_key mismatch"}
		case ping.User != "u" || ping.PasswordDigest != forward.PasswordDigest("auth", "u", "p"):
			pong = forward.Pong{Reason: "username/password mismatch"}
		}
		_, _ = conn.Write(pong.Append(nil))
		return pong.OK
	}
}

func tlsReceiver(t *testing.T) func(net.Listener) net.Listener {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(forwardCerts+"server.crt", forwardCerts+"server.key")
	if err != nil {
		t.Fatal(err)
	}
	return func(ln net.Listener) net.Listener {
		return tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequestClientCert})
	}
}

// forwardLog is a log that a test can wait on.
type forwardLog struct{ lines chan string }

func (l *forwardLog) Write(p []byte) (int, error) {
	select {
	case l.lines <- string(p):
	default:
	}
	return len(p), nil
}

func (l *forwardLog) wait(t *testing.T, text string) {
	t.Helper()
	late := time.After(10 * time.Second)
	for {
		select {
		case line := <-l.lines:
			if strings.Contains(line, text) {
				return
			}
		case <-late:
			t.Fatalf("nobody said %q", text)
		}
	}
}

// forwardOf decodes the lines of a forward output.
func forwardOf(t *testing.T, lines string) (*forwardOut, *forwardLog, error) {
	t.Helper()
	tree, err := conf.Parse("t.conf", []byte("<match **>\n@type forward\n"+strings.ReplaceAll(lines, "CERTS/", forwardCerts)+"\n</match>"), conf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	log := &forwardLog{lines: make(chan string, 1000)}
	env := plugin.Env{ID: "out", Type: "forward", Metrics: metrics.New(), Log: slog.New(slog.NewTextHandler(log, nil))}
	o := NewForward(env).(*forwardOut)
	problems := &conf.Problems{}
	param.DecodePlugin(tree.Children[0], "match", problems, o)
	return o, log, problems.Err()
}

// startForward runs a forward output; without more lines nobody sends heartbeats.
func startForward(t *testing.T, lines string) (*forwardOut, *forwardLog) {
	t.Helper()
	if !strings.Contains(lines, "heartbeat_type") {
		lines += "\nheartbeat_type none"
	}
	o, log, err := forwardOf(t, lines)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.Close(context.Background()) })
	return o, log
}

// count is a metric's value over all its series that have the labels.
func forwardCount(t *testing.T, o *forwardOut, name string, labels ...string) int {
	t.Helper()
	families, err := o.env.Metrics.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	total := 0.0
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			text, fits := m.String(), true
			for _, l := range labels {
				fits = fits && strings.Contains(text, strconv.Quote(l))
			}
			if fits {
				total += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return int(total)
}
