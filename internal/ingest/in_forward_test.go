package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/forward"
	"github.com/sluicelog/sluice/internal/plugin"
)

func TestForwardTakes(t *testing.T) {
	packed := forward.AppendEntry(nil, event.Event{Time: event.Time{Sec: 1}, Record: event.NewRecord("n", 2)}, false)
	for _, tc := range []struct {
		name, lines string
		send        []any
		want        []string
		invalid     int
	}{
		{"modes", "", []any{message("a", 1), []any{"a", event.Binary(packed)}, []any{"a", []any{[]any{int64(1), event.NewRecord("n", 3)}}}}, []string{`a{"n":1}`, `a{"n":2}`, `a{"n":3}`}, 0},
		{"json", "", []any{[]byte(`["a",1,{"n":1}]["a",[[1,{"n":2}]]]`)}, []string{`a{"n":1}`, `a{"n":2}`}, 0},
		{"tag", "tag x", []any{message("a", 1)}, []string{`x{"n":1}`}, 0},
		{"prefix", "add_tag_prefix pre", []any{message("a", 1)}, []string{`pre.a{"n":1}`}, 0},
		{"tag and prefix", "tag x\nadd_tag_prefix pre", []any{message("a", 1)}, []string{`pre.x{"n":1}`}, 0},
		{"address", "source_address_key from", []any{message("a", 1)}, []string{`a{"n":1,"from":"127.0.0.1"}`}, 0},
		{"noise between", "", []any{message("a", 1), "noise", []any{}, message("a", 2)}, []string{`a{"n":1}`, `a{"n":2}`}, 2},
		{"heartbeats between", "", []any{nil, message("a", 1), nil, nil, message("a", 2)}, []string{`a{"n":1}`, `a{"n":2}`}, 0},
		{"invalid among others", "", []any{[]any{"a", []any{5, []any{int64(1), event.NewRecord("n", 1)}, []any{nil, nil}}}}, []string{`a{"n":1}`}, 2},
		{"invalid among others, no acknowledgement, not skipped", "skip_invalid_event false", []any{[]any{"a", []any{5, []any{int64(1), event.NewRecord("n", 1)}}}}, []string{`a{"n":1}`}, 1},
		{"too large", "chunk_size_limit 100", []any{[]any{"a", int64(1), event.NewRecord("s", strings.Repeat("x", 200))}, message("a", 2)}, []string{`a{"n":2}`}, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := startForward(t, tc.lines)
			c := s.dial()
			c.send(tc.send...)
			if got := s.sink.wait(t, len(tc.want)); !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			_ = c.conn.Close()
			if got := s.errors.wait(t, tc.invalid); len(got) != tc.invalid {
				t.Errorf("@ERROR got %q, want %d", got, tc.invalid)
			}
			s.stop()
			if strings.Contains(s.log.String(), `"n"`) {
				t.Errorf("the log shows a record: %s", s.log)
			}
		})
	}
}

func TestForwardHostname(t *testing.T) {
	s := startForward(t, "source_hostname_key host")
	s.dial().send(message("a", 1))
	if got := s.sink.wait(t, 1)[0]; !strings.HasPrefix(got, `a{"n":1,"host":"`) || strings.HasSuffix(got, `""}`) {
		t.Errorf("got %s", got)
	}
}

