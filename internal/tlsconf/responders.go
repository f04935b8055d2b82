package tlsconf

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"golang.org/x/crypto/ocsp"
	"golang.org/x/sync/singleflight"
)

const (
	statusTime     = time.Hour        // an answer counts for so long at most
	failureTime    = 10 * time.Second // nobody is asked again for so long after a failure
	askTimeout     = 3 * time.Second
	maxAnswers     = 10_000
	maxAnswerBytes = 64 << 10
)

// responders asks OCSP responders and remembers what they said.
type responders struct {
	client *http.Client
	one    singleflight.Group // handshakes of one certificate share a question

	mu    sync.Mutex
	known map[revoked]answer
}

type answer struct {
	response *ocsp.Response
	err      error
	until    time.Time
}

func newResponders() *responders {
	return &responders{
		client: &http.Client{
			Timeout: askTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true},
		},
		known: map[revoked]answer{},
	}
}

// ask returns the state of a certificate, from memory while that is fresh. It takes
// askTimeout at most.
func (r *responders) ask(url string, leaf, issuer *x509.Certificate) (*ocsp.Response, error) {
	key := revoked{string(leaf.RawIssuer), serialKey(leaf.SerialNumber)}
	if a, ok := r.recall(key, time.Now()); ok {
		return a.response, a.err
	}
	got, err, _ := r.one.Do(key.issuer+key.serial, func() (any, error) {
		a := r.put(url, leaf, issuer)
		r.remember(key, a)
		return a.response, a.err
	})
	response, _ := got.(*ocsp.Response)
	return response, err
}

// put puts the question and says how long the answer counts.
func (r *responders) put(url string, leaf, issuer *x509.Certificate) answer {
	response, err := r.question(context.Background(), url, leaf, issuer) // many handshakes may wait for it
	now := time.Now()
	if err != nil {
		return answer{err: err, until: now.Add(failureTime)}
	}
	until := now.Add(statusTime)
	if next := response.NextUpdate; !next.IsZero() && next.Before(until) {
		until = next
	}
	return answer{response: response, until: until}
}

func (r *responders) question(ctx context.Context, url string, leaf, issuer *x509.Certificate) (*ocsp.Response, error) {
	if url == "" && len(leaf.OCSPServer) > 0 {
		url = leaf.OCSPServer[0]
	}
	if url == "" {
		return nil, errors.New("the certificate names no OCSP responder, and there is no ocsp_url")
	}
	question, err := ocsp.CreateRequest(leaf, issuer, nil)
	if err != nil {
		return nil, fmt.Errorf("make OCSP request: %w", err)
	}
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(question))
	if err != nil {
		return nil, fmt.Errorf("ask OCSP responder: %w", err)
	}
	post.Header.Set("Content-Type", "application/ocsp-request")
	got, err := r.client.Do(post)
	if err != nil {
		return nil, fmt.Errorf("ask OCSP responder: %w", err)
	}
	defer got.Body.Close()
	der, err := io.ReadAll(io.LimitReader(got.Body, maxAnswerBytes))
	switch {
	case err != nil:
		return nil, fmt.Errorf("ask OCSP responder: %w", err)
	case got.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("ask OCSP responder %s: status %d", url, got.StatusCode)
	}
	return readStatus(der, leaf, issuer, time.Now())
}

func (r *responders) recall(key revoked, now time.Time) (answer, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a, ok := r.known[key]
	return a, ok && now.Before(a.until)
}

func (r *responders) remember(key revoked, a answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.known) >= maxAnswers {
		clear(r.known)
	}
	r.known[key] = a
}
