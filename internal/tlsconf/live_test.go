package tlsconf

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/internal/pki"
)

// pairIn is a server in whose folder the pair can be replaced.
func pairIn(t *testing.T, dir string) *echo {
	t.Helper()
	copyFile(t, certs+"/server.crt", join(dir, "tls.crt"))
	copyFile(t, certs+"/server.key", join(dir, "tls.key"))
	return serve(t, "<transport tls>\n cert_path "+join(dir, "tls.crt")+"\n private_key_path "+join(dir, "tls.key")+"\n</transport>")
}

// shown is the key algorithm of the certificate that the server shows now.
func shown(t *testing.T, e *echo) x509.PublicKeyAlgorithm {
	t.Helper()
	conn, err := dial(e.addr, client(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].PublicKeyAlgorithm
}

func TestReloadByRename(t *testing.T) {
	dir := t.TempDir()
	e := pairIn(t, dir)
	old, err := dial(e.addr, client(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	copyFile(t, certs+"/server-ec.crt", join(dir, "tls.crt"))
	copyFile(t, certs+"/server-ec.key", join(dir, "tls.key"))
	e.log.wait(t, "certificates were read again")
	if got := shown(t, e); got != x509.ECDSA {
		t.Errorf("the server shows its %v certificate still", got)
	}
	if err := ping(old); err != nil {
		t.Errorf("the connection from before was dropped: %v", err)
	}
	if got := value(e.metrics, "relay_tls_reloads_total", "ok"); got != 1 {
		t.Errorf("%v reloads are counted", got)
	}
}

// Kubernetes replaces a mounted secret by turning the link ..data round.
func TestReloadBySymlinkSwap(t *testing.T) {
	root := t.TempDir()
	for name, from := range map[string]string{"..one": "server", "..two": "server-ec"} {
		if err := os.Mkdir(join(root, name), 0o700); err != nil {
			t.Fatal(err)
		}
		copyFile(t, certs+"/"+from+".crt", join(root, name, "tls.crt"))
		copyFile(t, certs+"/"+from+".key", join(root, name, "tls.key"))
	}
	link := func(to, at string) {
		if err := os.Symlink(to, join(root, at+".new")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(join(root, at+".new"), join(root, at)); err != nil {
			t.Fatal(err)
		}
	}
	link("..one", "..data")
	link("..data/tls.crt", "tls.crt")
	link("..data/tls.key", "tls.key")
	e := serve(t, "<transport tls>\n cert_path "+join(root, "tls.crt")+"\n private_key_path "+join(root, "tls.key")+"\n</transport>")
	link("..two", "..data")
	e.log.wait(t, "certificates were read again")
	if got := shown(t, e); got != x509.ECDSA {
		t.Errorf("the server shows its %v certificate still", got)
	}
}

// Where nothing tells of changes the poll finds them.
func TestReloadByPoll(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	looks := 0
	follow(ctx, slog.New(slog.DiscardHandler), nil, time.Millisecond, func() bool {
		if looks++; looks == 3 {
			stop()
		}
		return false
	})
	if looks != 3 {
		t.Errorf("%d looks", looks)
	}
}

// A pair is replaced in two steps. Between them nothing is said, and the old one
// serves.
func TestHalfReplacedPair(t *testing.T) {
	dir := t.TempDir()
	e := pairIn(t, dir)
	e.stop()
	l := e.server.live
	copyFile(t, certs+"/server-ec.crt", join(dir, "tls.crt"))
	if again := l.look(time.Now()); !again || len(e.log.all()) != 0 {
		t.Errorf("again %v, said %q", again, e.log.all())
	}
	copyFile(t, certs+"/server-ec.key", join(dir, "tls.key"))
	if again := l.look(time.Now()); again || value(e.metrics, "relay_tls_reloads_total", "failed") > 0 {
		t.Errorf("again %v, said %q", again, e.log.all())
	}
	e.log.wait(t, "certificates were read again")
}

// A pair that stays broken is said once; the old one serves; mending it is said.
func TestBrokenPairKeepsTheOld(t *testing.T) {
	dir := t.TempDir()
	e := pairIn(t, dir)
	e.stop()
	l := e.server.live
	copyFile(t, certs+"/client.key", join(dir, "tls.key"))
	for range 5 {
		l.look(time.Now())
	}
	if n := len(e.log.all()); n != 1 || value(e.metrics, "relay_tls_reloads_total", "failed") != 1 {
		t.Errorf("said %d times: %q", n, e.log.all())
	}
	if line := e.log.wait(t, "stays in use"); !strings.Contains(line, "private key does not belong") {
		t.Errorf("got %s", line)
	}
	if got := shown(t, e); got != x509.RSA {
		t.Errorf("shows %v", got)
	}
	if err := os.Remove(join(dir, "tls.key")); err != nil {
		t.Fatal(err)
	}
	l.look(time.Now())
	l.look(time.Now())
	if line := e.log.wait(t, "stays in use"); !strings.Contains(line, "no such file") {
		t.Errorf("another fault is not said: %s", line)
	}
	copyFile(t, certs+"/server-ec.crt", join(dir, "tls.crt"))
	copyFile(t, certs+"/server-ec.key", join(dir, "tls.key"))
	l.look(time.Now())
	e.log.wait(t, "certificates were read again")
}

// An authority that is taken out of ca_path loses its clients, also those that
// would resume a session.
func TestAuthorityTakenOut(t *testing.T) {
	dir := t.TempDir()
	copyFile(t, certs+"/bothca.crt", join(dir, "ca.crt"))
	e := serve(t, strings.ReplaceAll(mutual, "{{CERTS}}/ca.crt", join(dir, "ca.crt")))
	e.stop()
	c := client(t, "clientbad")
	c.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	conn, err := dial(e.addr, c)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	copyFile(t, certs+"/ca.crt", join(dir, "ca.crt"))
	e.server.live.look(time.Now())
	if _, err := dial(e.addr, c); err == nil {
		t.Error("the client still comes in")
	}
	e.log.wait(t, "reason=unknown_authority")
}

// ca_path may be a folder; files that hold no certificate are passed over.
func TestAuthoritiesInAFolder(t *testing.T) {
	dir := t.TempDir()
	copyFile(t, certs+"/otherca.crt", join(dir, "a.crt"))
	copyFile(t, certs+"/ca.crt", join(dir, "b.crt"))
	copyFile(t, certs+"/ca.key", join(dir, "README"))
	e := serve(t, strings.ReplaceAll(mutual, "{{CERTS}}/ca.crt", dir))
	for _, name := range []string{"client", "clientbad"} {
		conn, err := dial(e.addr, client(t, name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		_ = conn.Close()
	}
	e.stop()
	if err := os.Remove(join(dir, "a.crt")); err != nil {
		t.Fatal(err)
	}
	e.server.live.look(time.Now())
	if _, err := dial(e.addr, client(t, "clientbad")); err == nil {
		t.Error("the authority is gone and its client comes in")
	}
}

func TestMadeCertificateStaysUntilItsAuthorityChanges(t *testing.T) {
	dir := t.TempDir()
	copyFile(t, certs+"/ca.crt", join(dir, "ca.crt"))
	copyFile(t, certs+"/ca.key", join(dir, "ca.key"))
	copyFile(t, certs+"/ca.crt", join(dir, "clients.crt"))
	e := serve(t, "<transport tls>\n ca_cert_path "+join(dir, "ca.crt")+"\n ca_private_key_path "+join(dir, "ca.key")+
		"\n client_cert_auth true\n ca_path "+join(dir, "clients.crt")+"\n</transport>")
	e.stop()
	l := e.server.live
	first := l.made
	copyFile(t, certs+"/bothca.crt", join(dir, "clients.crt"))
	l.look(time.Now())
	if l.made != first {
		t.Error("another certificate was made although its authority is the same")
	}
	copyFile(t, certs+"/otherca.crt", join(dir, "ca.crt"))
	copyFile(t, certs+"/otherca.key", join(dir, "ca.key"))
	l.look(time.Now())
	if l.made == first {
		t.Error("the authority was replaced and its certificate was not")
	}
}

func TestExpiryWarnings(t *testing.T) {
	dir := t.TempDir()
	e := pairIn(t, dir)
	e.stop()
	l := e.server.live
	end := l.inUse.Load().ends[0].at
	if got := value(e.metrics, "relay_tls_cert_expiry_seconds", join(dir, "tls.crt"), "server"); got != float64(end.Unix()) {
		t.Errorf("metric %v, want %v", got, end.Unix())
	}
	day := 24 * time.Hour
	for left := 40 * day; left > -2*day; left -= 6 * time.Hour {
		l.warnOfEnds(end.Add(-left))
	}
	want := []string{"certificate ends in 30.0 days", "certificate ends in 7.0 days", "certificate ends in 1.0 days", "certificate ended"}
	lines := e.log.all()
	if len(lines) != len(want) {
		t.Fatalf("said %q", lines)
	}
	for i, w := range want {
		if !strings.HasPrefix(lines[i], "WARN "+w) {
			t.Errorf("got %s, want %s", lines[i], w)
		}
	}
}

func TestFirstEnd(t *testing.T) {
	now := time.Now()
	at := func(days ...int) (all []*x509.Certificate) {
		for _, d := range days {
			all = append(all, &x509.Certificate{NotAfter: now.Add(time.Duration(d) * 24 * time.Hour)})
		}
		return all
	}
	for _, tc := range []struct {
		days []int
		want int
	}{{[]int{5}, 5}, {[]int{5, 3, 9}, 3}, {[]int{-5, 3, -1, 9}, 3}, {[]int{3, -5}, 3}, {[]int{-5, -2, -9}, -2}} {
		if got := firstEnd("", "", at(tc.days...)).at; !got.Equal(now.Add(time.Duration(tc.want) * 24 * time.Hour)) {
			t.Errorf("%v: got %v", tc.days, got.Sub(now))
		}
	}
}

// A busy folder must neither starve the look nor make it run hot.
func TestBusyFolder(t *testing.T) {
	dir := t.TempDir()
	e := pairIn(t, dir)
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				_ = os.WriteFile(join(dir, "noise"), nil, 0o600)
			}
		}
	}()
	copyFile(t, certs+"/server-ec.crt", join(dir, "tls.crt"))
	copyFile(t, certs+"/server-ec.key", join(dir, "tls.key"))
	e.log.wait(t, "certificates were read again")
	close(stop)
	<-done
}

// testSet is a folder with a set of localhost.
func testSet(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := pki.WriteTestSet(dir, pki.ECDSA); err != nil {
		t.Fatal(err)
	}
	return dir
}

// authority is a CA of a test, with its files in dir.
func authority(t *testing.T, dir string) *pki.CA {
	t.Helper()
	key, err := pki.GenerateKey(pki.ECDSA, 0)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := pki.NewCA(key, pkix.Name{CommonName: "test"}, time.Now().Add(-time.Minute), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(join(dir, "ca.crt"), pki.EncodeCertificates(ca.Cert), 0o600); err != nil {
		t.Fatal(err)
	}
	return ca
}

func BenchmarkHandshake(b *testing.B) {
	s, err := decode(b, mutual)
	if err != nil {
		b.Fatal(err)
	}
	e := serveWith(b, s)
	c := client(b, "client")
	for b.Loop() {
		conn, err := dial(e.addr, c)
		if err != nil {
			b.Fatal(err)
		}
		_ = conn.Close()
	}
}