// An acknowledgement is sent when Emit has returned, which is when the events are on
// disk, and not before.
func TestForwardAcks(t *testing.T) {
	gate := make(chan struct{})
	var stored atomic.Bool
	s := startForward(t, "", func(s *forwardSource) {
		s.sink.fail = func(string, event.Stream) error { <-gate; stored.Store(true); return nil }
	})
	c := s.dial()
	c.send(message("a", 1, "one"))
	acked := make(chan string)
	go func() { acked <- c.ack() }()
	select {
	case id := <-acked:
		t.Fatalf("%s was acknowledged before it was stored", id)
	case gate <- struct{}{}:
	}
	if id := <-acked; id != "one" || !stored.Load() {
		t.Errorf("got %s, stored %v", id, stored.Load())
	}
	close(gate)
	c.send([]any{"a", []any{}, event.NewRecord("chunk", "nothing")}, []any{"a", nil, 5, event.NewRecord("chunk", "invalid")})
	if a, b := c.ack(), c.ack(); a != "nothing" || b != "invalid" {
		t.Errorf("got %s, %s", a, b)
	}
	odd := s.dial() // ids that are no text
	odd.send([]any{"a", int64(1), event.NewRecord("n", 1), event.NewRecord("chunk", int64(7))},
		[]any{"a", int64(1), event.NewRecord("n", 1), event.NewRecord("chunk", nil)},
		[]any{"a", int64(1), event.NewRecord("n", 1), event.NewRecord("chunk", true)})
	for _, want := range []any{int64(7), true} {
		v, err := odd.d.Value()
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := v.(*event.Record).Get("ack"); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	j := s.dial()
	j.send([]byte(`["a",1,{"n":2},{"chunk":"cj"}]`))
	answer := make([]byte, 12)
	if _, err := j.conn.Read(answer); err != nil || string(answer) != `{"ack":"cj"}` {
		t.Errorf("got %s, %v", answer, err)
	}
	s.stop() // an acknowledgement is counted when it has been sent
	if got := s.count("relay_forward_acks_total"); got != 6 {
		t.Errorf("%v acks were counted", got)
	}
}

// A full buffer refuses a message whose sender keeps a copy: no acknowledgement,
// the connection closes, nothing counts as dropped.
func TestForwardFullWithAck(t *testing.T) {
	s := startForward(t, "", func(s *forwardSource) {
		s.sink.fail = func(string, event.Stream) error { return fmt.Errorf("no: %w", buffer.ErrFull) }
	})
	c := s.dial()
	c.send(message("a", 1, "one"))
	c.closed()
	if refused, dropped := s.count("relay_forward_refused_total", "full"), s.count("relay_events_dropped_total"); refused != 1 || dropped != 0 {
		t.Errorf("refused %v, dropped %v", refused, dropped)
	}
}

// One that keeps no copy is not read on while a buffer is full, until TCP lets it
// write no more; and then nothing is missing.
func TestForwardFullWithoutAck(t *testing.T) {
	var full atomic.Bool
	full.Store(true)
	s := startForward(t, "", func(s *forwardSource) {
		s.sink.fail = func(string, event.Stream) error {
			if full.Load() {
				return buffer.ErrFull
			}
			return nil
		}
	})
	c := s.dial()
	var raw []byte // messages as they are numbered
	sent := 0
	for blocked := false; !blocked; {
		if sent > 4000 {
			t.Fatal("the source reads on while the buffer is full")
		}
		raw = event.AppendMsgpack(raw[:0], []any{"a", int64(1), event.NewRecord("pad", strings.Repeat("x", 32<<10), "n", sent)})
		_ = c.conn.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
		n, err := c.conn.Write(raw)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			raw, blocked = raw[n:], true
		case err != nil:
			t.Fatal(err)
		}
		sent++
	}
	full.Store(false)
	_ = c.conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
	c.send(raw)
	got := s.sink.wait(t, sent)
	for i, line := range got {
		if !strings.HasSuffix(line, fmt.Sprintf(`"n":%d}`, i)) {
			t.Fatalf("event %d is %s", i, line[len(line)-20:])
		}
	}
	if dropped := s.count("relay_events_dropped_total"); dropped != 0 || len(got) != sent {
		t.Errorf("dropped %v, got %d of %d", dropped, len(got), sent)
	}
}

// One event that no chunk can hold: a sender with a copy keeps its message; for
// others the rest of the message is taken.
func TestForwardEventTooLarge(t *testing.T) {
	s := startForward(t, "", func(s *forwardSource) {
		s.sink.fail = func(_ string, es event.Stream) error {
			for _, e := range es {
				if n, _ := e.Record.Get("n"); n == int64(2) {
					return &buffer.TooLargeError{Size: 100, Limit: 10}
				}
			}
			return nil
		}
	})
	var list []any
	for n := range 5 {
		list = append(list, []any{int64(1), event.NewRecord("n", n)})
	}
	c := s.dial()
	c.send([]any{"a", list, event.NewRecord("chunk", "c")})
	c.closed()
	if got := s.sink.all(); len(got) != 0 {
		t.Errorf("took %q of a message that was not acknowledged", got)
	}
	s.dial().send([]any{"a", list})
	if got, want := s.sink.wait(t, 4), []string{`a{"n":0}`, `a{"n":1}`, `a{"n":3}`, `a{"n":4}`}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if got := s.errors.wait(t, 1); got[0] != `a{"invalid":{"n":2}}` {
		t.Errorf("@ERROR got %q", got)
	}
}

