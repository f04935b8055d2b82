package handler

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/forward"
)

// forwardReceiver sends events by Fluentd's forward protocol: each request is one
// PackedForward message with a chunk id, and is done when the receiver has
// acknowledged that id. Our relay does so after the fsync, as with HTTP.
//
// The protocol knows no refusal: who can not take events closes the connection or
// says nothing, whatever the reason, and they are sent again; several that get no
// answer time and again are sent in halves, lest it is their size. Our relay says
// more, to our handler alone: that an event or a message is too large for it, or that
// another handler has come.
type forwardReceiver struct {
	address  string // host:port
	tag      string
	tls      *tls.Config // nil: none
	identity *identity
	observe  observer

	mu   sync.Mutex // guards what follows
	idle []*forwardLink
}

// forwardBatch is how many events go into one message at most.
const forwardBatch = 200

const (
	dialTimeout = 10 * time.Second
	// forwardPort is the protocol's own.
	forwardPort = "24224"
	// largestAck bounds what a receiver may say in one message.
	largestAck = 64 << 10
)

// newForwardReceiver makes one for forward://host:port/tag or forward+tls://.
func newForwardReceiver(u *url.URL, config *tls.Config) *forwardReceiver {
	return &forwardReceiver{
		address: net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), forwardPort)),
		tag:     strings.ReplaceAll(strings.Trim(u.Path, "/"), "/", "."), tls: config,
	}
}

func (f *forwardReceiver) offered() int { return forwardBatch }

func (f *forwardReceiver) post(ctx context.Context, suffix string, batch []*Read) error {
	chunk := newChunkName()
	message, err := f.message(f.tag+suffix, chunk, batch)
	if err != nil {
		return &refusal{text: err.Error()}
	}
	began := time.Now()
	err = f.exchange(ctx, message, chunk)
	f.observe(map[bool]string{true: "ack", false: "error"}[err == nil], time.Since(began))
	return explained(err)
}

// newChunkName is 16 random bytes in base64, as Fluentd's own senders make it.
func newChunkName() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.StdEncoding.EncodeToString(b[:])
}

// message is [tag, entries, option]. The option says what our relay asks of a
// handler beside Fluentd's own words.
func (f *forwardReceiver) message(tag, chunk string, batch []*Read) ([]byte, error) {
	var entries []byte
	for _, r := range batch {
		record, err := event.ParseRecord(r.Body)
		if err != nil {
			return nil, fmt.Errorf("event is no JSON object: %w", err)
		}
		entries = forward.AppendEntry(entries, event.Event{Time: sendingTime(r.Time), Record: record}, false)
	}
	option := event.NewRecord("size", int64(len(batch)), "chunk", chunk)
	f.identity.describe(option)
	message := forward.AppendPackedHead(nil, tag, int64(len(entries)))
	message = append(message, entries...)
	return event.AppendMsgpack(message, option), nil
}

// sendingTime is an event's time, or that of now for one that the protocol's 32 bits
// can not say: a malformed event has none at all.
func sendingTime(t time.Time) event.Time {
	if sec := t.Unix(); sec < 0 || sec > math.MaxUint32 {
		t = time.Now()
	}
	return event.TimeOf(t)
}

// exchange sends a message and reads its acknowledgement.
func (f *forwardReceiver) exchange(ctx context.Context, message []byte, chunk string) error {
	link, err := f.take(ctx)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, link.close)
	defer stop()
	if err := link.exchange(message, chunk); err != nil {
		link.close()
		return err
	}
	f.giveBack(link)
	return nil
}

// forwardLink is a connection.
type forwardLink struct {
	conn  net.Conn
	acks  *forward.Decoder
	since time.Time // idle
}

func (l *forwardLink) close() { _ = l.conn.Close() }

func (l *forwardLink) exchange(message []byte, chunk string) error {
	if err := l.conn.SetDeadline(time.Now().Add(requestTimeout)); err != nil {
		return err
	}
	if _, err := l.conn.Write(message); err != nil {
		return &unanswered{fmt.Errorf("send message: %w", err)}
	}
	answer, err := l.acks.Value()
	switch {
	case errors.Is(err, io.EOF):
		return &unanswered{errors.New("receiver closed the connection without an acknowledgement")}
	case errors.Is(err, forward.ErrMalformed):
		return fmt.Errorf("read acknowledgement: %w", err)
	case err != nil:
		return &unanswered{fmt.Errorf("read acknowledgement: %w", err)}
	}
	if _, err := forward.ReadHelo(answer); err == nil {
		return errors.New("receiver asks for a shared key; take <security> away there and check client certificates in its place")
	}
	if err := refusedBy(answer, chunk); err != nil {
		return err
	}
	got, err := forward.AckOf(answer)
	if err != nil {
		return fmt.Errorf("read acknowledgement: %w", err)
	}
	if got != chunk {
		return errors.New("read acknowledgement: it is for another message")
	}
	return nil
}

// refusedBy is our relay's word that it will never take a message, nil when it
// says nothing of the kind.
func refusedBy(answer any, chunk string) error {
	r, ok := answer.(*event.Record)
	if !ok {
		return nil
	}
	if which, _ := r.Get("refused"); event.Text(which) != chunk {
		return nil
	}
	status, _ := r.Get("status")
	reason, _ := r.Get("reason")
	code, _ := status.(int64)
	if code == http.StatusConflict {
		return errStale
	}
	return &refusal{status: int(code), text: event.Text(reason)}
}

// take is a connection that is open already, or a new one.
func (f *forwardReceiver) take(ctx context.Context) (*forwardLink, error) {
	f.mu.Lock()
	for n := len(f.idle); n > 0; n = len(f.idle) {
		link := f.idle[n-1]
		f.idle = f.idle[:n-1]
		if time.Since(link.since) < idleTimeout {
			f.mu.Unlock()
			return link, nil
		}
		link.close()
	}
	f.mu.Unlock()
	return f.connect(ctx)
}

func (f *forwardReceiver) giveBack(l *forwardLink) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l.since = time.Now()
	f.idle = append(f.idle, l)
}

func (f *forwardReceiver) connect(ctx context.Context) (*forwardLink, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := (&net.Dialer{KeepAlive: 30 * time.Second}).DialContext(ctx, "tcp", f.address)
	if err != nil {
		return nil, err
	}
	if f.tls != nil {
		secure := tls.Client(conn, f.tls)
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, fmt.Errorf("connect to %s: %w", f.address, err)
		}
		conn = secure
	}
	l := &forwardLink{conn: conn, acks: forward.NewDecoder(conn)}
	l.acks.Limit = largestAck
	return l, nil
}

// closeIdle ends the connections that nobody uses.
func (f *forwardReceiver) closeIdle() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.idle {
		l.close()
	}
	f.idle = nil
}
