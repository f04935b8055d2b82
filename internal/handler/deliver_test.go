package handler

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluicelog/sluice/internal/metrics"
)

// inbox is an HTTP receiver that notes what it took, in order.
type inbox struct {
	*httptest.Server
	answer func(w http.ResponseWriter, r *http.Request, ids []string) int // 0: take it

	mu       sync.Mutex // guards what follows
	taken    []string
	sizes    []int // events of each request that was taken
	conns    int
	requests []*http.Request
}

func newInbox(t *testing.T, answer func(w http.ResponseWriter, r *http.Request, ids []string) int) *inbox {
	t.Helper()
	in := &inbox{answer: answer}
	in.Server = httptest.NewUnstartedServer(in)
	in.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			in.mu.Lock()
			in.conns++
			in.mu.Unlock()
		}
	}
	t.Cleanup(in.Close)
	return in
}

func (in *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ids := idsOf(r)
	if in.answer != nil {
		if status := in.answer(w, r, ids); status != 0 {
			http.Error(w, "no", status)
			return
		}
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.taken = append(in.taken, ids...)
	in.sizes = append(in.sizes, len(ids))
	in.requests = append(in.requests, r)
}

// got is what was taken so far.
func (in *inbox) got() []string {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.Clone(in.taken)
}

func idsOf(r *http.Request) []string {
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		body, _ = gzip.NewReader(r.Body)
	}
	text, _ := io.ReadAll(body)
	var events []struct{ UID string }
	if text[0] != '[' {
		text = slices.Concat([]byte("["), text, []byte("]"))
	}
	if err := json.Unmarshal(text, &events); err != nil {
		return []string{"broken: " + err.Error()}
	}
	var ids []string
	for _, e := range events {
		ids = append(ids, e.UID)
	}
	return ids
}

// testDelivery is a delivery to URLs, with the options changed by edit, and what
// was acknowledged.
type testDelivery struct {
	*delivery
	h       *handler
	numbers *metrics.Registry

	mu    sync.Mutex
	acked []string
}

func newTestDelivery(t testing.TB, edit func(*StartCmd), urls ...string) *testDelivery {
	t.Helper()
	c := &StartCmd{}
	c.FluentdURL, c.FluentdSessionURL = urls, strings.ReplaceAll(urls[0], "test.log", "session")
	c.FluentdMaxConnections, c.FluentdMaxBatchBytes, c.FluentdFailoverAfter = 4, 1<<20, time.Minute
	if edit != nil {
		edit(c)
	}
	numbers := metrics.New()
	h := &handler{cmd: c, dir: t.TempDir(), log: slog.New(slog.DiscardHandler), counts: newCounts(numbers), health: newHealth()}
	s, err := c.newSender(h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.dialing.closeIdle)
	d := &testDelivery{h: h, numbers: numbers}
	d.delivery = &delivery{
		sender: s, dead: newDeadLetters(h.dir), workers: c.FluentdMaxConnections, ordered: c.Ordered, log: h.log, counts: h.counts,
		ack: func(r *Read) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.acked = append(d.acked, r.ID)
		},
		after: func(context.Context, *Read) error { return nil },
	}
	return d
}

