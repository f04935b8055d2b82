package ingest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// victim is the source that is attacked.
type victim struct {
	addr string
	tls  *tls.Config // of a client that is let in
	// linger is how long what an attack holds open stays so.
	linger time.Duration
	// pid is the process that is attacked, and most how many connections it may hold.
	pid, most int
}

// attack is one way to hurt a source. It runs until it is done or ctx ends, and
// returns an error when the source gave an answer that it must not give.
type attack struct {
	name        string
	small, full int // how many of whatever it is, in `make test` and in full
	run         func(ctx context.Context, v victim, n int) error
}

var attacks = []attack{
	{"connections that never speak", 300, 20_000, silence},
	{"handshakes opened and dropped", 30, 2_000, handshakes},
	{"half ClientHellos", 200, 5_000, halfHellos},
	{"slowloris: heads byte by byte", 100, 2_000, slowHeads},
	{"slow bodies", 50, 1_000, slowBodies},
	{"floods of headers", 50, 1_000, headFloods},
	{"gzip bombs", 4, 64, bombs},
	{"wrong lengths", 20, 1_000, wrongLengths},
	{"pipelining, answers not read", 20, 500, pipelines},
	{"HTTP/2 rapid reset", 500, 100_000, rapidReset},
	{"HTTP/2 heads, bodies not sent", 4, 400, heldHeads},
	{"arrays of 1 GB", 16 << 20, 1 << 30, hugeArrays},
	{"arrays of empty objects", 2, 40, emptyObjects},
	{"deep nesting", 10, 200, deepNesting},
	{"invalid UTF-8", 10, 1_000, invalidText},
	{"msgpack lies about lengths", 20, 2_000, msgpackLies},
}

// from makes connections come from several loopback addresses.
func (v victim) dial(ctx context.Context, i int) (net.Conn, error) {
	d := net.Dialer{Timeout: 5 * time.Second, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+i%8))}}
	return d.DialContext(ctx, "tcp", v.addr)
}

func (v victim) secure(ctx context.Context, i int) (*tls.Conn, error) {
	c, err := v.dial(ctx, i)
	if err != nil {
		return nil, err
	}
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	s := tls.Client(c, v.tls)
	if err := s.HandshakeContext(ctx); err != nil {
		_ = c.Close()
		return nil, err
	}
	return s, nil
}

// crowd runs work n times, so many at once.
func crowd(ctx context.Context, n, atOnce int, work func(i int) error) error {
	slots := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed error
	for i := 0; i < n && ctx.Err() == nil; i++ {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := work(i); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed = err
			}
		})
	}
	wg.Wait()
	return failed
}

// crowdHeld are connections that stay open until the attack is over.
type crowdHeld struct {
	mu  sync.Mutex
	all []net.Conn
}

func (h *crowdHeld) add(c net.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, c)
}

func (h *crowdHeld) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.all {
		_ = c.Close()
	}
}

func hold(ctx context.Context, v victim, n int, open func(i int) (net.Conn, error)) error {
	return holdUntil(ctx, v, n, open, func(int) error { _ = pause(ctx, v.linger); return nil })
}

// holdUntil opens connections, so many as it can, and keeps them until done returns.
func holdUntil(ctx context.Context, v victim, n int, open func(i int) (net.Conn, error), done func(opened int) error) error {
	var h crowdHeld
	defer h.close()
	err := crowd(ctx, n, 64, func(i int) error {
		if c, err := open(i); err == nil {
			h.add(c)
		}
		return nil // that it is not let in is fine
	})
	return errors.Join(err, done(len(h.all)))
}

// holdFull is hold of connections that the source has no reason to close but others:
// it must hold as many as it may, and no more.
func holdFull(ctx context.Context, v victim, n int, open func(i int) (net.Conn, error)) error {
	return holdUntil(ctx, v, min(n, spareFiles()), open, func(opened int) error {
		if opened < n*9/10 {
			return fmt.Errorf("only %d of %d connections could be opened: that is no attack", opened, n)
		}
		err := v.holds(ctx, min(n, v.most))
		_ = pause(ctx, v.linger)
		return err
	})
}

