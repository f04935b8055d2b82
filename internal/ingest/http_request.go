package ingest

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/plugin"
	"github.com/sluicelog/sluice/internal/tlsconf"
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

	times     *byType
	now       time.Time
	formTime  string // ?time=, or a form's field of that name
	keepsTime bool   // ?time= is given: a record's own "time" stays in it
}

var requests = sync.Pool{New: func() any { return new(request) }}

// keepRequest is the largest buffer that goes back to the pool: a rare huge
// body must not stay in memory.
const keepRequest = 1 << 20

func (q *request) release() {
	clear(q.events)
	if cap(q.body) > keepRequest || cap(q.spare) > keepRequest {
		return
	}
	q.body, q.spare, q.events = q.body[:0], q.spare[:0], q.events[:0]
	requests.Put(q)
}

func (h *httpHandler) post(w http.ResponseWriter, r *http.Request) {
	q := requests.Get().(*request)
	defer q.release()
	held, err := h.in.readBody(r, q)
	defer h.in.memory.release(held)
	q.begin(r, time.Now())
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
	if err := h.in.decode.events(r, q); err != nil {
		if h.in.malformed == "accept" && errors.As(err, new(*malformedError)) {
			h.in.counts.lost(err)
			return nil
		}
		return err
	}
	if len(q.events) == 0 {
		return nil
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
)

// refuse answers an error with the status that says whose fault it is: 4xx will
// never be taken, 503 may be sent again.
func (h *httpHandler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		h.in.counts.refused("client gone")
		panic(http.ErrAbortHandler) // nobody listens; net/http closes quietly
	}
	status, text := statusOf(err)
	h.in.counts.refused(strconv.Itoa(status))
	if h.in.dumpErrors {
		h.in.counts.logRefusal(h.in.env.Log, status, err)
	}
	head := w.Header()
	head["Content-Type"] = plainText
	switch status {
	case http.StatusServiceUnavailable:
		head.Set("Retry-After", "1")
	case http.StatusRequestEntityTooLarge:
		head.Set("Connection", "close")
	}
	if errors.As(err, new(*decodeError)) {
		head.Set("Connection", "close")
		text = ""
	}
	head.Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}

// statusOf gives an error its answer. The texts of 400, 413 and 500 are laid out
// as Fluentd lays them out.
func statusOf(err error) (status int, text string) {
	var malformed *malformedError
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, new(*decodeError)):
		return http.StatusBadRequest, ""
	case errors.As(err, &malformed):
		return http.StatusBadRequest, "400 Bad Request\n" + malformed.Error() + "\n"
	case errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge, "Too large"
	case errors.As(err, new(*tlsconf.TagError)):
		return http.StatusForbidden, "403 Forbidden\n" + err.Error() + "\n"
	case errors.Is(err, buffer.ErrTooLarge):
		return http.StatusRequestEntityTooLarge, "413 Request Entity Too Large\n" + err.Error() + "\n"
	case errors.Is(err, buffer.ErrStaleSource):
		return http.StatusConflict, "409 Conflict\n" + err.Error() + "\n"
	case errors.As(err, new(*plugin.FormatError)):
		return http.StatusInternalServerError, "500 Internal Server Error\n" + err.Error() + "\n"
	default:
		return http.StatusServiceUnavailable, "503 Service Unavailable\n" + err.Error() + "\n"
	}
}

// malformedError is a body that will never be taken, whoever sends it how often.
type malformedError struct{ err error }

func (e *malformedError) Error() string { return e.err.Error() }
func (e *malformedError) Unwrap() error { return e.err }

// decodeError is a body that can not be unpacked; Fluentd answers it without a
// text and closes.
type decodeError struct{ err error }

func (e *decodeError) Error() string { return e.err.Error() }
func (e *decodeError) Unwrap() error { return e.err }

// timeOfQuery is ?time= as Fluentd reads it: the leading number of the text, as
// a double; 0 or no number is now.
func timeOfQuery(text string) (event.Time, bool) {
	seconds := rubyToF(text)
	if seconds == 0 {
		return event.TimeOf(time.Now()), text != ""
	}
	return floatTime(seconds), true
}
