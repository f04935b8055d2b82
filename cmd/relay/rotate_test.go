package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluicelog/sluice/internal/pki"
)

// secret is a folder of certificates as a relay sees it, and how it is replaced.
type secret struct {
	dir     string
	replace func(t *testing.T, fill func(dir string))
}

// mounted replaces files as Kubernetes does: they are links into ..data, which is a
// link that is turned round to another folder.
func mounted(t *testing.T) *secret {
	s := &secret{dir: t.TempDir()}
	n := 0
	s.replace = func(t *testing.T, fill func(dir string)) {
		n++
		version := "..v" + strconv.Itoa(n)
		old, _ := os.Readlink(filepath.Join(s.dir, "..data"))
		must(t, os.Mkdir(filepath.Join(s.dir, version), 0o700))
		fill(filepath.Join(s.dir, version))
		link(t, version, filepath.Join(s.dir, "..data"))
		if old == "" {
			for _, name := range []string{"tls.crt", "tls.key", "ca.crt"} {
				link(t, filepath.Join("..data", name), filepath.Join(s.dir, name))
			}
			return
		}
		must(t, os.RemoveAll(filepath.Join(s.dir, old)))
	}
	return s
}

func link(t *testing.T, to, at string) {
	t.Helper()
	must(t, os.Symlink(to, at+".new"))
	must(t, os.Rename(at+".new", at))
}

// renamed replaces one file after the other, so that for a moment they do not fit.
func renamed(t *testing.T) *secret {
	s := &secret{dir: t.TempDir()}
	s.replace = func(t *testing.T, fill func(dir string)) {
		next := t.TempDir()
		fill(next)
		for _, name := range []string{"tls.crt", "ca.crt", "tls.key"} {
			must(t, os.Rename(filepath.Join(next, name), filepath.Join(s.dir, name)))
		}
	}
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// rotation is a relay under load whose certificates are replaced.
type rotation struct {
	*daemon
	secret    *secret
	ca, other *pki.CA // other comes and goes
	port, see string

	failed atomic.Pointer[error]
	done   atomic.Int64 // requests that were answered 200
	fresh  atomic.Int64 // of them on connections of their own
}

func startRotation(t *testing.T, s *secret) *rotation {
	t.Helper()
	r := &rotation{secret: s, ca: newAuthority(t, "ca"), other: newAuthority(t, "other"), port: freePort(t), see: freePort(t)}
	r.rotate(t, true)
	r.daemon = startRelay(t, t.TempDir(), strings.NewReplacer("PORT", r.port, "SEE", r.see, "DIR", s.dir).Replace(`
<source>
  @type http
  bind 127.0.0.1
  port PORT
  <transport tls>
    cert_path DIR/tls.crt
    private_key_path DIR/tls.key
    ca_path DIR/ca.crt
    client_cert_auth true
  </transport>
</source>
<source>
  @type prometheus
  bind 127.0.0.1
  port SEE
</source>
<match **>
  @type null
</match>
`))
	return r
}

// rotate replaces the server's pair and the authorities; it returns the new serial.
func (r *rotation) rotate(t *testing.T, withOther bool) *big.Int {
	t.Helper()
	pair := issue(t, r.ca, "server", x509.ExtKeyUsageServerAuth)
	r.secret.replace(t, func(dir string) {
		writePair(t, dir, pair)
		authorities := []*x509.Certificate{r.ca.Cert}
		if withOther {
			authorities = append(authorities, r.other.Cert)
		}
		writeFile(t, filepath.Join(dir, "ca.crt"), pki.EncodeCertificates(authorities...))
	})
	return pair.Leaf.SerialNumber
}

// seen waits until a new connection is shown a serial, and says how long it took.
func (r *rotation) seen(t *testing.T, serial *big.Int, c *tls.Config) time.Duration {
	t.Helper()
	for begin := time.Now(); ; {
		conn, err := tls.Dial("tcp", "127.0.0.1:"+r.port, c)
		must(t, err)
		got := conn.ConnectionState().PeerCertificates[0].SerialNumber
		_ = conn.Close()
		if got.Cmp(serial) == 0 {
			return time.Since(begin)
		}
		if time.Since(begin) > 20*time.Second {
			t.Fatal("the new certificate is not shown")
		}
	}
}

// load sends requests until stop, on one connection or on a new one for each.
func (r *rotation) load(c *tls.Config, fresh bool, stop <-chan struct{}) {
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: c, DisableKeepAlives: fresh}}
	defer client.CloseIdleConnections()
	for {
		select {
		case <-stop:
			return
		default:
		}
		if err := r.post(client); err != nil {
			r.failed.CompareAndSwap(nil, &err)
			return
		}
		r.done.Add(1)
		if fresh {
			r.fresh.Add(1)
		}
		for !fresh && r.fresh.Load()*2 < r.done.Load() { // half of all, no more
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}
}

