package ingest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/plugin"
)

// textSource is a running tcp, udp or syslog source.
type textSource struct {
	addr string
	env  plugin.Env
	out  *pipeline
	log  *syncBuffer
	stop func() error
}

// startText starts the source that is named, on a free port.
func startText(t *testing.T, typ, text string) *textSource {
	t.Helper()
	env, log := testEnv("in", typ)
	build := map[string]func(plugin.Env) plugin.Input{"tcp": NewTCP, "udp": NewUDP, "syslog": NewSyslog}[typ]
	in, err := decodeSource(t, env, "bind 127.0.0.1\nport 0\n"+text, build)
	if err != nil {
		t.Fatal(err)
	}
	s := &textSource{env: env, out: newPipeline(), log: log}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	if err := in.(interface{ Start(context.Context) error }).Start(ctx); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	switch in := in.(type) {
	case *inUDP:
		s.addr = servePackets(t, ctx, in.packets(), s.out, done)
	case *inSyslog:
		if in.protocol == "udp" {
			s.addr = servePackets(t, ctx, in.packets(), s.out, done)
			break
		}
		s.addr = serveStream(t, ctx, in.serveOn, s.out, done)
	case *inTCP:
		s.addr = serveStream(t, ctx, in.serveOn, s.out, done)
	}
	s.stop = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return s
}

func servePackets(t *testing.T, ctx context.Context, p *packets, out plugin.Emitter, done chan<- error) string {
	t.Helper()
	conn, err := p.listen(ctx)
	if err != nil {
		t.Fatal(err)
	}
	go func() { done <- p.serveOn(ctx, conn, out) }()
	return conn.LocalAddr().String()
}

func serveStream(t *testing.T, ctx context.Context, serve func(context.Context, net.Listener, plugin.Emitter) error, out plugin.Emitter, done chan<- error) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { done <- serve(ctx, ln, out) }()
	return ln.Addr().String()
}

// say sends pieces on one connection and closes it.
func (s *textSource) say(t *testing.T, network string, pieces ...string) {
	t.Helper()
	c, err := net.Dial(network, s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, p := range pieces {
		if _, err := io.WriteString(c, p); err != nil {
			t.Fatal(err)
		}
	}
}

func (s *textSource) dropped(t *testing.T, reason string) int {
	return counted(t, s.env.Metrics, "relay_events_dropped_total", "reason", reason)
}

const parseLines = "\n<parse>\n@type lines\n</parse>\n"

func TestTCP(t *testing.T) {
	for name, c := range map[string]struct {
		conf   string
		sent   []string
		want   []string
		reason string // of what is dropped
		lost   int
	}{
		"lines":                       {"", []string{"a\nb\n"}, []string{"a", "b"}, "", 0},
		"in pieces":                   {"", []string{"a", "a\nb", "\n"}, []string{"aa", "b"}, "", 0},
		"the last without its end":    {"", []string{"a\nb"}, []string{"a", "b"}, "", 0},
		"delimiter":                   {`delimiter "|"`, []string{"a|b\nc|"}, []string{"a", "b", "c"}, "", 0},
		"delimiter of several, split": {`delimiter "--"`, []string{"a-", "-b-c--"}, []string{"a", "b-c"}, "", 0},
		"too long":                    {"message_length_limit 4", []string{"12345\n1234\n123456789012345\nx\n"}, []string{"1234", "x"}, "too large", 2},
		"not matched":                 {"", []string{"a\nbad\nb\n"}, []string{"a", "b"}, "invalid", 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := startText(t, "tcp", "tag t\n"+c.conf+parseLines)
			s.say(t, "tcp", c.sent...)
			var want []string
			for _, text := range c.want {
				for line := range strings.SplitSeq(text, "\n") {
					want = append(want, fmt.Sprintf("t now {\"m\":%q}", line))
				}
			}
			sameEvents(t, s.out.waitFor(t, len(want)), want...)
			if err := s.stop(); err != nil {
				t.Fatal(err)
			}
			if c.lost > 0 && s.dropped(t, c.reason) != c.lost {
				t.Errorf("%d counted as %s, want %d", s.dropped(t, c.reason), c.reason, c.lost)
			}
			if strings.Contains(s.log.String(), "123456") {
				t.Errorf("the log holds what was sent: %s", s.log.String())
			}
		})
	}
}

