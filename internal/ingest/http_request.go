package ingest

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/plugin"
)

// httpHandler turns one request into one Emit.
type httpHandler struct {
	in   *inHTTP
	emit plugin.Emitter
}

// request is what a POST needs while it is under way; it is pooled.
type request struct {
	body   []byte // as sent, then unpacked; records point into it
	spare  []byte // what is unpacked goes here
	events event.Stream

	loan loan  // the memory that all this may take
	need int64 // bytes made of the body so far

	lenient bool // malformed accept: what can not be taken is left out
	lost    int  // ... and counted

	times     *byType
	now       time.Time
	formTime  string // ?time=, or a form's field of that name
	keepsTime bool   // ?time= is given: a record's own "time" stays in it
}

var requests = sync.Pool{New: func() any { return new(request) }}

// The largest buffers that go back to the pool: a rare huge body must not stay in
// memory.
const (
	keepRequest = 256 << 10
	keepEvents  = 4 << 10
)

func (q *request) release() {
	clear(q.events)
	if cap(q.body) > keepRequest || cap(q.spare) > keepRequest || cap(q.events) > keepEvents {
		q.body, q.spare, q.events = nil, nil, nil
	}
	q.loan.release()
	q.body, q.spare, q.events = q.body[:0], q.spare[:0], q.events[:0]
	requests.Put(q)
}

func (h *httpHandler) post(w http.ResponseWriter, r *http.Request) {
	q := requests.Get().(*request)
	defer q.release()
	q.loan.memory = h.in.memory
	err := h.in.readBody(w, r, q)
	q.begin(r, time.Now())
	q.lenient = h.in.malformed == "accept"
	if err == nil {
		err = h.take(r, q)
	}
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	h.accept(w, r)
}

// take decodes the body and sends its events on.
func (h *httpHandler) take(r *http.Request, q *request) error {
	err := h.in.memory.work(int64(len(q.body)), func() error { return h.in.decode.events(r, q) })
	if q.lenient {
		err = h.forgive(q, err)
	}
	if err != nil || len(q.events) == 0 {
		return err
	}
	if err := h.in.decorate(r, q); err != nil {
		return err
	}
	tag := h.in.tag(r.RequestURI)
	ctx, err := sourceOf(r)
	if err != nil {
		return err
	}
	h.in.counts.events(len(q.events), len(q.body))
	return certify(&h.in.transport, connOf(r), h.emit).Emit(ctx, tag, q.events)
}

// forgive is malformed accept: 200 for what Fluentd throws away without a word. It
// is counted here.
func (h *httpHandler) forgive(q *request, err error) error {
	lost := q.lost
	if err != nil && errors.As(err, new(*malformedError)) && !errors.Is(err, errNoBody) && !errors.Is(err, errTimeText) {
		lost, err = lost+1, nil
	}
	h.in.counts.lost(lost)
	return err
}

// tag is the path without its first slash, the others turned into dots. Empty
// parts at the end fall away. Escapes are not decoded. A target that begins with
// two slashes names an authority first, which is left out: all as in Fluentd.
func (in *inHTTP) tag(target string) string {
	path, _, _ := strings.Cut(target, "?")
	if strings.HasPrefix(path, "//") {
		if i := strings.IndexByte(path[2:], '/'); i >= 0 {
			path = path[2+i:]
		} else {
			path = "/"
		}
	}
	path = strings.TrimRight(strings.TrimPrefix(path, "/"), "/")
	tag := strings.ReplaceAll(path, "/", ".")
	if in.tagPrefix != "" {
		return in.tagPrefix + "." + tag
	}
	return tag
}

// emptyGIF is a transparent image of one pixel, 35 bytes.
const emptyGIF = "GIF89a\x01\x00\x01\x00\x80\xff\x00\xff\xff\xff\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"

func (h *httpHandler) accept(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	h.in.cors.allow(head, r)
	if batchWelcome(r) {
		head["Sluice-Batch"] = batchHeader
	}
	switch {
	case h.in.emptyImage:
		head.Set("Content-Type", "image/gif; charset=utf-8")
		head.Set("Content-Length", strconv.Itoa(len(emptyGIF)))
		_, _ = w.Write([]byte(emptyGIF))
	case h.in.use204:
		head["Content-Type"] = plainText
		w.WriteHeader(http.StatusNoContent)
	default:
		head["Content-Type"], head["Content-Length"] = plainText, zeroLength
		w.WriteHeader(http.StatusOK)
	}
}

// Header values that every answer shares; net/http does not change them.
var (
	plainText   = []string{"text/plain"}
	zeroLength  = []string{"0"}
	keepAliveOn = []string{"Keep-Alive"}
	closeNow    = []string{"close"}
)

// refuse answers an error with the status that says whose fault it is: 4xx will
// never be taken, 503 may be sent again.
func (h *httpHandler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		h.in.counts.refused(statusGone, "client gone")
		panic(http.ErrAbortHandler) // nobody listens; net/http closes quietly
	}
	status, text := statusOf(err)
	h.in.counts.refused(status, reasonOf(err))
	if h.in.dumpErrors {
		h.in.counts.logRefusal(h.in.env.Log, status, err)
	}
	head := w.Header()
	head["Content-Type"] = plainText
	switch status {
	case http.StatusConflict:
		if batchWelcome(r) {
			head["Sluice-Batch"] = batchHeader // whose 409 it is: only a relay's ends a handler
		}
	case http.StatusServiceUnavailable:
		head.Set("Retry-After", "1")
	case http.StatusRequestEntityTooLarge, http.StatusRequestTimeout:
		closing(head, r)
	}
	if errors.As(err, new(*decodeError)) {
		head.Del("Connection") // as in Fluentd, which closes without a word
	}
	head.Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}

// closing says that the connection ends here. HTTP/2 has no such header.
func closing(head http.Header, r *http.Request) {
	if r.ProtoMajor == 1 {
		head.Set("Connection", "close")
	}
}