func (r *rotation) post(client *http.Client) error {
	got, err := client.Post("https://127.0.0.1:"+r.port+"/t", "application/json", strings.NewReader(`{"a":1}`))
	if err != nil {
		return err
	}
	defer got.Body.Close()
	if _, err := io.Copy(io.Discard, got.Body); err != nil || got.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d, %w", got.StatusCode, err)
	}
	return nil
}

// TestRotation replaces certificates under load, a few times here and as often as
// SLUICE_ROTATIONS says where it is set; then the new serial must be shown within a
// second as well.
func TestRotation(t *testing.T) {
	times, patience := 4, 20*time.Second
	if n, err := strconv.Atoi(os.Getenv("SLUICE_ROTATIONS")); err == nil {
		times, patience = n, time.Second
	}
	for name, s := range map[string]func(*testing.T) *secret{"mounted": mounted, "renamed": renamed} {
		t.Run(name, func(t *testing.T) { rotateUnderLoad(t, startRotation(t, s(t)), times, patience) })
	}
}

func rotateUnderLoad(t *testing.T, r *rotation, times int, patience time.Duration) {
	trusted := trusting(r.ca, issue(t, r.ca, "client", x509.ExtKeyUsageClientAuth))
	resuming := trusted.Clone()
	resuming.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for _, c := range []*tls.Config{trusted, resuming} {
		wg.Go(func() { r.load(c, false, stop) })
		wg.Go(func() { r.load(c, true, stop) })
	}
	stranger := r.stranger(t)
	slowest := time.Duration(0)
	for i := range times {
		withOther := i%2 == 1
		took := r.seen(t, r.rotate(t, withOther), trusted)
		slowest = max(slowest, took)
		if took > patience {
			t.Errorf("rotation %d: the new certificate was shown after %v", i, took)
		}
		// Connections that are open go a moment after new ones see the new files.
		awaitMetric(t, r.see, `relay_tls_reloads_total{result="ok"}`, strconv.Itoa(i+1))
		if err := r.post(stranger); (err == nil) != withOther {
			t.Fatalf("rotation %d: client of the other authority, which is there: %v: %v", i, withOther, err)
		}
	}
	close(stop)
	wg.Wait()
	r.judge(t)
	t.Logf("%d rotations, %d requests, %d on new connections, new serial shown after %v at most", times, r.done.Load(), r.fresh.Load(), slowest)
}

// stranger is a client of the other authority, with a connection open and a session
// to resume.
func (r *rotation) stranger(t *testing.T) *http.Client {
	c := trusting(r.ca, issue(t, r.other, "stranger", x509.ExtKeyUsageClientAuth))
	c.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: c}}
	t.Cleanup(client.CloseIdleConnections)
	must(t, r.post(client))
	return client
}

func (r *rotation) judge(t *testing.T) {
	t.Helper()
	if err := r.failed.Load(); err != nil {
		t.Errorf("a request failed: %v", *err)
	}
	if got := metric(t, r.see, `relay_tls_reloads_total{result="failed"}`); got != "" {
		t.Errorf("%s readings failed", got)
	}
	if got := metric(t, r.see, `relay_tls_handshakes_total{kind="resumed"}`); got == "" || got == "0" {
		t.Error("no session was resumed")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := strings.Count(strings.Join(r.said, "\n"), "starting fluentd worker"); n != 1 {
		t.Errorf("the relay was started %d times", n)
	}
}