// holds waits until the source holds so many connections. More than most are only
// those that are being closed.
func (v victim) holds(ctx context.Context, want int) error {
	held := 0
	for range 100 {
		var err error
		held, err = heldBy(v.pid, v.addr)
		switch {
		case err != nil:
			return err
		case held > v.most*11/10:
			return fmt.Errorf("%d connections are held, %d may be", held, v.most)
		case held >= want:
			return nil
		}
		_ = pause(ctx, 20*time.Millisecond)
	}
	return fmt.Errorf("%d connections are held, not %d", held, want)
}

func silence(ctx context.Context, v victim, n int) error {
	return holdFull(ctx, v, n, func(i int) (net.Conn, error) { return v.dial(ctx, i) })
}

func handshakes(ctx context.Context, v victim, n int) error {
	return crowd(ctx, n, 32, func(i int) error {
		if c, err := v.secure(ctx, i); err == nil {
			_ = c.NetConn().Close()
		}
		return nil
	})
}

// hello is what a client says first.
func hello() []byte {
	client, server := net.Pipe()
	go func() {
		_ = tls.Client(client, &tls.Config{ServerName: "x"}).Handshake()
	}()
	buf := make([]byte, 4096)
	n, _ := server.Read(buf)
	_ = server.Close()
	_ = client.Close()
	return buf[:n]
}

func halfHellos(ctx context.Context, v victim, n int) error {
	half := hello()
	half = half[:len(half)/2]
	return holdFull(ctx, v, n, func(i int) (net.Conn, error) {
		c, err := v.dial(ctx, i)
		if err == nil {
			_, err = c.Write(half)
		}
		return c, err
	})
}

func slowHeads(ctx context.Context, v victim, n int) error {
	return hold(ctx, v, n, func(i int) (net.Conn, error) {
		c, err := v.secure(ctx, i)
		if err != nil {
			return nil, err
		}
		for _, b := range []byte("POST /t HTTP/1.1\r\nX: ") {
			if _, err = c.Write([]byte{b}); err != nil {
				break
			}
		}
		return c, nil
	})
}

func slowBodies(ctx context.Context, v victim, n int) error {
	return hold(ctx, v, n, func(i int) (net.Conn, error) {
		c, err := v.secure(ctx, i)
		if err != nil {
			return nil, err
		}
		_, _ = fmt.Fprintf(c, "POST /t HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n{", 1<<20)
		return c, nil
	})
}

func headFloods(ctx context.Context, v victim, n int) error {
	flood := "POST /t HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X-Flood: "+strings.Repeat("x", 70)+"\r\n", 950)
	return hold(ctx, v, n, func(i int) (net.Conn, error) {
		c, err := v.secure(ctx, i)
		if err != nil {
			return nil, err
		}
		_, _ = io.WriteString(c, flood)
		return c, nil
	})
}

// send posts one body on a connection of its own and returns the status; 0 when the
// source closed without an answer, which it may.
func (v victim) send(ctx context.Context, i int, head string, body io.Reader) int {
	c, err := v.secure(ctx, i)
	if err != nil {
		return 0
	}
	defer c.Close()
	go func() {
		_, _ = io.WriteString(c, "POST /t HTTP/1.1\r\nHost: x\r\n"+head+"\r\n")
		_, _ = io.Copy(c, body)
	}()
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}

func mustRefuse(status int, what string) error {
	if status/100 == 2 {
		return fmt.Errorf("%s: answered %d", what, status)
	}
	return nil
}

// bomb is so many megabytes of zeros within a JSON string, in a thousandth of that.
func bomb(megabytes int) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	_, _ = io.WriteString(w, `{"a":"`)
	zeros := bytes.Repeat([]byte{'0'}, 1<<20)
	for range megabytes {
		_, _ = w.Write(zeros)
	}
	_, _ = io.WriteString(w, `"}`)
	_ = w.Close()
	return b.Bytes()
}

var hugeBomb = sync.OnceValue(func() []byte { return bomb(1 << 10) })

