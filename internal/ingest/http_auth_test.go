package ingest

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/internal/pki"
)

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func TestHTTPAuth(t *testing.T) {
	dir := t.TempDir()
	tokens := filepath.Join(dir, "tokens")
	if err := os.WriteFile(tokens, []byte("first-token\n\nsecond-token\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startHTTP(t, "add_http_headers true\n<auth>\nbearer_token_path "+tokens+"\n</auth>\n"+
		"<auth>\nusername alice\npassword s3cret\ntag_prefix app\n</auth>")
	for _, c := range []struct {
		target, header string
		want           int
	}{
		{"/t", "", 401},
		{"/t", "Bearer first-token", 200},
		{"/t", "bearer  second-token", 200},
		{"/t", "Bearer third-token", 401},
		{"/t", "Bearer ", 401},
		{"/t", "Bearer first-token\nsecond-token", 0},
		{"/t", "first-token", 401},
		{"/t", "Basic Zmlyc3QtdG9rZW4=", 401},
		{"/app", basic("alice", "s3cret"), 200},
		{"/app/x", basic("alice", "s3cret"), 200},
		{"/apple", basic("alice", "s3cret"), 403},
		{"/app", basic("alice", "s3cre"), 401},
		{"/app", basic("bob", "s3cret"), 401},
		{"/app", "Basic !!!", 401},
		{"/app", "Bearer alice:s3cret", 401},
	} {
		if c.want == 0 {
			continue // no client sends it
		}
		var head []string
		if c.header != "" {
			head = []string{"Authorization", c.header}
		}
		status, _ := s.post(t, c.target, "application/json", `{"a":1}`, head...)
		took := s.out.take()
		if status != c.want || (len(took) == 1) != (c.want == 200) {
			t.Errorf("%s %q: %d, want %d, and took %q", c.target, c.header, status, c.want, took)
		}
		if strings.Contains(strings.Join(took, ""), "AUTHORIZATION") {
			t.Errorf("the secret is in the record: %q", took)
		}
	}
	if got := s.refusedFor(t, "401", "credentials"); got != 9 {
		t.Errorf("%d counted as unknown", got)
	}
	if got := s.refusedFor(t, "403", "tag"); got != 1 {
		t.Errorf("%d counted for their tag", got)
	}
	if answers, _ := s.raw(t, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 1); len(answers) != 1 || answers[0] != "200 OK" {
		t.Errorf("a probe got %q", answers)
	}
	for _, secret := range []string{"first-token", "s3cret", "third-token"} {
		if strings.Contains(s.log.String(), secret) {
			t.Errorf("the log holds %s", secret)
		}
	}
	if !strings.Contains(s.log.String(), "everybody on the way can read the secrets") {
		t.Error("nobody was warned of secrets in the clear")
	}
}

// A token that is taken out of its file is refused soon after, a new one taken.
func TestAuthFollowsItsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("old")
	env, log := testEnv("web", "http")
	a := auths{rules: []authRule{{name: "x", tokenPath: path}}}
	if err := a.open(env.Log); err != nil {
		t.Fatal(err)
	}
	now := a.looked
	for _, step := range []struct {
		after    time.Duration
		text     string
		old, new bool
	}{
		{0, "old", true, false},
		{time.Second, "new", true, false},
		{authInterval, "new", false, true},
		{2 * authInterval, "", false, true}, // an empty file is a mistake
	} {
		write(step.text)
		at := now.Add(step.after)
		if got := a.find("Bearer old", at) != nil; got != step.old {
			t.Errorf("after %v the old token is taken: %v", step.after, got)
		}
		if got := a.find("Bearer new", at) != nil; got != step.new {
			t.Errorf("after %v the new token is taken: %v", step.after, got)
		}
	}
	if !strings.Contains(log.String(), "holds none") {
		t.Errorf("an empty file went unsaid: %s", log.String())
	}
	write("")
	if err := a.open(env.Log); err == nil {
		t.Error("an empty file is good enough to start with")
	}
}

// pairs writes certificates and makes clients of them.
func pairs(t testing.TB) (dir string, client func(withCert, http2 bool) *http.Client) {
	t.Helper()
	dir = t.TempDir()
	if err := pki.WriteTestSet(dir, pki.ECDSA); err != nil {
		t.Fatal(err)
	}
	return dir, clientsOf(t, dir)
}

// clientsOf makes clients of the certificates in a folder.
func clientsOf(t testing.TB, dir string) func(withCert, http2 bool) *http.Client {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "client.crt"), filepath.Join(dir, "client.key"))
	if err != nil {
		t.Fatal(err)
	}
	return func(withCert, http2 bool) *http.Client {
		c := &tls.Config{RootCAs: roots}
		if withCert {
			c.Certificates = []tls.Certificate{pair}
		}
		tr := &http.Transport{TLSClientConfig: c, ForceAttemptHTTP2: http2}
		t.Cleanup(tr.CloseIdleConnections)
		return &http.Client{Transport: tr}
	}
}

func transport(dir, more string) string {
	return "<transport tls>\ncert_path " + dir + "/server.crt\nprivate_key_path " + dir + "/server.key\nca_path " + dir + "/ca.crt\n" + more + "\n</transport>\n"
}

