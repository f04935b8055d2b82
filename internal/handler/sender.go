package handler

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"
)

// sender posts events to one receiver. Each request is sent again until it is
// acknowledged, with growing pauses; only a refusal that can never change
// (400, 413, 422) ends in the dead-letter file, one event alone.
type sender struct {
	url      string
	client   *http.Client
	identity *identity
	gzip     bool
	slots    chan struct{} // requests in flight, shared by all senders
	batch    atomic.Int64  // events in a request, as the receiver offered; 1 until it did
	maxBatch int           // 0: as offered
	maxBytes int
	log      *slog.Logger
	counts   *counts
	health   *health
}

// errStale is what the relay answers to a handler that another one has replaced.
var errStale = errors.New("another handler has taken over this state; this one stops")

// refusal is an answer that will never change for this body.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string { return fmt.Sprintf("refused with %d: %s", r.status, r.text) }

// batchSize is how many events may go into one request just now.
func (s *sender) batchSize() int {
	offered := int(s.batch.Load())
	if s.maxBatch > 0 {
		return min(s.maxBatch, max(offered, s.maxBatch*boolInt(s.maxBatch > 1)))
	}
	return max(offered, 1)
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// send posts a body until the receiver took it, refused it for good, or ctx
// ends.
func (s *sender) send(ctx context.Context, url string, body []byte, events int) error {
	for attempt := 0; ; attempt++ {
		wait, err := s.try(ctx, url, body, events)
		if err == nil {
			s.health.ok(s.url)
			return nil
		}
		if final := new(refusal); errors.As(err, &final) || errors.Is(err, errStale) || ctx.Err() != nil {
			return err
		}
		s.counts.retries.Inc()
		s.health.failing(s.url, err)
		pause := max(wait, backoff(attempt))
		s.health.logRetry(s.log, s.url, attempt, pause, err)
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// try is one request. wait is what the receiver asked for by Retry-After.
func (s *sender) try(ctx context.Context, url string, body []byte, events int) (wait time.Duration, err error) {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	req, err := s.request(ctx, url, body)
	if err != nil {
		return 0, &refusal{text: err.Error()}
	}
	began := time.Now()
	resp, err := s.client.Do(req)
	if err != nil {
		s.counts.posted("error", time.Since(began), events)
		return 0, err
	}
	defer resp.Body.Close()
	// The rest is read so that the connection can be used again.
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 512))
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	s.counts.posted(strconv.Itoa(resp.StatusCode), time.Since(began), events)
	return s.judge(resp, text)
}

// judge says what an answer means.
func (s *sender) judge(resp *http.Response, text []byte) (time.Duration, error) {
	if n, err := strconv.ParseInt(resp.Header.Get("Sluice-Batch"), 10, 64); err == nil && n > 0 {
		s.batch.Store(n)
	}
	switch code := resp.StatusCode; {
	case code >= 200 && code < 300:
		return 0, nil
	case code == http.StatusBadRequest, code == http.StatusRequestEntityTooLarge, code == http.StatusUnprocessableEntity:
		return 0, &refusal{status: code, text: string(bytes.TrimSpace(text))}
	case code == http.StatusConflict && resp.Request.Header.Get("Sluice-Source") != "":
		return 0, errStale
	default:
		return retryAfter(resp.Header.Get("Retry-After")), fmt.Errorf("receiver answered %s", resp.Status)
	}
}

func (s *sender) request(ctx context.Context, url string, body []byte) (*http.Request, error) {
	encoding := ""
	if s.gzip {
		body, encoding = gzipped(body), "gzip"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	h := req.Header
	h.Set("Content-Type", "application/json")
	if encoding != "" {
		h.Set("Content-Encoding", encoding)
	}
	h.Set("Sluice-Accept", "batch")
	s.identity.stamp(h)
	return req, nil
}

func gzipped(body []byte) []byte {
	var b bytes.Buffer
	zw, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	_, _ = zw.Write(body)
	_ = zw.Close()
	return b.Bytes()
}

// retryAfter reads a Retry-After in seconds; a date is not worth its code.
func retryAfter(text string) time.Duration {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0
	}
	return min(time.Duration(n)*time.Second, maxPause)
}

const (
	firstPause = 200 * time.Millisecond
	maxPause   = 10 * time.Second
)

// backoff doubles from firstPause to maxPause, less up to half at random, so
// that many senders do not come back at the same moment.
func backoff(attempt int) time.Duration {
	pause := min(firstPause<<min(attempt, 10), maxPause)
	return pause/2 + time.Duration(rand.Int64N(int64(pause/2)+1)) //nolint:gosec // no secret
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// identity is what our relay learns about the sender: the id of its state
// folder, the generation that rises with each start and each persisted cursor,
// and the generation below which nothing will ever be sent again.
type identity struct {
	source string
	mu     sync.Mutex
	start  uint64
	gen    uint64
	forget uint64
}

func (i *identity) stamp(h http.Header) {
	if i == nil || i.source == "" {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	h.Set("Sluice-Source", i.source)
	h.Set("Sluice-Start", strconv.FormatUint(i.start, 10))
	h.Set("Sluice-Generation", strconv.FormatUint(i.gen, 10))
	h.Set("Sluice-Forget", strconv.FormatUint(i.forget, 10))
}