// metric is the sum of a counter over its labels.
func (d *testDelivery) metric(t *testing.T, name string) (sum float64) {
	t.Helper()
	all, err := d.numbers.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range all {
		if family.GetName() == name {
			for _, m := range family.GetMetric() {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

func testEvent(id string) *Read {
	return &Read{Type: "t", ID: id, Time: begin, Body: fmt.Appendf(nil, `{"event":"t","uid":%q,"big":12345678901234567890}`, id)}
}

// sendAll delivers events and returns their ids.
func (d *testDelivery) sendAll(t *testing.T, ids ...string) {
	t.Helper()
	in := make(chan *Read, len(ids))
	for _, id := range ids {
		in <- testEvent(id)
	}
	close(in)
	if err := d.run(t.Context(), t.Context(), in); err != nil {
		t.Fatal(err)
	}
	sameSet(t, "acknowledged", d.acked, ids)
}

func numbered(prefix string, n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprint(prefix, i)
	}
	return ids
}

// Several events in one request are for who offers it, and only then.
func TestBatchesOnlyWhereOffered(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		offer   string
		max     int
		largest int
	}{{"", 0, 1}, {"25", 0, 25}, {"25", 1, 1}, {"", 10, 10}} {
		in := newInbox(t, func(w http.ResponseWriter, r *http.Request, _ []string) int {
			if r.Header.Get("Sluice-Accept") != "" && c.offer != "" {
				w.Header().Set("Sluice-Batch", c.offer)
			}
			return 0
		})
		in.Start()
		d := newTestDelivery(t, func(s *StartCmd) { s.FluentdMaxBatch = c.max }, in.URL+"/test.log")
		d.sendAll(t, numbered("e", 500)...)
		sameSet(t, "taken", in.got(), numbered("e", 500))
		if got := slices.Max(in.sizes); got != c.largest {
			t.Errorf("offer %q, max %d: largest request has %d events, want %d", c.offer, c.max, got, c.largest)
		}
	}
}

// A request is bounded in bytes too; an event that is larger goes alone.
func TestBatchBytes(t *testing.T) {
	t.Parallel()
	in := newInbox(t, nil)
	in.Start()
	size := len(testEvent("e10").Body)
	d := newTestDelivery(t, func(s *StartCmd) { s.FluentdMaxBatch, s.FluentdMaxBatchBytes = 100, 3*size }, in.URL+"/test.log")
	d.sendAll(t, numbered("e", 90)...)
	if got := slices.Max(in.sizes); got != 3 {
		t.Errorf("largest request has %d events, want 3", got)
	}
	d = newTestDelivery(t, func(s *StartCmd) { s.FluentdMaxBatch, s.FluentdMaxBatchBytes = 100, 1 }, in.URL+"/test.log")
	in.sizes = nil
	d.sendAll(t, numbered("e", 9)...)
	if got := slices.Max(in.sizes); got != 1 {
		t.Errorf("largest request has %d events, want 1", got)
	}
}

// A refused batch is halved until one event remains; only that one is set aside.
func TestRefusedBatchIsHalved(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 413, 422} {
		in := newInbox(t, func(_ http.ResponseWriter, _ *http.Request, ids []string) int {
			if slices.ContainsFunc(ids, func(id string) bool { return strings.HasPrefix(id, "bad") }) {
				return status
			}
			return 0
		})
		in.Start()
		d := newTestDelivery(t, func(s *StartCmd) { s.FluentdMaxBatch = 64 }, in.URL+"/test.log")
		good := numbered("e", 300)
		d.sendAll(t, slices.Concat(good[:100], []string{"bad1"}, good[100:], []string{"bad2"})...)
		sameSet(t, "taken", in.got(), good)
		text, err := os.ReadFile(d.dead.path)
		if err != nil {
			t.Fatal(err)
		}
		var dead []string
		for line := range strings.Lines(string(text)) {
			var l DeadLetter
			if err := json.Unmarshal([]byte(line), &l); err != nil || l.Status != status {
				t.Errorf("dead letter %q: %v", line, err)
			}
			dead = append(dead, l.ID)
		}
		sameSet(t, "dead letters", dead, []string{"bad1", "bad2"})
	}
}

// With --ordered one request is under way, and the order is that of reading, over
// several relays and with batches too.
func TestOrdered(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var order []string
	var flying, most atomic.Int64
	answer := func(_ http.ResponseWriter, _ *http.Request, ids []string) int {
		most.Store(max(most.Load(), flying.Add(1)))
		defer flying.Add(-1)
		mu.Lock()
		defer mu.Unlock()
		order = append(order, ids...)
		return 0
	}
	a, b := newInbox(t, answer), newInbox(t, answer)
	a.Start()
	b.Start()
	d := newTestDelivery(t, func(s *StartCmd) { s.Ordered, s.FluentdMaxBatch = true, 7 }, a.URL+"/test.log", b.URL+"/test.log")
	ids := numbered("e", 400)
	d.sendAll(t, ids...)
	if !slices.Equal(order, ids) {
		t.Error("events came out of order")
	}
	if most.Load() != 1 {
		t.Errorf("%d requests at the same time", most.Load())
	}
	if len(a.got()) == 0 || len(b.got()) == 0 {
		t.Error("one relay got nothing")
	}
}

// As many requests are in flight as there may be connections, and no more; their
// connections are used again though the answers have long bodies.
func TestManyInFlightOverAPool(t *testing.T) {
	t.Parallel()
	const n = 8
	var flying, most atomic.Int64
	full := make(chan struct{})
	in := newInbox(t, func(w http.ResponseWriter, _ *http.Request, _ []string) int {
		now := flying.Add(1)
		defer flying.Add(-1)
		for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
		}
		if now == n {
			select {
			case <-full:
			default:
				close(full)
			}
		}
		<-full // nobody is answered before n are here
		defer func() { _, _ = io.WriteString(w, strings.Repeat("x", 100_000)) }()
		return 0
	})
	in.Start()
	d := newTestDelivery(t, func(s *StartCmd) { s.FluentdMaxConnections = n }, in.URL+"/test.log")
	d.sendAll(t, numbered("e", 400)...)
	if most.Load() != n || in.conns > n {
		t.Errorf("%d requests in flight over %d connections, want %d over as many", most.Load(), in.conns, n)
	}
}