func bombs(ctx context.Context, v victim, n int) error {
	body := bomb(16)
	if n > 8 {
		body = hugeBomb()
	}
	return crowd(ctx, n, 8, func(i int) error {
		head := fmt.Sprintf("Content-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n", len(body))
		return mustRefuse(v.send(ctx, i, head, bytes.NewReader(body)), "gzip bomb")
	})
}

func wrongLengths(ctx context.Context, v victim, n int) error {
	heads := []string{
		"Content-Length: -1\r\n", "Content-Length: 99999999999999999999\r\n", "Content-Length: 2\r\nContent-Length: 3\r\n",
		"Content-Length: 0x10\r\n", "Content-Length: 2 2\r\n", "Transfer-Encoding: chunked, chunked\r\n", "Transfer-Encoding: gzip\r\n",
		"Content-Length: 4000000000\r\n",
	}
	return crowd(ctx, n, 16, func(i int) error {
		head := heads[i%len(heads)]
		return mustRefuse(v.send(ctx, i, "Content-Type: application/json\r\n"+head, strings.NewReader("{}")), head)
	})
}

func pipelines(ctx context.Context, v victim, n int) error {
	many := strings.Repeat("POST /t HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"a\":1}", 500)
	return hold(ctx, v, n, func(i int) (net.Conn, error) {
		c, err := v.secure(ctx, i)
		if err != nil {
			return nil, err
		}
		_ = c.SetWriteDeadline(time.Now().Add(2 * time.Second))
		_, _ = io.WriteString(c, many)
		return c, nil
	})
}

func rapidReset(ctx context.Context, v victim, n int) error {
	const perConnection = 1000
	return crowd(ctx, (n+perConnection-1)/perConnection, 8, func(i int) error {
		h2 := v
		h2.tls = v.tls.Clone()
		h2.tls.NextProtos = []string{"h2"}
		c, err := h2.secure(ctx, i)
		if err != nil {
			return nil //nolint:nilerr // not let in
		}
		defer c.Close()
		if c.ConnectionState().NegotiatedProtocol != "h2" {
			return errors.New("no HTTP/2")
		}
		go func() { _, _ = io.Copy(io.Discard, c) }()
		resetStreams(c, min(n, perConnection))
		return nil
	})
}

func resetStreams(c net.Conn, n int) {
	_, _ = io.WriteString(c, http2.ClientPreface)
	f := http2.NewFramer(c, c)
	_ = f.WriteSettings()
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for s := range uint32(n) {
		block.Reset()
		for _, h := range [][2]string{{":method", "POST"}, {":scheme", "https"}, {":authority", "x"}, {":path", "/t"}, {"content-type", "application/json"}} {
			_ = enc.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]})
		}
		id := 2*s + 1
		if f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndHeaders: true}) != nil {
			return // GOAWAY, most likely
		}
		if f.WriteRSTStream(id, http2.ErrCodeCancel) != nil {
			return
		}
	}
}

// heldHeads opens as many streams as each connection may have, each with the largest
// head that is taken and a body that never comes.
func heldHeads(ctx context.Context, v victim, n int) error {
	return hold(ctx, v, n, func(i int) (net.Conn, error) {
		h2 := v
		h2.tls = v.tls.Clone()
		h2.tls.NextProtos = []string{"h2"}
		c, err := h2.secure(ctx, i)
		if err != nil {
			return nil, err
		}
		go func() { _, _ = io.Copy(io.Discard, c) }()
		largeStreams(c)
		return c, nil
	})
}

func largeStreams(c net.Conn) {
	_, _ = io.WriteString(c, http2.ClientPreface)
	f := http2.NewFramer(c, c)
	_ = f.WriteSettings()
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	enc.SetMaxDynamicTableSize(0) // nothing is sent once and held twice
	for s := range uint32(100) {
		block.Reset()
		for _, h := range [][2]string{{":method", "POST"}, {":scheme", "https"}, {":authority", "x"}, {":path", "/t"}, {"content-type", "application/json"}} {
			_ = enc.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]})
		}
		for i := range 18 {
			_ = enc.WriteField(hpack.HeaderField{Name: fmt.Sprintf("x-%d", i), Value: strings.Repeat("~", 4000), Sensitive: true})
		}
		rest := block.Bytes()
		first := min(len(rest), 16<<10)
		if f.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*s + 1, BlockFragment: rest[:first], EndHeaders: first == len(rest)}) != nil {
			return
		}
		for rest = rest[first:]; len(rest) > 0; {
			n := min(len(rest), 16<<10)
			if f.WriteContinuation(2*s+1, n == len(rest), rest[:n]) != nil {
				return
			}
			rest = rest[n:]
		}
	}
}

