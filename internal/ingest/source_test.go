package ingest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/metrics"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// pipeline is an Emitter that keeps what it is given as text, "tag time record".
type pipeline struct {
	mu     sync.Mutex
	events []string
	fail   func(tag string) error // nil: never
	hold   chan struct{}          // Emit waits until it is closed
	// One for each Emit that begins, and that returns; more than anybody waits for are
	// left out.
	entered, came chan struct{}
}

func newPipeline() *pipeline {
	return &pipeline{entered: make(chan struct{}, 1<<10), came: make(chan struct{}, 1<<10)}
}

func note(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (p *pipeline) Emit(ctx context.Context, tag string, es event.Stream) error {
	note(p.entered)
	defer note(p.came)
	if p.hold != nil {
		select {
		case <-p.hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	p.mu.Lock()
	fail := p.fail
	p.mu.Unlock()
	if fail != nil {
		if err := fail(tag); err != nil {
			return err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range es {
		p.events = append(p.events, fmt.Sprintf("%s %s %s", tag, stamp(e.Time), e.Record.AppendJSON(nil)))
	}
	return nil
}

// failWith lets Emit return what f says.
func (p *pipeline) failWith(f func(tag string) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fail = f
}

// stamp is "now" for times of the test's own, else seconds and nanoseconds.
func stamp(t event.Time) string {
	if d := time.Since(time.Unix(t.Sec, int64(t.Nsec))); d > -time.Minute && d < 10*time.Minute {
		return "now"
	}
	return stampOf(t)
}

func stampOf(t event.Time) string { return fmt.Sprintf("%d.%09d", t.Sec, t.Nsec) }

// take returns what came since it was last called.
func (p *pipeline) take() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	es := p.events
	p.events = nil
	return es
}

// waitFor waits for n events and takes them.
func (p *pipeline) waitFor(t *testing.T, n int) []string {
	t.Helper()
	var got []string
	late := time.After(20 * time.Second)
	for len(got) < n {
		select {
		case <-p.came:
			got = append(got, p.take()...)
		case <-late:
			t.Fatalf("only %d of %d events came: %q", len(got), n, got)
		}
	}
	return got
}

// lines is a parser for tests: each line is an event, "bad" is none, and "timeless"
// is one without a time.
type lines struct{}

func (lines) Params(*param.Set) {}

func (lines) Parse(text []byte, yield func(event.Event) error) error {
	for line := range bytes.Lines(text) {
		line = bytes.TrimRight(line, "\n")
		if bytes.Equal(line, []byte("bad")) {
			return errors.New("pattern not matched")
		}
		if len(line) == 0 {
			continue
		}
		at := event.Now()
		if string(line) == "timeless" {
			at = event.NoTime()
		}
		if err := yield(event.Event{Time: at, Record: event.NewRecord("m", string(line))}); err != nil {
			return err
		}
	}
	return nil
}

// syncBuffer is a log that may be read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// testEnv is what a plugin of a test is given, with its log.
func testEnv(id, typ string) (plugin.Env, *syncBuffer) {
	log := new(syncBuffer)
	return plugin.Env{
		ID: id, Type: typ, Metrics: metrics.New(), Log: slog.New(slog.NewTextHandler(log, nil)),
		Parser: func(typ string) (plugin.Parser, error) {
			if typ != "lines" {
				return nil, fmt.Errorf("unknown parser %s", typ)
			}
			return lines{}, nil
		},
	}, log
}

// decodeSource reads the lines of a <source> section into a plugin.
func decodeSource(t testing.TB, env plugin.Env, text string, build func(plugin.Env) plugin.Input) (plugin.Input, error) {
	t.Helper()
	tree, err := conf.Parse("test.conf", []byte("<source>\n"+text+"\n</source>"), conf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	env.Node = tree.Children[0]
	in := build(env)
	var problems conf.Problems
	param.DecodePlugin(tree.Children[0], "source", &problems, in)
	for _, w := range problems.Warnings {
		t.Logf("warning: %v", w)
	}
	return in, problems.Err()
}

// httpSource is a running http source.
type httpSource struct {
	*inHTTP
	addr string
	out  *pipeline
	log  *syncBuffer
	stop func() error
}

func startHTTP(t testing.TB, text string) *httpSource {
	t.Helper()
	env, log := testEnv("web", "http")
	in, err := decodeSource(t, env, "bind 127.0.0.1\nport 0\n"+text, NewHTTP)
	if err != nil {
		t.Fatal(err)
	}
	s := &httpSource{inHTTP: in.(*inHTTP), out: newPipeline(), log: log}
	ctx, cancel := context.WithCancel(context.Background())
	if err := s.Start(ctx); err != nil {
		cancel()
		t.Fatal(err)
	}
	ln, err := s.listen(ctx)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	s.addr = ln.Addr().String()
	done := make(chan error, 1)
	go func() { done <- s.serveOn(ctx, ln, s.out) }()
	s.stop = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return s
}

// refusedFor is how many requests were refused with a status and reason.
func (s *httpSource) refusedFor(t *testing.T, status, reason string) int {
	return counted(t, s.env.Metrics, "relay_http_refused_total", "status", status, "reason", reason)
}

// counted is the sum of a metric over all series that have these labels.
func counted(t testing.TB, m *metrics.Registry, name string, labels ...string) (sum int) {
	t.Helper()
	families, err := m.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, series := range f.GetMetric() {
			has := map[string]string{}
			for _, l := range series.GetLabel() {
				has[l.GetName()] = l.GetValue()
			}
			fits := true
			for i := 0; i < len(labels); i += 2 {
				fits = fits && has[labels[i]] == labels[i+1]
			}
			if fits {
				sum += int(series.GetCounter().GetValue() + series.GetGauge().GetValue())
			}
		}
	}
	return sum
}

// raw sends bytes and reads all answers until the connection ends or n have come.
func (s *httpSource) raw(t *testing.T, text string, n int) (answers []string, closed bool) {
	t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	go func() { _, _ = io.WriteString(c, text) }()
	r := bufio.NewReader(c)
	for len(answers) < n {
		answer, err := http.ReadResponse(r, nil)
		if err != nil {
			return answers, true
		}
		body, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		answers = append(answers, strings.TrimSpace(answer.Status+" "+string(body)))
	}
	return answers, false
}

// post is a request of a client with keep-alive.
func (s *httpSource) post(t *testing.T, target, contentType, body string, head ...string) (status int, answer string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, "http://"+s.addr+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	for i := 0; i < len(head); i += 2 {
		r.Header.Add(head[i], head[i+1])
	}
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	text, _ := io.ReadAll(got.Body)
	return got.StatusCode, string(text)
}

func sameEvents(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("events %q\n  want %q", got, want)
	}
}
