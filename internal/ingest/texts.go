package ingest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// texts is what the sources tcp, udp and syslog share: each text that a sender
// brings goes through a parser, and the events of what was there at one time go on
// together. The senders are not told what becomes of them; so what can not be taken
// is counted, said, and handed to <label @ERROR>, and a full buffer is waited for.
type texts struct {
	env         plugin.Env
	tally       *tally
	rejects     *rejects
	addressKey  string
	hostnameKey string
	names       names

	// take makes events of one text and adds them; its error is about the text.
	take func(b *bundle, text []byte, from sender) error
}

func newTexts(env plugin.Env) texts {
	t := newTally(env)
	return texts{env: env, tally: t, rejects: newRejects(t)}
}

// senderParams declares what is added to each event.
func (t *texts) senderParams(p *param.Set) {
	p.String("source_address_key", &t.addressKey, "", "Field that gets the sender's address.")
	p.String("source_hostname_key", &t.hostnameKey, "", "Field that gets the sender's host name.").Alias("source_host_key")
	p.Ignore("resolve_hostname", "it is on when source_hostname_key is set")
	p.Ignore("blocking_timeout", "nothing here blocks in turns")
	p.Ignore("send_keepalive_packet", "TCP keep-alive is always on")
}

// sender is who a text came from.
type sender struct{ address, hostname string }

// host is what a sender is called in the log: its name where that is looked up.
func (s sender) host() string { return cmp.Or(s.hostname, s.address) }

func (t *texts) senderOf(addr net.Addr) sender {
	host, _, err := net.SplitHostPort(addr.String())
	if err != nil {
		host = addr.String()
	}
	s := sender{address: host}
	if t.hostnameKey != "" {
		s.hostname = t.names.of(host)
	}
	return s
}

// mark adds the sender to a record.
func (t *texts) mark(r *event.Record, from sender) {
	if t.addressKey != "" {
		r.Set(t.addressKey, from.address)
	}
	if t.hostnameKey != "" {
		r.Set(t.hostnameKey, from.hostname)
	}
}

// bundle is events by tag, in the order in which they came.
type bundle struct {
	parts []tagged
	bytes int
}

type tagged struct {
	tag    string
	events event.Stream
}

func (b *bundle) add(tag string, e event.Event) {
	if n := len(b.parts); n > 0 && b.parts[n-1].tag == tag {
		b.parts[n-1].events = append(b.parts[n-1].events, e)
		return
	}
	b.parts = append(b.parts, tagged{tag, event.Stream{e}})
}

func (b *bundle) empty() bool { return len(b.parts) == 0 }

// send passes the bundle on and empties it.
func (t *texts) send(ctx context.Context, e plugin.Emitter, b *bundle) {
	for _, part := range b.parts {
		if err := emitPatiently(ctx, e, part.tag, part.events); err != nil {
			t.tally.drop("emit failed", len(part.events))
			t.env.Log.Error("emit transaction failed:", "error", err, "tag", part.tag)
			continue
		}
		t.tally.add(len(part.events), 0)
	}
	t.tally.add(0, b.bytes)
	*b = bundle{}
}

// text takes one text into the bundle. The caller's memory may be used again at
// once, while records point into what they were read from.
func (t *texts) text(ctx context.Context, b *bundle, text []byte, from sender) {
	text = bytes.Clone(text)
	b.bytes += len(text)
	err := t.take(b, text, from)
	if err == nil {
		return
	}
	reject := new(rejectedError)
	if !errors.As(err, &reject) {
		reject = &rejectedError{words: "pattern not matched"}
	}
	if err := t.rejects.take(ctx, reject.tag, []any{string(text)}, reject.words, "tag", reject.tag, "host", from.address, "bytes", len(text)); err != nil {
		t.env.Log.Error("emit transaction failed:", "error", err)
	}
}

// rejectedError says of a text that it can not be taken, in Fluentd's words.
type rejectedError struct{ words, tag string }

func (e *rejectedError) Error() string { return e.words }

// serve reads the texts of one connection until ctx ends. Events that one read
// brought go on together.
func (t *texts) serve(ctx context.Context, conn net.Conn, e plugin.Emitter, s *splitter) {
	r := &deadlineReader{conn: conn, ctx: ctx}
	stop := context.AfterFunc(ctx, r.end)
	defer stop()
	s.r = r
	from := t.senderOf(conn.RemoteAddr())
	s.tooLong = func(size int) { t.tooLong(size, s.limit, from) }
	var b bundle
	for {
		text, more, err := s.next()
		if err == nil {
			t.text(ctx, &b, text, from)
		}
		if !more {
			t.send(ctx, e, &b)
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed), errors.Is(err, os.ErrDeadlineExceeded), ctx.Err() != nil:
			return
		default:
			t.tally.refuse("unreadable")
			t.rejects.calm.warn(t.env.Log, "unexpected error on reading data", "host", from.address, "error", err)
			return
		}
	}
}

func (t *texts) tooLong(size, limit int, from sender) {
	t.tally.drop("too large", 1)
	t.rejects.calm.warn(t.env.Log, "The received data is larger than 'message_length_limit', dropped:", "limit", limit, "size", size, "host", from.address)
}

// names remembers the host names of addresses for a while.
type names struct {
	mu    sync.Mutex
	known map[string]knownName
}

type knownName struct {
	name  string
	until time.Time
}

const (
	nameTime = 5 * time.Minute
	maxNames = 1024
)

func (n *names) of(address string) string {
	n.mu.Lock()
	k, ok := n.known[address]
	n.mu.Unlock()
	if ok && time.Now().Before(k.until) {
		return k.name
	}
	k = knownName{name: address, until: time.Now().Add(nameTime)}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if found, err := net.DefaultResolver.LookupAddr(ctx, address); err == nil && len(found) > 0 {
		k.name = found[0]
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known == nil || len(n.known) >= maxNames {
		n.known = map[string]knownName{}
	}
	n.known[address] = k
	return k.name
}
