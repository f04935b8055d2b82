package relayctl

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/tlsconf"
)

// sendHTTP posts events as a JSON array.
type sendHTTP struct {
	s      *Send
	url    string
	client *http.Client
}

func newSendHTTP(s *Send, u *url.URL, files *tlsconf.ClientFiles) *sendHTTP {
	name := s.ServerName
	if name == "" {
		name = u.Hostname()
	}
	at := *u
	at.Path = strings.TrimSuffix(u.Path, "/") + "/" + s.Tag
	return &sendHTTP{s: s, url: at.String(), client: &http.Client{
		Timeout:   s.Timeout,
		Transport: &http.Transport{TLSClientConfig: files.ConfigFor(name), Proxy: http.ProxyFromEnvironment},
		// An answer of another place is no answer of the one that was named.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (h *sendHTTP) finish() error { return nil }

func (h *sendHTTP) close() { h.client.CloseIdleConnections() }

func (h *sendHTTP) send(ctx context.Context, es event.Stream) error {
	body := []byte{'['}
	for i, e := range es {
		if i > 0 {
			body = append(body, ',')
		}
		body = e.Record.AppendJSON(body)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(append(body, ']')))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if h.s.Username != "" {
		req.SetBasicAuth(h.s.Username, h.s.Password)
	}
	if h.s.BearerToken != "" {
		req.Header.Set("Authorization", "Bearer "+h.s.BearerToken)
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s refuses: %s: %s", req.URL.Redacted(), resp.Status, strings.TrimSpace(string(answer)))
	}
	return nil
}
