package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// Whoever is too slow is told so, and does not stay.
func TestHTTPSlowClients(t *testing.T) {
	const head = "POST /t HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
	for name, c := range map[string]struct{ conf, sent, status, answer, reason string }{
		"head":          {"header_timeout 0.1", "POST /t HTTP/1.1\r\nHost:", "", "", ""},
		"silent":        {"header_timeout 0.1", "", "", "", ""},
		"body":          {"body_timeout 0.1", head + "Content-Length: 100\r\n\r\n{", "408", "408 Request Timeout 408 Request Timeout", "slow"},
		"body's rate":   {"header_timeout 0.1\nmin_body_rate 1k", head + "Content-Length: 100\r\n\r\n{", "408", "408 Request Timeout 408 Request Timeout", "slow"},
		"chunks":        {"body_timeout 0.1", head + "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", "408", "408 Request Timeout 408 Request Timeout", "slow"},
		"refused body":  {"header_timeout 0.1\nbody_timeout 0.1\n<auth>\nbearer_token x\n</auth>", head + "Content-Length: 100\r\n\r\n{", "401", "401 Unauthorized 401 Unauthorized", "credentials"},
		"keep-alive":    {"keepalive_timeout 0.1", head + "Content-Length: 2\r\n\r\n{}", "", "200 OK", ""},
		"broken chunks": {"", head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{\r\n", "400", "400 Bad Request 400 Bad Request\nread body: invalid byte in chunk length", "body cut off"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startHTTP(t, c.conf)
			answers, closed := s.raw(t, c.sent, 2)
			if !closed || strings.Join(answers, "|") != c.answer {
				t.Errorf("%q, closed %v; want %q", answers, closed, c.answer)
			}
			if c.reason != "" && s.refusedFor(t, c.status, c.reason) != 1 {
				t.Error("not counted")
			}
		})
	}
}

// A body shorter than it says is not taken, however good its beginning.
func TestHTTPWrongLength(t *testing.T) {
	s := startHTTP(t, "")
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "POST /t HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"a\":1}")
	_ = c.(*net.TCPConn).CloseWrite()
	_, _ = io.ReadAll(c)
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	sameEvents(t, s.out.take())
	if s.refusedFor(t, "400", "body cut off") != 1 {
		t.Error("not counted")
	}
}

// Chunked bodies end at the limit, whatever they were counted as.
func TestHTTPChunkedLimit(t *testing.T) {
	s := startHTTP(t, "body_size_limit 100k\nrequest_memory_limit 101k")
	for size, want := range map[int]int{100 << 10: 200, 100<<10 + 1: 413, 10 << 20: 413} {
		body := io.LimitReader(io.MultiReader(strings.NewReader(`{"a":"`), strings.NewReader(strings.Repeat("x", size-8)), strings.NewReader(`"}`)), int64(size))
		r, _ := http.NewRequest(http.MethodPost, "http://"+s.addr+"/t", io.NopCloser(body))
		r.Header.Set("Content-Type", "application/json")
		got, err := http.DefaultClient.Do(r)
		if err != nil {
			if want == 413 && size > 1<<20 {
				continue // it was cut off while it still sent
			}
			t.Fatal(err)
		}
		_ = got.Body.Close()
		if got.StatusCode != want {
			t.Errorf("%d bytes: %d, want %d", size, got.StatusCode, want)
		}
	}
}