// Our own handler learns that a message is larger than chunk_size_limit, however long
// it is, and goes on over the same connection; nothing is lost by that. Nobody else
// hears a word, and what they sent counts as dropped.
func TestForwardTellsOursTooLarge(t *testing.T) {
	s := startForward(t, "chunk_size_limit 400")
	for _, n := range []int{395, 500, 100 << 10} {
		list := []any{[]any{int64(1), event.NewRecord("s", strings.Repeat("x", n))}}
		for name, entries := range map[string]any{"packed": event.Binary(make([]byte, n)), "forward": list} {
			c := s.dial()
			c.send([]any{"a", entries, event.NewRecord("size", 1, "chunk", "c1", "sluice_source", strings.Repeat("s", 100))})
			v, err := c.d.Value()
			answer, _ := v.(*event.Record)
			if err != nil || answer == nil {
				t.Fatalf("%s of %d: got %v, %v", name, n, v, err)
			}
			which, _ := answer.Get("refused")
			status, _ := answer.Get("status")
			if which != "c1" || status != int64(413) {
				t.Errorf("%s of %d: got %s", name, n, answer.AppendJSON(nil))
			}
			c.send([]any{"a", entries, event.NewRecord("chunk", "c2")}, message("a", 1, "c3"))
			if got := c.ack(); got != "c3" {
				t.Errorf("%s of %d: a stranger's message was answered with %s", name, n, got)
			}
		}
	}
	if dropped, refused := s.count("relay_events_dropped_total"), s.count("relay_forward_refused_total", "too_large"); dropped != 6 || refused != 12 {
		t.Errorf("dropped %v, refused %v", dropped, refused)
	}
}

// With skip_invalid_event false a sender keeps a message that holds invalid events.
func TestForwardRefusesInvalid(t *testing.T) {
	s := startForward(t, "skip_invalid_event false")
	c := s.dial()
	c.send([]any{"a", []any{[]any{int64(1), event.NewRecord("n", 1)}, 5}, event.NewRecord("chunk", "c")})
	c.closed()
	if got := s.sink.all(); len(got) != 0 || s.count("relay_forward_refused_total", "invalid") != 1 {
		t.Errorf("took %q", got)
	}
}

// What can not be read ends the connection, and is said without what it was.
func TestForwardMalformed(t *testing.T) {
	for reason, raw := range map[string][]byte{
		"malformed": []byte("\x93\xa1t\xc1"),
		"packed":    event.AppendMsgpack(nil, []any{"t", event.Binary("payload"), event.NewRecord("compressed", "gzip", "chunk", "c")}),
	} {
		s := startForward(t, "")
		c := s.dial()
		c.send(raw)
		c.closed()
		s.stop()
		if s.count("relay_forward_refused_total", reason) != 1 || !strings.Contains(s.log.String(), "unexpected error on reading data") || strings.Contains(s.log.String(), "payload") {
			t.Errorf("%s: %s", reason, s.log)
		}
	}
}

// A flood of rubbish makes few lines in the log.
func TestForwardCalm(t *testing.T) {
	s := startForward(t, "")
	c := s.dial()
	for range 500 {
		c.send("rubbish")
	}
	s.errors.wait(t, 500)
	if n := strings.Count(s.log.String(), "\n"); n > 2*calmBurst {
		t.Errorf("%d lines", n)
	}
}

func TestForwardDenyKeepalive(t *testing.T) {
	s := startForward(t, "deny_keepalive true")
	c := s.dial()
	c.send(message("a", 1, "one"))
	if c.ack() != "one" {
		t.Error("no acknowledgement")
	}
	c.closed()
}