func TestTCPSender(t *testing.T) {
	s := startText(t, "tcp", "tag t\nsource_address_key addr\n<extract>\ntag_key m\nkeep_tag_key true\n</extract>"+parseLines)
	s.say(t, "tcp", "x.y\n")
	sameEvents(t, s.out.waitFor(t, 1), `x.y now {"m":"x.y","addr":"127.0.0.1"}`)
}

func TestTCPNetworks(t *testing.T) {
	s := startText(t, "tcp", "tag t\n<security>\nallow_anonymous_source false\n<client>\nnetwork 10.0.0.0/8\n</client>\n</security>"+parseLines)
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if n, err := c.Read(make([]byte, 1)); n > 0 || err == nil {
		t.Errorf("read %d bytes, %v: the connection should be closed", n, err)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(s.log.String(), "anonymous client denied") {
		t.Error("it went unsaid")
	}
	if got := counted(t, s.env.Metrics, "relay_input_refused_total", "reason", "network"); got != 1 {
		t.Errorf("%d counted", got)
	}
	allowed := startText(t, "tcp", "tag t\n<security>\nallow_anonymous_source false\n<client>\nhost 127.0.0.1\n</client>\n</security>"+parseLines)
	allowed.say(t, "tcp", "a\n")
	allowed.out.waitFor(t, 1)
}

func TestTCPOverTLS(t *testing.T) {
	dir, client := pairs(t)
	config := clientTLS(t, client)
	for _, c := range []struct{ typ, conf, sent, want string }{
		{"tcp", "tag t\nadd_client_cert_subject who" + parseLines, "a\n", `t now {"m":"a","who":"CN=client"}`},
		{"syslog", "tag t\n" + parseLines, "<14>a\n", `t.user.info now {"m":"a"}`},
		{"syslog", "tag t\nframe_type octet_count\n" + parseLines, "6 <14>ab", `t.user.info now {"m":"ab"}`},
	} {
		s := startText(t, c.typ, c.conf+transport(dir, "client_cert_auth true"))
		conn, err := tls.Dial("tcp", s.addr, config)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, c.sent)
		_ = conn.Close()
		sameEvents(t, s.out.waitFor(t, 1), c.want)
		none := config.Clone()
		none.Certificates = nil
		if conn, err = tls.Dial("tcp", s.addr, none); err == nil {
			_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
			if _, err = conn.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
				t.Errorf("%s: a client without certificate was not told off: %v", c.typ, err)
			}
			_ = conn.Close()
		}
	}
}

// A full buffer slows the sender down and loses nothing.
func TestTextsWaitForRoom(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		s := startText(t, network, "tag t"+parseLines)
		full := 2
		s.out.failWith(func(string) error {
			if full--; full >= 0 {
				return buffer.ErrFull
			}
			return nil
		})
		s.say(t, network, "a\n")
		sameEvents(t, s.out.waitFor(t, 1), `t now {"m":"a"}`)
	}
}

// What the pipeline refuses for good is counted and said.
func TestTextsEmitFails(t *testing.T) {
	s := startText(t, "tcp", "tag t"+parseLines)
	s.out.failWith(func(string) error { return errors.New("disk is gone") })
	s.say(t, "tcp", "secret\n")
	<-s.out.came
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if s.dropped(t, "emit failed") != 1 || !strings.Contains(s.log.String(), "disk is gone") || strings.Contains(s.log.String(), "secret") {
		t.Errorf("%d counted; log %s", s.dropped(t, "emit failed"), s.log.String())
	}
}

// acceptor is <label @ERROR>.
type acceptor struct{ got chan string }

func (a acceptor) Accept(_ *plugin.Tx, tag string, es event.Stream) error {
	for _, e := range es {
		a.got <- tag + " " + string(e.Record.AppendJSON(nil))
	}
	return nil
}

