package main

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/forward"
)

// say sends one event under a tag with an option, and returns the answer as JSON,
// or "closed".
func say(t *testing.T, port, text string, option *event.Record) string {
	t.Helper()
	conn, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	entry := forward.AppendEntry(nil, event.Event{Time: event.Now(), Record: event.NewRecord("uid", text[:1], "text", text)}, false)
	message := append(forward.AppendPackedHead(nil, "test.log", int64(len(entry))), entry...)
	if _, err := conn.Write(event.AppendMsgpack(message, option)); err != nil {
		t.Fatal(err)
	}
	answer, err := forward.NewDecoder(conn).Value()
	if err != nil {
		return "closed"
	}
	r, _ := answer.(*event.Record)
	return string(r.AppendJSON(nil))
}

// What our handler says of itself travels in a message's option: a process that
// was succeeded is refused, and what can never be taken too; anybody else sees
// Fluentd's silence.
func TestForwardFromOurHandler(t *testing.T) {
	t.Parallel()
	dir, port := t.TempDir(), freePort(t)
	startRelay(t, dir, fmt.Sprintf(`
<system>
  admin_bind off
</system>
<source>
  @type forward
  bind 127.0.0.1
  port %s
</source>
<match test.log>
  @type file
  path %s/out
  <buffer>
    @type file
    path %s/buffer
    flush_mode interval
    flush_interval 1h
    chunk_limit_size 4k
    dedup_key $.uid
  </buffer>
</match>
`, port, dir, dir))
	ours := func(start string) *event.Record {
		return event.NewRecord("size", int64(1), "chunk", "c", "sluice_source", "s", "sluice_start", start, "sluice_generation", start, "sluice_forget", "0")
	}
	large := strings.Repeat("x", 10_000)
	for _, c := range []struct {
		what, text string
		option     *event.Record
		want       string
	}{
		{"the first process", "a", ours("100"), `{"ack":"c"}`},
		{"the next one", "b", ours("200"), `{"ack":"c"}`},
		{"the first one again", "c", ours("100"), `{"refused":"c","status":409`},
		{"too large", large, ours("200"), `{"refused":"c","status":413`},
		{"too large, from somebody else", large, event.NewRecord("chunk", "c"), "closed"},
		{"somebody else", "d", event.NewRecord("chunk", "c"), `{"ack":"c"}`},
	} {
		if got := say(t, port, c.text, c.option); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: got %s, want %s", c.what, got, c.want)
		}
	}
}