// Who shows a certificate needs no secret, and who shows none needs one; both by
// HTTP/1.1 and by HTTP/2.
func TestHTTPCertificateOrSecret(t *testing.T) {
	dir, client := pairs(t)
	s := startHTTP(t, "add_client_cert_subject who\n"+transport(dir, "client_cert_auth true")+"<auth>\nbearer_token tok\n</auth>")
	for _, c := range []struct {
		cert   bool
		header string
		want   int
		event  string
	}{
		{true, "", 200, `t now {"a":1,"who":"CN=client"}`},
		{false, "Bearer tok", 200, `t now {"a":1}`},
		{false, "", 401, ""},
	} {
		for _, http2 := range []bool{false, true} {
			r, _ := http.NewRequest(http.MethodPost, "https://"+s.addr+"/t", strings.NewReader(`{"a":1}`))
			r.Header.Set("Content-Type", "application/json")
			if c.header != "" {
				r.Header.Set("Authorization", c.header)
			}
			got, err := client(c.cert, http2).Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = got.Body.Close()
			if got.StatusCode != c.want || (got.ProtoMajor == 2) != http2 {
				t.Errorf("certificate %v, %q: %d by %s, want %d", c.cert, c.header, got.StatusCode, got.Proto, c.want)
			}
			if took := strings.Join(s.out.take(), "|"); took != c.event {
				t.Errorf("certificate %v: took %s, want %s", c.cert, took, c.event)
			}
		}
	}
}

func TestHTTP2IsAChoice(t *testing.T) {
	dir, client := pairs(t)
	s := startHTTP(t, "http2 false\n"+transport(dir, ""))
	r, _ := http.NewRequest(http.MethodPost, "https://"+s.addr+"/t", strings.NewReader(`{"a":1}`))
	r.Header.Set("Content-Type", "application/json")
	got, err := client(false, true).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = got.Body.Close()
	if got.ProtoMajor != 1 || got.StatusCode != 200 {
		t.Errorf("%s %d", got.Proto, got.StatusCode)
	}
}

func TestHTTPRateLimit(t *testing.T) {
	s := startHTTP(t, "rate_limit 0.001\nrate_limit_burst 2\n<auth>\nname a\nbearer_token a\n</auth>\n<auth>\nname b\nbearer_token b\n</auth>")
	for _, c := range []struct {
		header string
		want   int
	}{
		{"Bearer a", 200},
		{"Bearer a", 200},
		{"Bearer a", 429},
		{"Bearer b", 200},
		{"Bearer x", 401},
		{"Bearer y", 401},
		{"Bearer z", 429}, // guessing is limited too
		{"Bearer b", 200},
		{"Bearer b", 429},
	} {
		r, _ := http.NewRequest(http.MethodPost, "http://"+s.addr+"/t", strings.NewReader(`{"a":1}`))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", c.header)
		got, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = got.Body.Close()
		after, _ := strconv.Atoi(got.Header.Get("Retry-After"))
		if got.StatusCode != c.want || (after > 0) != (c.want == 429) {
			t.Errorf("%s: %d, want %d; Retry-After %d", c.header, got.StatusCode, c.want, after)
		}
	}
	sameEvents(t, s.out.take(), `t now {"a":1}`, `t now {"a":1}`, `t now {"a":1}`, `t now {"a":1}`)
	if got := s.refusedFor(t, "429", "rate limit"); got != 3 {
		t.Errorf("%d counted", got)
	}
}

func TestRates(t *testing.T) {
	now := time.Unix(1_600_000_000, 0)
	s := rates{perSecond: 2}
	for i, want := range []bool{true, true, false} {
		if _, ok := s.allow("a", now); ok != want {
			t.Errorf("request %d: %v", i, ok)
		}
	}
	if wait, _ := s.allow("a", now); wait != 500*time.Millisecond {
		t.Errorf("may come again in %v, want 500ms", wait)
	}
	if _, ok := s.allow("a", now.Add(500*time.Millisecond)); !ok {
		t.Error("refused although its time had come")
	}
	for i := range maxClients + 5 {
		s.allow(strconv.Itoa(i), now)
	}
	if len(s.clients) > maxClients {
		t.Errorf("%d clients are remembered", len(s.clients))
	}
	if _, ok := s.allow("one more", now); ok {
		t.Error("those beyond the map are not limited together")
	}
	if _, ok := s.allow("one more", now.Add(time.Hour)); !ok || len(s.clients) != 1 {
		t.Errorf("after an hour of silence %d clients are remembered", len(s.clients))
	}
}

func TestNetworkOf(t *testing.T) {
	for remote, want := range map[string]string{
		"10.0.0.1:5":          "10.0.0.1",
		"[::ffff:10.0.0.1]:5": "10.0.0.1",
		"[2001:db8::1:2:3]:5": "2001:db8::/64",
		"[fe80::1%eth0]:5":    "fe80::/64",
		"@":                   "@",
	} {
		if got := networkOf(remote); got != want {
			t.Errorf("%s: %s, want %s", remote, got, want)
		}
	}
}