func TestRejectsGoToError(t *testing.T) {
	env, _ := testEnv("in", "tcp")
	a := acceptor{make(chan string, 1)}
	env.Label = func(name string) plugin.Acceptor {
		if name != "@ERROR" {
			return nil
		}
		return a
	}
	r := newRejects(newTally(env))
	r.open()
	if err := r.take(context.Background(), "t", []any{"bad"}, "pattern not matched"); err != nil {
		t.Fatal(err)
	}
	if got := <-a.got; got != `t {"invalid":"bad"}` {
		t.Errorf("%s", got)
	}
}

func TestUDP(t *testing.T) {
	for name, c := range map[string]struct {
		conf string
		sent []string
		want []string
	}{
		"datagrams":       {"", []string{"a\n", "b"}, []string{"a", "b"}},
		"carriage return": {"", []string{"a\r\n"}, []string{"a"}},
		"cut off":         {"message_length_limit 3", []string{"12345"}, []string{"123"}},
		"lines within":    {"", []string{"a\nb\n"}, []string{"a", "b"}},
		"receive buffer":  {"receive_buffer_size 64k", []string{"a"}, []string{"a"}},
		"not matched":     {"", []string{"bad", "b"}, []string{"b"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := startText(t, "udp", "tag t\nsource_address_key addr\n"+c.conf+parseLines)
			s.say(t, "udp", c.sent...)
			var want []string
			for _, m := range c.want {
				want = append(want, fmt.Sprintf(`t now {"m":%q,"addr":"127.0.0.1"}`, m))
			}
			sameEvents(t, s.out.waitFor(t, len(want)), want...)
		})
	}
}

func TestSyslog(t *testing.T) {
	for name, c := range map[string]struct {
		network, conf string
		sent          []string
		want          []string
		lost          int
	}{
		"udp":                 {"udp", "", []string{"<13>a\n"}, []string{`t.user.notice now {"m":"a"}`}, 0},
		"keys":                {"udp", "severity_key s\nfacility_key f\nsource_address_key a", []string{"<191>a"}, []string{`t.local7.debug now {"m":"a","s":"debug","f":"local7","a":"127.0.0.1"}`}, 0},
		"include_source_host": {"udp", "include_source_host true", []string{"<0>a"}, []string{`t.kern.emerg now {"m":"a","source_host":"127.0.0.1"}`}, 0},
		"priority too high":   {"udp", "", []string{"<999>a", "<1>b"}, []string{`t.kern.alert now {"m":"b"}`}, 1},
		"no priority":         {"udp", "", []string{"a", "<1>b"}, []string{`t.kern.alert now {"m":"b"}`}, 1},
		"unmatched lines":     {"udp", "emit_unmatched_lines true", []string{"a", "<1>bad"}, []string{`t.unmatched now {"unmatched_line":"a"}`, `t.unmatched now {"unmatched_line":"bad"}`}, 0},
		"tcp":                 {"tcp", "<transport tcp>\n</transport>", []string{"<13>a\n<14>", "b\n"}, []string{`t.user.notice now {"m":"a"}`, `t.user.info now {"m":"b"}`}, 0},
		"protocol_type":       {"tcp", "protocol_type tcp", []string{"<13>a\n"}, []string{`t.user.notice now {"m":"a"}`}, 0},
		"octet count":         {"tcp", "<transport tcp>\n</transport>\nframe_type octet_count", []string{"5 <13>a7 <14", ">b\nc"}, []string{`t.user.notice now {"m":"a"}`, `t.user.info now {"m":"b"}`, `t.user.info now {"m":"c"}`}, 0},
		"octet count, long":   {"tcp", "<transport tcp>\n</transport>\nframe_type octet_count\nmessage_length_limit 8", []string{"10 <13>123456", "5 <13>a"}, []string{`t.user.notice now {"m":"a"}`}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := startText(t, "syslog", "tag t\n"+c.conf+parseLines)
			s.say(t, c.network, c.sent...)
			sameEvents(t, s.out.waitFor(t, len(c.want)), c.want...)
			if err := s.stop(); err != nil {
				t.Fatal(err)
			}
			if got := s.dropped(t, "invalid") + s.dropped(t, "too large"); got != c.lost {
				t.Errorf("%d dropped, want %d", got, c.lost)
			}
		})
	}
}