// endless is a chunked body of an array of so many bytes.
func endless(n int64) io.Reader {
	piece := strings.Repeat(`{"event":"x","n":12345},`, 2730)
	chunk := fmt.Sprintf("%x\r\n%s\r\n", len(piece), piece)
	return io.MultiReader(strings.NewReader("1\r\n[\r\n"), io.LimitReader(&repeat{text: chunk}, n))
}

type repeat struct {
	text string
	at   int
}

func (r *repeat) Read(p []byte) (int, error) {
	n := copy(p, r.text[r.at:])
	r.at = (r.at + n) % len(r.text)
	return n, nil
}

func hugeArrays(ctx context.Context, v victim, size int) error {
	return crowd(ctx, 4, 4, func(i int) error {
		return mustRefuse(v.send(ctx, i, "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n", endless(int64(size))), "huge array")
	})
}

func emptyObjects(ctx context.Context, v victim, n int) error {
	body := "[" + strings.Repeat("{},", 1_200_000) + "{}]"
	return crowd(ctx, n, 8, func(i int) error {
		return mustRefuse(v.send(ctx, i, fmt.Sprintf("Content-Type: application/json\r\nContent-Length: %d\r\n", len(body)), strings.NewReader(body)), "empty objects")
	})
}

func deepNesting(ctx context.Context, v victim, n int) error {
	const depth = 100_000
	bodies := []struct{ typ, body string }{
		{"application/json", strings.Repeat("[", depth)},
		{"application/json", strings.Repeat(`{"a":`, depth) + "1" + strings.Repeat("}", depth)},
		{"application/msgpack", strings.Repeat("\x91", depth) + "\x80"},
		{"application/msgpack", strings.Repeat("\x81\xa1a", depth) + "\x01"},
	}
	return crowd(ctx, n, 8, func(i int) error {
		b := bodies[i%len(bodies)]
		return mustRefuse(v.send(ctx, i, fmt.Sprintf("Content-Type: %s\r\nContent-Length: %d\r\n", b.typ, len(b.body)), strings.NewReader(b.body)), "deep nesting")
	})
}

// invalidText is taken, byte by byte, as by Fluentd.
func invalidText(ctx context.Context, v victim, n int) error {
	body := "{\"a\":\"\xff\xfe\xc0\x80\xed\xa0\x80\"}"
	return crowd(ctx, n, 8, func(i int) error {
		if status := v.send(ctx, i, fmt.Sprintf("Content-Type: application/json\r\nContent-Length: %d\r\n", len(body)), strings.NewReader(body)); status != 200 && status != 0 {
			return fmt.Errorf("invalid UTF-8: answered %d", status)
		}
		return nil
	})
}

func msgpackLies(ctx context.Context, v victim, n int) error {
	lies := []string{
		"\xdf\xff\xff\xff\xff", "\xdd\xff\xff\xff\xff\x80", "\x81\xdb\xff\xff\xff\xffab", "\xde\xff\xff\xa1a\x01",
		"\x81\xa1a\xc6\x7f\xff\xff\xff\x00", "\x81\xa1a\xc9\xff\xff\xff\xff\x00", strings.Repeat("\xdd\x00\xff\xff\xff", 1000),
	}
	return crowd(ctx, n, 8, func(i int) error {
		body := lies[i%len(lies)]
		return mustRefuse(v.send(ctx, i, fmt.Sprintf("Content-Type: application/msgpack\r\nContent-Length: %d\r\n", len(body)), strings.NewReader(body)), "msgpack")
	})
}
