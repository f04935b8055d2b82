package awsconf

import (
	"bytes"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// TestStall gives up a connection that moves nothing, and only such a one: an
// upload that advances may take longer than the limit.
func TestStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, peer := net.Pipe()
		defer peer.Close()
		conn := &progressConn{Conn: near, stall: stallAfter}
		defer conn.Close()

		// A reader waits for an answer while the body goes out in small pieces.
		read := make(chan error, 1)
		go func() {
			_, err := conn.Read(make([]byte, 1))
			read <- err
		}()
		go io.Copy(io.Discard, peer) //nolint:errcheck // ends with the connection
		began := time.Now()
		for range 15 {
			time.Sleep(stallAfter - 1)
			if _, err := conn.Write([]byte("x")); err != nil {
				t.Fatalf("after %s: %v", time.Since(began), err)
			}
		}
		synctest.Wait()
		select {
		case err := <-read:
			t.Fatalf("the reader gave up after %s although the upload advanced: %v", time.Since(began), err)
		default:
		}
		advanced := time.Now()
		err := <-read
		if timeout, ok := err.(net.Error); !ok || !timeout.Timeout() || time.Since(advanced) != stallAfter {
			t.Errorf("got %v after %s", err, time.Since(advanced))
		}
	})
}

// TestDialer: what is dialled is watched.
func TestDialer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := dialer(stallAfter)(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if c, ok := conn.(*progressConn); !ok || c.stall != stallAfter {
		t.Errorf("got %#v", conn)
	}
}

func TestTrust(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }))
	defer s.Close()
	dir := t.TempDir()
	bundle := filepath.Join(dir, "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(bundle, text, 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, bytes.Repeat([]byte("x"), 10), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		lines       string
		made, trust bool
	}{
		"the system's":      {"", true, false},
		"a bundle":          {"ssl_ca_bundle " + bundle, true, true},
		"a folder":          {"ssl_ca_directory " + dir, true, true},
		"nothing is looked": {"ssl_verify_peer false", true, true},
		"no such file":      {"ssl_ca_bundle " + dir + "/nope", false, false},
		"no certificate":    {"ssl_ca_bundle " + empty, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			conf, err := decode(t, c.lines)
			if err != nil {
				t.Fatal(err)
			}
			client, err := conf.httpClient("")
			if (err == nil) != c.made {
				t.Fatalf("got %v", err)
			}
			if err != nil {
				return
			}
			answer, err := client.Get(s.URL)
			if (err == nil) != c.trust {
				t.Errorf("got %v", err)
			}
			if err == nil {
				answer.Body.Close()
			}
		})
	}
	if trust, err := (&Config{}).trust(); err != nil || trust.InsecureSkipVerify {
		t.Error("a Config that nothing was decoded into does not look at certificates")
	}
}

// TestProxy: the configured proxy is used, and its redirects are not followed.
func TestProxy(t *testing.T) {
	var asked string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.String()
		http.Redirect(w, r, "http://elsewhere.invalid/", http.StatusTemporaryRedirect)
	}))
	defer proxy.Close()
	c, err := decode(t, "proxy_uri "+proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	client, err := c.httpClient(c.proxy)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.Get("http://bucket.invalid/key")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if asked != "http://bucket.invalid/key" || answer.StatusCode != http.StatusTemporaryRedirect {
		t.Errorf("asked %s, status %d", asked, answer.StatusCode)
	}
}
