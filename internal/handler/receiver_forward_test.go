package handler

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/forward"
	"github.com/sluicelog/sluice/internal/pki"
)

// forwardInbox is a forward receiver behind mutual TLS. What it takes is
// acknowledged unless refuse says otherwise.
type forwardInbox struct {
	ln     net.Listener
	dir    string // certificates
	refuse func(m *forward.Message) bool
	wg     sync.WaitGroup

	mu       sync.Mutex // guards what follows
	messages []forwardMessage
	conns    int
}

type forwardMessage struct {
	*forward.Message
	Events event.Stream
}

func newForwardInbox(t *testing.T, refuse func(*forward.Message) bool) *forwardInbox {
	t.Helper()
	in := &forwardInbox{dir: t.TempDir(), refuse: refuse}
	if err := pki.WriteTestSet(in.dir, pki.ECDSA); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(in.dir, "server.crt"), filepath.Join(in.dir, "server.key"))
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(filepath.Join(in.dir, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	config := &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12}
	if in.ln, err = tls.Listen("tcp", "127.0.0.1:0", config); err != nil {
		t.Fatal(err)
	}
	in.wg.Go(in.accept)
	t.Cleanup(func() { _ = in.ln.Close(); in.wg.Wait() })
	return in
}

func (in *forwardInbox) accept() {
	for {
		conn, err := in.ln.Accept()
		if err != nil {
			return
		}
		in.mu.Lock()
		in.conns++
		in.mu.Unlock()
		in.wg.Go(func() { in.serve(conn) })
	}
}

func (in *forwardInbox) serve(conn net.Conn) {
	defer conn.Close()
	for d := forward.NewDecoder(conn); ; {
		m, err := d.Next()
		if err != nil || in.refuse != nil && in.refuse(m) {
			return
		}
		batch, err := m.Batch(1 << 30)
		if err != nil && !errors.Is(err, io.EOF) {
			return
		}
		for i := range batch.Events { // they point into the decoder's memory
			batch.Events[i].Record = batch.Events[i].Record.Clone()
		}
		in.mu.Lock()
		in.messages = append(in.messages, forwardMessage{m, batch.Events})
		in.mu.Unlock()
		if _, err := conn.Write(forward.AppendAck(nil, m)); err != nil {
			return
		}
	}
}

func (in *forwardInbox) url(tag string) string {
	_, port, _ := net.SplitHostPort(in.ln.Addr().String())
	return "forward+tls://localhost:" + port + "/" + tag
}

func (in *forwardInbox) options(s *StartCmd) {
	s.FluentdCA, s.FluentdCert, s.FluentdKey = filepath.Join(in.dir, "ca.crt"), filepath.Join(in.dir, "client.crt"), filepath.Join(in.dir, "client.key")
	s.FluentdSessionURL = in.url("session")
}

func (in *forwardInbox) got() (ids []string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, m := range in.messages {
		for _, e := range m.Events {
			id, _ := e.Record.Get("uid")
			ids = append(ids, event.Text(id))
		}
	}
	return ids
}

// Events go by forward over mutual TLS: tag from the URL, time and record whole,
// several in a message, connections used again, and who sends in the option.
func TestForward(t *testing.T) {
	t.Parallel()
	in := newForwardInbox(t, nil)
	d := newTestDelivery(t, in.options, in.url("test.log"))
	ids := numbered("e", 1000)
	d.sendAll(t, ids...)
	sameSet(t, "taken", in.got(), ids)
	if len(in.messages) < 5 || len(in.messages) > 100 || in.conns > 4 {
		t.Errorf("%d messages over %d connections", len(in.messages), in.conns)
	}
	m := in.messages[0]
	e := m.Events[0]
	id, _ := e.Record.Get("uid")
	want := string(testEvent(event.Text(id)).Body)
	if got := string(e.Record.AppendJSON(nil)); got != want || !e.Time.Std().Equal(begin) || m.Tag != "test.log" {
		t.Errorf("got %s %v %s, want %v %s", m.Tag, e.Time, got, begin, want)
	}
	for _, name := range []string{"sluice_source", "sluice_start", "sluice_generation", "sluice_forget"} {
		if _, ok := m.Option.Get(name); !ok {
			t.Errorf("the option has no %s", name)
		}
	}
}

// What is not acknowledged is sent again.
func TestForwardWithoutAcknowledgement(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	seen := 0
	in := newForwardInbox(t, func(*forward.Message) bool {
		mu.Lock()
		defer mu.Unlock()
		seen++
		return seen%3 == 1
	})
	d := newTestDelivery(t, func(s *StartCmd) { in.options(s); s.FluentdMaxBatch = 100 }, in.url("test.log"))
	ids := numbered("e", 500)
	d.sendAll(t, ids...)
	sameSet(t, "taken", in.got(), ids)
	if d.metric(t, "handler_post_retries_total") == 0 {
		t.Error("nothing was sent again")
	}
}