// A stream that does not begin with a length ends the connection: nobody knows where
// the next message would begin.
func TestSyslogBadCount(t *testing.T) {
	s := startText(t, "syslog", "tag t\nframe_type octet_count\n<transport tcp>\n</transport>"+parseLines)
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(c, "5 <13>ax <13>b")
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v: the connection should be closed", err)
	}
	sameEvents(t, s.out.waitFor(t, 1), `t.user.notice now {"m":"a"}`)
	if got := counted(t, s.env.Metrics, "relay_input_refused_total", "reason", "unreadable"); got != 1 {
		t.Errorf("%d counted", got)
	}
}

func TestTextConfigErrors(t *testing.T) {
	for _, c := range []struct {
		typ, conf, want string
	}{
		{"tcp", "tag t", "parse"},
		{"tcp", parseLines, "tag: parameter is required"},
		{"tcp", "tag t\nport 70000" + parseLines, "70000 is no port"},
		{"tcp", "tag t\ndelimiter \"\"" + parseLines, "an empty delimiter"},
		{"tcp", "tag t\n<security>\nallow_anonymous_source false\n</security>" + parseLines, "<client> sections required"},
		{"tcp", "tag t\n<security>\n<client>\nnetwork 10.0.0.0/x\n</client>\n</security>" + parseLines, "is no network"},
		{"udp", "tag t\nmessage_length_limit 0" + parseLines, "leaves no room"},
		{"syslog", "tag t\ninclude_source_host true\nsource_address_key a" + parseLines, "specify either source_address_key or include_source_host"},
		{"syslog", "tag t\nframe_type x" + parseLines, "frame_type"},
		{"syslog", "tag t\n<parse>\n@type nope\n</parse>", "unknown parser nope"},
	} {
		env, _ := testEnv("in", c.typ)
		build := map[string]func(plugin.Env) plugin.Input{"tcp": NewTCP, "udp": NewUDP, "syslog": NewSyslog}[c.typ]
		if _, err := decodeSource(t, env, c.conf, build); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %q: %v, want %s", c.typ, c.conf, err, c.want)
		}
	}
}

// The splitter gives the same messages whatever pieces a stream comes in, and holds
// little more than one.
func FuzzSplitter(f *testing.F) {
	f.Add([]byte("a\nbb\n\nccc"), uint8(1), false)
	f.Add([]byte("1 a3 abc0 2 xy"), uint8(3), true)
	f.Add([]byte("12345678901 a"), uint8(2), true)
	f.Add([]byte("loooooooooooooooooong\nx\n"), uint8(5), false)
	f.Fuzz(func(t *testing.T, stream []byte, piece uint8, counted bool) {
		all := func(r io.Reader) (messages []string, lost int, err error) {
			s := newSplitter(r, "\n", 16)
			s.counted = counted
			s.tooLong = func(int) { lost++ }
			for {
				m, _, err := s.next()
				if err != nil {
					return messages, lost, err
				}
				if len(m) > 16 {
					t.Fatalf("a message of %d bytes", len(m))
				}
				messages = append(messages, string(m))
			}
		}
		whole, lostWhole, errWhole := all(strings.NewReader(string(stream)))
		parts, lostParts, errParts := all(&inPieces{stream, int(piece)%7 + 1})
		if !slices.Equal(whole, parts) || lostWhole != lostParts || fmt.Sprint(errWhole) != fmt.Sprint(errParts) {
			t.Fatalf("whole: %q, %d lost, %v; in pieces: %q, %d lost, %v", whole, lostWhole, errWhole, parts, lostParts, errParts)
		}
	})
}

type inPieces struct {
	rest []byte
	n    int
}

func (p *inPieces) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), p.n)], p.rest)
	p.rest = p.rest[n:]
	return n, nil
}