// What is made of a body counts, not only its text.
func TestHTTPRecordsCount(t *testing.T) {
	s := startHTTP(t, "body_size_limit 1m\nrequest_memory_limit 1m")
	for name, c := range map[string]struct {
		typ, body string
		want      int
	}{
		"ordinary":             {"application/json", "[" + strings.Repeat(`{"a":"`+strings.Repeat("x", 1000)+`"},`, 500) + "{}]", 200},
		"empty objects":        {"application/json", "[" + strings.Repeat("{},", 200_000) + "{}]", 413},
		"lines":                {"application/x-ndjson", strings.Repeat("{}\n", 200_000), 413},
		"general, values":      {"application/json", `{"a":[1e5,` + strings.Repeat("0,", 200_000) + "0]}", 413},
		"msgpack maps":         {"application/msgpack", strings.Repeat("\x80", 100_000), 413},
		"msgpack values":       {"application/msgpack", "\x81\xa1a\xdd\x00\x01\x00\x00" + strings.Repeat("\x01", 1<<16), 413},
		"form":                 {"application/x-www-form-urlencoded", strings.Repeat("a=&", 100_000), 413},
		"msgpack that is true": {"application/msgpack", "\x81\xa1a\xc6\x00\x04\x00\x00" + strings.Repeat("\x01", 1<<18), 200},
	} {
		t.Run(name, func(t *testing.T) {
			status, answer := s.post(t, "/t", c.typ, c.body)
			if status != c.want || status == 413 && !strings.Contains(answer, "request_memory_limit") {
				t.Errorf("%d %q, want %d", status, answer, c.want)
			}
		})
	}
	if !s.memory.sem.TryAcquire(s.memory.total) {
		t.Error("memory was not given back")
	}
}

// Memory is waited for before anything is read, and not for ever.
func TestMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(1<<20, time.Second)
		a, b, small := loan{memory: m}, loan{memory: m}, loan{memory: m}
		ctx := context.Background()
		if err := a.take(ctx, 5<<20); err != nil || a.n != 1<<20 {
			t.Errorf("alone: %v, %d", err, a.n)
		}
		if err := small.take(ctx, freeBody); err != nil {
			t.Errorf("a small request waits behind a large one: %v", err)
		}
		start := time.Now()
		if err := b.take(ctx, 64<<10); !errors.Is(err, errMemory) || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		gone, cancel := context.WithCancel(ctx)
		cancel()
		if err := b.take(gone, 64<<10); !errors.Is(err, context.Canceled) {
			t.Errorf("the client is gone: %v", err)
		}
		time.AfterFunc(500*time.Millisecond, a.release)
		if err := b.take(ctx, 64<<10); err != nil {
			t.Errorf("there is room again: %v", err)
		}
		if err := b.grow(1 << 20); err != nil {
			t.Error(err)
		}
		if err := small.grow(64 << 10); !errors.Is(err, errMemory) {
			t.Errorf("grew where there was no room: %v", err)
		}
		if err := b.grow(1<<20 + 1); !errors.As(err, new(*tooMuchError)) {
			t.Errorf("grew over everything: %v", err)
		}
		b.release()
		b.release()
		if !m.sem.TryAcquire(1 << 20) {
			t.Error("not all was given back")
		}
	})
}

// While memory is short, large requests are asked to come again and small ones served.
func TestHTTPMemoryIsShort(t *testing.T) {
	s := startHTTP(t, "body_size_limit 1m\nrequest_memory_limit 1m\nrequest_memory_wait 0.05")
	holder := loan{memory: s.memory}
	if err := holder.take(context.Background(), 1<<20); err != nil {
		t.Fatal(err)
	}
	large := `{"a":"` + strings.Repeat("x", 100<<10) + `"}`
	if status, _ := s.post(t, "/t", "application/json", large); status != 503 {
		t.Errorf("large: %d", status)
	}
	if status, _ := s.post(t, "/t", "application/json", `{"a":1}`); status != 200 {
		t.Errorf("small: %d", status)
	}
	if s.refusedFor(t, "503", "memory") != 1 {
		t.Error("not counted")
	}
	holder.release()
	if status, _ := s.post(t, "/t", "application/json", large); status != 200 {
		t.Errorf("large, with room again: %d", status)
	}
}

