package main

import (
	"bufio"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicelog/sluice/internal/pki"
)

// daemon is a relay that runs as a process of its own.
type daemon struct {
	cmd   *exec.Cmd
	lines chan string
	mu    sync.Mutex
	said  []string
}

// startRelay starts a relay with a configuration and waits until it works.
func startRelay(t *testing.T, dir, config string) *daemon {
	t.Helper()
	file := filepath.Join(dir, "fluent.conf")
	writeFile(t, file, []byte(config))
	return runRelay(t, exec.Command("relay", "-c", file), config)
}

func runRelay(t *testing.T, cmd *exec.Cmd, config string) *daemon {
	t.Helper()
	d := &daemon{cmd: cmd, lines: make(chan string, 10_000)}
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	d.cmd.Stderr = d.cmd.Stdout
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		d.read(out)
	}()
	t.Cleanup(func() {
		_ = d.cmd.Process.Signal(os.Interrupt)
		<-read
		_ = d.cmd.Wait()
		if t.Failed() {
			t.Logf("the relay said:\n%s", strings.Join(d.said, "\n"))
		}
	})
	d.wait(t, "fluentd worker is now running")
	for _, port := range portLines.FindAllStringSubmatch(config, -1) {
		awaitPort(t, port[1])
	}
	return d
}

var portLines = regexp.MustCompile(`(?m)^\s*port (\d+)`)

// awaitPort waits until somebody listens on a port.
func awaitPort(t *testing.T, port string) {
	t.Helper()
	for late := time.Now().Add(20 * time.Second); ; {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(late) {
			t.Fatal(err)
		}
	}
}

func (d *daemon) read(out io.Reader) {
	for s := bufio.NewScanner(out); s.Scan(); {
		d.mu.Lock()
		d.said = append(d.said, s.Text())
		d.mu.Unlock()
		select {
		case d.lines <- s.Text():
		default: // nobody waits for it any more
		}
	}
}

// wait returns the next line that holds text.
func (d *daemon) wait(t *testing.T, text string) string {
	t.Helper()
	late := time.After(20 * time.Second)
	for {
		select {
		case line := <-d.lines:
			if strings.Contains(line, text) {
				return line
			}
		case <-late:
			t.Fatalf("the relay does not say %q", text)
		}
	}
}

// freePort is a port that nobody listens at, below those that clients are given.
func freePort(t *testing.T) string {
	t.Helper()
	for range 50 {
		port := strconv.Itoa(18_000 + rand.IntN(2_000))
		if ln, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			_ = ln.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return ""
}

func writeFile(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func newAuthority(t *testing.T, name string) *pki.CA {
	t.Helper()
	key, err := pki.GenerateKey(pki.ECDSA, 0)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := pki.NewCA(key, pkix.Name{CommonName: name}, time.Now().Add(-time.Minute), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

// issue makes a pair of an authority, good for localhost.
func issue(t *testing.T, ca *pki.CA, name string, usage x509.ExtKeyUsage) *tls.Certificate {
	t.Helper()
	key, err := pki.GenerateKey(pki.ECDSA, 0)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue(key.Public(), pki.Leaf{
		Subject: pkix.Name{CommonName: name}, DNS: []string{"localhost"}, Usage: []x509.ExtKeyUsage{usage}, From: time.Now().Add(-time.Minute), TTL: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := pki.Join([]*x509.Certificate{cert}, key)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// writePair writes tls.crt and tls.key into a folder.
func writePair(t *testing.T, dir string, pair *tls.Certificate) {
	t.Helper()
	key, err := pki.EncodeKey(pair.PrivateKey.(crypto.Signer)) //nolint:forcetypeassert // issue makes it
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "tls.crt"), pki.EncodeCertificates(pair.Leaf))
	writeFile(t, filepath.Join(dir, "tls.key"), key)
}

// trusting is a client's configuration; pair may be nil.
func trusting(ca *pki.CA, pair *tls.Certificate) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(ca.Cert)
	c := &tls.Config{RootCAs: pool, ServerName: "localhost"}
	if pair != nil {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair, nil }
	}
	return c
}

// metric is the value of a series as the relay shows it, "" when there is none.
func metric(t *testing.T, port, series string) string {
	t.Helper()
	got, err := http.Get("http://127.0.0.1:" + port + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	for s := bufio.NewScanner(got.Body); s.Scan(); {
		if value, ok := strings.CutPrefix(s.Text(), series+" "); ok {
			return value
		}
	}
	return ""
}

// awaitMetric waits until a series has a value: a client may see the end of its
// connection before the relay has counted it.
func awaitMetric(t *testing.T, port, series, want string) {
	t.Helper()
	got := ""
	for late := time.Now().Add(20 * time.Second); time.Now().Before(late); {
		if got = metric(t, port, series); got == want {
			return
		}
	}
	t.Errorf("%s is %q, not %s", series, got, want)
}