// trust makes a server's certificate the authority.
func trust(t testing.TB, s *StartCmd, srv *httptest.Server) {
	t.Helper()
	s.FluentdCA = filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(s.FluentdCA, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// What the receiver sees: HTTP/1.1 unless HTTP/2 is asked for, gzip when asked.
func TestRequests(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		http2, gzip bool
		proto       int
	}{{false, false, 1}, {true, true, 2}} {
		in := newInbox(t, nil)
		in.EnableHTTP2 = true
		in.StartTLS()
		d := newTestDelivery(t, func(s *StartCmd) {
			trust(t, s, in.Server)
			s.FluentdHTTP2, s.FluentdGzip = c.http2, c.gzip
		}, in.URL+"/test.log")
		d.sendAll(t, "a", "b")
		sameSet(t, "taken", in.got(), []string{"a", "b"})
		r := in.requests[0]
		if r.ProtoMajor != c.proto || (r.Header.Get("Content-Encoding") == "gzip") != c.gzip || r.Header.Get("Content-Type") != "application/json" || r.URL.Path != "/test.log" {
			t.Errorf("http2 %v, gzip %v: got %s %s %v", c.http2, c.gzip, r.Proto, r.URL, r.Header)
		}
		if r.Header.Get("Sluice-Source") == "" || r.Header.Get("Sluice-Generation") == "" || r.Header.Get("Sluice-Start") == "" {
			t.Errorf("the relay is not told who sends: %v", r.Header)
		}
	}
}

// A redirect would turn a POST into a GET and look like success.
func TestRedirectIsNoSuccess(t *testing.T) {
	t.Parallel()
	var tries atomic.Int64
	in := newInbox(t, func(w http.ResponseWriter, r *http.Request, _ []string) int {
		if tries.Add(1) == 1 {
			w.Header().Set("Location", "/elsewhere")
			return http.StatusFound
		}
		return 0
	})
	in.Start()
	d := newTestDelivery(t, nil, in.URL+"/test.log")
	d.sendAll(t, "a")
	if got := d.metric(t, "handler_post_retries_total"); got != 1 {
		t.Errorf("%v retries, want 1", got)
	}
}

// A handler that was replaced stops: nothing more is begun, nothing acknowledged.
func TestStaleStops(t *testing.T) {
	t.Parallel()
	in := newInbox(t, func(w http.ResponseWriter, _ *http.Request, _ []string) int {
		w.Header().Set("Sluice-Batch", "200")
		return http.StatusConflict
	})
	in.Start()
	d := newTestDelivery(t, nil, in.URL+"/test.log")
	events := make(chan *Read, 100)
	for _, id := range numbered("e", 100) {
		events <- testEvent(id)
	}
	err := d.run(t.Context(), t.Context(), events) // the channel stays open, as a source's does
	if err != errStale || len(d.acked) > 0 {       //nolint:errorlint // exactly this
		t.Errorf("got %v, %d acknowledged", err, len(d.acked))
	}
}