// An acknowledgement of something else is none, and a receiver that wants a
// shared key is told apart.
func TestForwardWrongAnswers(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{
		string(forward.AppendAck(nil, &forward.Message{Chunk: "other"})): "for another message",
		string(forward.Helo{Nonce: "n"}.Append(nil)):                     "shared key",
		string(event.AppendMsgpack(nil, "yes")):                          "no map",
		"":                                                               "without an acknowledgement",
		string(event.AppendMsgpack(nil, event.NewRecord("ack", "x")))[:3]: "read acknowledgement",
	} {
		client, server := net.Pipe()
		go func() {
			_, _ = io.ReadFull(server, make([]byte, 3))
			if answer != "" {
				_, _ = server.Write([]byte(answer))
			}
			_ = server.Close()
		}()
		l := &forwardLink{conn: client, acks: forward.NewDecoder(client)}
		if err := l.exchange([]byte("abc"), "mine"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", answer, err, want)
		}
		l.close()
	}
}

// Our relay's refusals mean what they mean over HTTP; another message's do not.
func TestForwardRefusals(t *testing.T) {
	t.Parallel()
	answer := func(chunk string, status int) any {
		return event.NewRecord("refused", chunk, "status", int64(status), "reason", "why")
	}
	if err := refusedBy(answer("mine", 409), "mine"); !errors.Is(err, errStale) {
		t.Errorf("409: %v", err)
	}
	final := new(refusal)
	if err := refusedBy(answer("mine", 413), "mine"); !errors.As(err, &final) || final.status != 413 || final.text != "why" {
		t.Errorf("413: %v", err)
	}
	if err := refusedBy(answer("other", 413), "mine"); err != nil {
		t.Errorf("of another message: %v", err)
	}
	if err := refusedBy(event.NewRecord("ack", "mine"), "mine"); err != nil {
		t.Errorf("an acknowledgement: %v", err)
	}
}

// An event that is no JSON object can never go by forward.
func TestForwardMalformedEvent(t *testing.T) {
	t.Parallel()
	in := newForwardInbox(t, nil)
	d := newTestDelivery(t, in.options, in.url("test.log"))
	err := d.sender.send(t.Context(), d.sender.relays[0], "", []*Read{{ID: "a", Body: []byte("[1")}})
	if !errors.As(err, new(*refusal)) {
		t.Errorf("got %v", err)
	}
}

// The end of the context ends a wait for an acknowledgement.
func TestForwardStops(t *testing.T) {
	t.Parallel()
	came := make(chan struct{})
	hold := make(chan struct{})
	in := newForwardInbox(t, func(*forward.Message) bool {
		close(came)
		<-hold
		return true
	})
	defer close(hold)
	d := newTestDelivery(t, in.options, in.url("test.log"))
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-came; cancel() }()
	began := time.Now()
	if err := d.sender.send(ctx, d.sender.relays[0], "", []*Read{testEvent("a")}); err == nil {
		t.Error("sent, though nobody acknowledged")
	}
	if time.Since(began) > requestTimeout/2 {
		t.Error("the wait was not ended")
	}
}

// Recordings go by forward too, each under its own tag.
func TestForwardRecordings(t *testing.T) {
	t.Parallel()
	in := newForwardInbox(t, nil)
	d := newTestDelivery(t, in.options, in.url("test.log"))
	sender, err := d.h.cmd.forSessions(d.sender)
	if err != nil {
		t.Fatal(err)
	}
	batch := []*Read{testEvent("a"), testEvent("b")}
	if err := sender.send(t.Context(), sender.home("sid1"), ".sid1.log", batch); err != nil {
		t.Fatal(err)
	}
	sameSet(t, "taken", in.got(), []string{"a", "b"})
	if got := in.messages[0].Tag; got != "session.sid1.log" {
		t.Errorf("tag %s", got)
	}
}

// A malformed event has no time, and the protocol none for "none": it gets that of
// its sending, not one in the far future.
func TestForwardEventWithoutTime(t *testing.T) {
	t.Parallel()
	in := newForwardInbox(t, nil)
	d := newTestDelivery(t, in.options, in.url("test.log"))
	r := testEvent("a")
	r.Time = time.Time{}
	events := make(chan *Read, 1)
	events <- r
	close(events)
	if err := d.run(t.Context(), t.Context(), events); err != nil {
		t.Fatal(err)
	}
	if at := in.messages[0].Events[0].Time.Std(); time.Since(at).Abs() > time.Hour {
		t.Errorf("the event's time became %v", at)
	}
}