// Who begins a message must end it; who is silent between messages may be so for
// ever, or for idle_timeout.
func TestForwardTimeouts(t *testing.T) {
	for name, tc := range map[string]struct {
		lines string
		begun []byte
	}{
		"within a message":          {"message_timeout 0.05", []byte("\x93\xa1t")},
		"within one that is passed": {"message_timeout 0.05\nchunk_size_limit 100", []byte("\x93\xa1t\xc6\x00\x10\x00\x00abc")},
		"between messages":          {"idle_timeout 0.05", nil},
		"within, idle is longer":    {"message_timeout 0.05\nidle_timeout 1h", []byte(`["t",`)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startForward(t, tc.lines)
			c := s.dial()
			c.send(message("a", 1, "one"))
			c.ack()
			if len(tc.begun) > 0 && tc.begun[0] == '[' {
				c = s.dial()
			}
			c.send(tc.begun)
			c.closed()
			if s.count("relay_forward_refused_total", "timeout") != 1 {
				t.Errorf("not counted: %s", s.log)
			}
		})
	}
}

// A crowd that never speaks keeps nobody out.
func TestForwardCrowd(t *testing.T) {
	s := startForward(t, "max_connections 3")
	known := s.dial()
	known.send(message("a", 1, "known"))
	known.ack()
	var crowd []*forwardClient
	for range 20 {
		crowd = append(crowd, s.dial())
	}
	for range 2 {
		c := s.dial()
		c.send(message("a", 2, "new"))
		c.ack()
		_ = c.conn.Close()
	}
	known.send(message("a", 3, "known"))
	known.ack()
	for _, c := range crowd[:18] {
		c.closed()
	}
	if got := s.count("relay_forward_refused_total", "crowded out"); got < 18 {
		t.Errorf("%v were counted", got)
	}
}

func TestForwardMaxConnections(t *testing.T) {
	s := startForward(t, "max_connections 1")
	first := s.dial()
	first.send(message("a", 1, "one"))
	first.ack()
	second := s.dial()
	second.send(message("a", 2, "two"))
	if s.count("relay_forward_connections") != 1 {
		t.Errorf("%v connections are open", s.count("relay_forward_connections"))
	}
	_ = first.conn.Close()
	if second.ack() != "two" {
		t.Error("the second was not served")
	}
}

// On a stop what was read is finished and acknowledged: the message under way, and
// those behind it that are there whole.
func TestForwardStop(t *testing.T) {
	begun, gate := make(chan struct{}), make(chan struct{})
	var once sync.Once
	s := startForward(t, "", func(s *forwardSource) {
		s.sink.fail = func(string, event.Stream) error {
			once.Do(func() { close(begun); <-gate })
			return nil
		}
	})
	idle := s.dial()
	c := s.dial()
	c.send(message("a", 1, "one"), message("a", 2, "two"), message("a", 3)[:1])
	<-begun
	stopped := make(chan struct{})
	go func() { s.stop(); close(stopped) }()
	idle.closed() // so the stop has begun
	select {
	case <-stopped:
		t.Fatal("it stopped while a message was under way")
	default:
	}
	close(gate)
	if a, b := c.ack(), c.ack(); a != "one" || b != "two" {
		t.Errorf("got %s, %s", a, b)
	}
	c.closed()
	<-stopped
	if got := s.sink.all(); len(got) != 2 {
		t.Errorf("got %q", got)
	}
}