// Heads are bounded one by one, as in Fluentd, and all together.
func TestHTTPHeads(t *testing.T) {
	head := func(size int) string {
		return "POST /t HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\nX: " + strings.Repeat("x", size) + "\r\n\r\n{}"
	}
	s := startHTTP(t, "body_size_limit 100k\nrequest_memory_limit 300k")
	if answers, _ := s.raw(t, head(60<<10)+head(60<<10), 2); len(answers) != 2 || answers[1] != "200 OK" {
		t.Errorf("60k: %.200q", answers)
	}
	if answers, closed := s.raw(t, head(100<<10), 2); !closed || len(answers) > 1 || len(answers) == 1 && !strings.HasPrefix(answers[0], "431") {
		t.Errorf("100k: %.200q, closed %v", answers, closed)
	}
	holder := loan{memory: s.memory}
	if err := holder.take(context.Background(), 200<<10); err != nil {
		t.Fatal(err)
	}
	if answers, closed := s.raw(t, head(60<<10), 2); !closed || len(answers) > 0 && strings.HasPrefix(answers[0], "200") {
		t.Errorf("60k while others hold the rest: %.200q", answers)
	}
	if s.refusedFor(t, "0", "head memory") != 1 {
		t.Error("not counted")
	}
	holder.release()
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if !s.memory.sem.TryAcquire(s.memory.total) {
		t.Error("memory was not given back")
	}
}

// Connections beyond the limit wait, and are served when one ends.
func TestHTTPMaxConnections(t *testing.T) {
	s := startHTTP(t, "max_connections 1")
	first, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	const probe = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	if _, err := io.WriteString(first, probe); err != nil {
		t.Fatal(err)
	}
	if _, err := first.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	answered := make(chan []string, 1)
	go func() {
		answers, _ := s.raw(t, probe, 1)
		answered <- answers
	}()
	if got := counted(t, s.env.Metrics, "relay_http_connections"); got != 1 {
		t.Errorf("%d connections are open", got)
	}
	_ = first.Close()
	if answers := <-answered; len(answers) != 1 || answers[0] != "200 OK" {
		t.Errorf("%q", answers)
	}
}

// Who never speaks makes room for who comes, and who has spoken stays.
func TestHTTPCrowdedOut(t *testing.T) {
	s := startHTTP(t, "max_connections 2")
	dial := func() net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	probe := func(c net.Conn) error {
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			return err
		}
		_, err := io.ReadFull(c, make([]byte, 64))
		return err
	}
	regular := dial()
	if err := probe(regular); err != nil {
		t.Fatal(err)
	}
	silent := []net.Conn{dial(), dial(), dial()}
	for _, c := range silent[:2] {
		if n, err := c.Read(make([]byte, 1)); n > 0 || !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the oldest silent one read %d bytes, %v", n, err)
		}
	}
	if err := probe(silent[2]); err != nil {
		t.Errorf("the newest one: %v", err)
	}
	if err := probe(regular); err != nil {
		t.Errorf("one that has spoken: %v", err)
	}
	if got := s.refusedFor(t, "0", "crowded out"); got != 2 {
		t.Errorf("%d counted", got)
	}
}

// A stop answers what is under way, and only then returns.
func TestHTTPStopAnswers(t *testing.T) {
	s := startHTTP(t, "")
	s.out.hold = make(chan struct{})
	const clients = 10
	var wg sync.WaitGroup
	statuses := make(chan string, clients)
	for i := range clients {
		wg.Go(func() {
			answers, _ := s.raw(t, fmt.Sprintf("POST /t HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"a\":%d}", i), 1)
			statuses <- strings.Join(answers, "")
		})
	}
	for range clients {
		<-s.out.entered
	}
	stopped := make(chan error, 1)
	go func() { stopped <- s.stop() }()
	close(s.out.hold)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	wg.Wait()
	close(statuses)
	for status := range statuses {
		if status != "200 OK" {
			t.Errorf("answered %q", status)
		}
	}
	if got := len(s.out.take()); got != clients {
		t.Errorf("%d events, want %d", got, clients)
	}
}

// A client that goes away while its events are written is counted, and nobody else
// suffers.
func TestHTTPClientGone(t *testing.T) {
	s := startHTTP(t, "")
	s.out.hold = make(chan struct{})
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(c, "POST /t HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
	<-s.out.entered
	_ = c.Close()
	<-s.out.came
	close(s.out.hold)
	if status, _ := s.post(t, "/t", "application/json", "{}"); status != 200 {
		t.Errorf("the next one got %d", status)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if s.refusedFor(t, "499", "client gone") != 1 {
		t.Error("not counted")
	}
}
