package handler

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"
)

const (
	requestTimeout = 30 * time.Second
	idleTimeout    = 8 * time.Second // below Fluentd's keepalive_timeout of 10 s: it must not close first
)

// httpReceiver posts events as JSON: one as an object, several as an array.
// Several are sent only to who offers it, by the header Sluice-Batch.
type httpReceiver struct {
	url      string
	client   *http.Client
	identity *identity
	gzip     bool
	batch    atomic.Int64 // as offered
	observe  observer
}

// observer is told of each answer: its status, or "error" when there was none.
type observer func(status string, took time.Duration)

// newHTTPClient speaks HTTP/1.1 over a pool of connections: HTTP/2 costs a Go
// server up to twice the CPU per small request. Redirects are not followed: they
// would turn a POST into a GET and look like success.
func (c *StartCmd) newHTTPClient(config *tls.Config) *http.Client {
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:     config,
		TLSHandshakeTimeout: dialTimeout,
		MaxIdleConnsPerHost: c.FluentdMaxConnections,
		IdleConnTimeout:     idleTimeout,
		ForceAttemptHTTP2:   c.FluentdHTTP2,
		DisableCompression:  true,
	}
	return &http.Client{
		Transport:     transport,
		Timeout:       requestTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (h *httpReceiver) offered() int { return max(int(h.batch.Load()), 1) }

func (h *httpReceiver) post(ctx context.Context, suffix string, batch []*Read) error {
	body := bodyOf(batch)
	req, err := h.request(ctx, h.url+suffix, body)
	if err != nil {
		return &refusal{text: err.Error()}
	}
	began := time.Now()
	resp, err := h.client.Do(req)
	if err != nil {
		h.observe("error", time.Since(began))
		return explained(err)
	}
	defer resp.Body.Close()
	// The rest is read so that the connection can be used again.
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 512))
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	h.observe(strconv.Itoa(resp.StatusCode), time.Since(began))
	return h.judge(resp, text, body)
}

// judge says what an answer means.
func (h *httpReceiver) judge(resp *http.Response, text, sent []byte) error {
	if n, err := strconv.ParseInt(resp.Header.Get("Sluice-Batch"), 10, 64); err == nil && n > 0 {
		h.batch.Store(n)
	}
	switch code := resp.StatusCode; {
	case code >= 200 && code < 300:
		return nil
	case code == http.StatusBadRequest && aboutConnection(text):
		return explained(fmt.Errorf("receiver answered %s: %s", resp.Status, connectionWords(text)))
	case code == http.StatusBadRequest, code == http.StatusRequestEntityTooLarge, code == http.StatusUnprocessableEntity:
		return &refusal{status: code, text: reasonIn(resp.Status, text, sent)}
	case code == http.StatusConflict && h.identity != nil && h.batch.Load() > 0:
		return errStale // from a relay of ours: others mean something else by it
	default:
		return &busy{retryAfter(resp.Header.Get("Retry-After")), answered(resp.Status, reasonIn(resp.Status, text, sent))}
	}
}

// answered is an answer that is neither yes nor a final no.
func answered(status, said string) error {
	if said == "" {
		return fmt.Errorf("receiver answered %s", status)
	}
	return fmt.Errorf("receiver answered %s: %s", status, said)
}

func (h *httpReceiver) request(ctx context.Context, url string, body []byte) (*http.Request, error) {
	if h.gzip {
		body = gzipped(body)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	head := req.Header
	head["Content-Type"] = []string{"application/json"}
	head["Sluice-Accept"] = []string{"batch"}
	if h.gzip {
		head["Content-Encoding"] = []string{"gzip"}
	}
	h.identity.stamp(head)
	return req, nil
}

// bodyOf is one object, or an array of several.
func bodyOf(batch []*Read) []byte {
	if len(batch) == 1 {
		return batch[0].Body
	}
	n := 2
	for _, r := range batch {
		n += len(r.Body) + 1
	}
	body := make([]byte, 0, n)
	for i, r := range batch {
		body = append(body, ",["[boolInt(i == 0)])
		body = append(body, r.Body...)
	}
	return append(body, ']')
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