// A heartbeat by UDP is answered by a byte; one by TCP, which connects and closes,
// is no fault.
func TestForwardHeartbeats(t *testing.T) {
	s := startForward(t, "<security>\nself_hostname srv\nshared_key k\n</security>")
	c := s.dial()
	if _, err := c.d.Value(); err != nil { // HELO
		t.Fatal(err)
	}
	_ = c.conn.Close()
	udp, err := net.Dial("udp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	_ = udp.SetDeadline(time.Now().Add(10 * time.Second))
	for _, packet := range [][]byte{{0}, bytes.Repeat([]byte{1}, 1000)} {
		if _, err := udp.Write(packet); err != nil {
			t.Fatal(err)
		}
		var answer [8]byte
		if n, err := udp.Read(answer[:]); err != nil || n != 1 || answer[0] != 0 {
			t.Errorf("got %x, %v", answer[:n], err)
		}
	}
	s.stop()
	if s.log.String() != "" || s.count("relay_forward_refused_total") != 0 {
		t.Errorf("a heartbeat was taken for a fault: %s", s.log)
	}
}

func TestForwardTLS(t *testing.T) {
	s := startForward(t, "<transport tls>\ncert_path CERTS/server.crt\nprivate_key_path CERTS/server.key\nca_path CERTS/ca.crt\nclient_cert_auth true\n</transport>")
	c := s.dialTLS("client")
	c.send(message("a", 1, "one"))
	if c.ack() != "one" {
		t.Error("no acknowledgement")
	}
	for _, pair := range []string{"", "clientbad"} {
		c := s.dialTLS(pair)
		_, _ = c.conn.Write(event.AppendMsgpack(nil, message("a", 2)))
		c.closed()
	}
	plain := s.dial()
	plain.send(message("a", 3))
	readAllOf(plain)
	s.stop()
	if got := s.sink.all(); len(got) != 1 {
		t.Errorf("took %q", got)
	}
	if n := strings.Count(s.log.String(), "unexpected error"); n != strings.Count(s.log.String(), "before accepting TLS connection") {
		t.Errorf("a failed handshake is said twice:\n%s", s.log)
	}
}

// What is no event of a client that may not send the tag goes nowhere either.
func TestForwardInvalidOfATagThatIsNotAllowed(t *testing.T) {
	s := startForward(t, "<transport tls>\ncert_path CERTS/server.crt\nprivate_key_path CERTS/server.key\nca_path CERTS/ca.crt\nclient_cert_auth true\n<client_cert>\ncn **\ntag_prefix app\n</client_cert>\n</transport>")
	c := s.dialTLS("client")
	c.send([]any{"app.x", []any{5}, event.NewRecord("chunk", "one")})
	if c.ack() != "one" || len(s.errors.wait(t, 1)) != 1 {
		t.Errorf("@ERROR got %q", s.errors.all())
	}
	c.send([]any{"audit", []any{5}, event.NewRecord("chunk", "two")})
	c.closed()
	if got := s.errors.all(); len(got) != 1 {
		t.Errorf("@ERROR got %q", got)
	}
}

func TestForwardCheck(t *testing.T) {
	security := func(lines string) string {
		return "<security>\nself_hostname h\nshared_key k\n" + lines + "\n</security>"
	}
	for lines, want := range map[string]string{
		"port 70000":                    "70000 is no port",
		"message_timeout 0":             "message_timeout",
		"<security>\n</security>":       "self_hostname",
		security("user_auth true"):      "<user> sections required if user_auth enabled",
		security("<client>\n</client>"): "Either of 'host' and 'network'",
		security("<client>\nhost a\nnetwork 10.0.0.0/8\n</client>"):                      "both of 'host' and 'network'",
		security("<client>\nnetwork 10.0.0.0/x\n</client>"):                              "10.0.0.0/x is no network",
		"<transport tls>\ncert_path CERTS/server.crt\n</transport>":                      "private_key_path",
		"backlog 5\nlinger_timeout 3\nresolve_hostname true\nsend_keepalive_packet true": "",
	} {
		_, err := forwardOf(t, lines, plugin.Env{ID: "in"})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "t.conf:")) {
			t.Errorf("%q: got %v, want %q", lines, err, want)
		}
	}
}

// What is said of broken messages begins as Fluentd's lines do, host before tag, and
// shows no payload; a message without a tag has none in its line.
func TestForwardSaysWhoSentWhat(t *testing.T) {
	s := startForward(t, "")
	s.dial().send([]any{}, []any{"a"}, "secret", []any{5, int64(1), event.NewRecord("n", "secret")},
		[]any{"a", []any{[]any{int64(1)}}}, []any{"a", int64(1), "secret"}, message("a", 1), []byte{0xc1})
	s.sink.wait(t, 1)
	s.stop()
	for _, want := range []string{
		`"got invalid event and drop it:" host=127.0.0.1 reason="message has no entries"`,
		`"got invalid event and drop it:" host=127.0.0.1 tag=a reason="message has no entries"`,
		`"incoming chunk is broken:" host=127.0.0.1 reason=`,
		`"got invalid event and drop it:" host=127.0.0.1 reason="tag is no string"`,
		`"skip invalid event:" host=127.0.0.1 tag=a events=1`,
		`"got invalid event and drop it:" host=127.0.0.1 tag=a events=1`,
		`"unexpected error on reading data" host=127.0.0.1 port=`,
	} {
		if !strings.Contains(s.log.String(), want) {
			t.Errorf("%s is not in\n%s", want, s.log)
		}
	}
	if strings.Contains(s.log.String(), "secret") {
		t.Errorf("the log shows a payload: %s", s.log)
	}
}
