package tlsconf

import (
	"crypto/tls"
	"math/big"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/internal/pki"
)

// ownAuthority is a server whose clients are those of an authority in dir, with a
// revocation list there that is empty.
func ownAuthority(t *testing.T, dir, more string) (*echo, *pki.CA) {
	t.Helper()
	ca := authority(t, dir)
	write(t, join(dir, "crl"), list(t, ca, time.Now().Add(time.Hour)))
	e := serve(t, strings.Replace(mutual, "ca_path {{CERTS}}/ca.crt", "ca_path "+join(dir, "ca.crt")+"\n crl_path "+join(dir, "crl")+more, 1))
	e.stop()
	return e, ca
}

func enter(t *testing.T, e *echo, pair *tls.Certificate) (*tls.Conn, error) {
	t.Helper()
	c := client(t, "")
	c.Certificates = []tls.Certificate{*pair}
	return dial(e.addr, c)
}

// A client that keeps its connection open must not outlive its revocation; the
// others keep theirs.
func TestRevokedClientLosesItsConnection(t *testing.T) {
	dir := t.TempDir()
	e, ca := ownAuthority(t, dir, "")
	good, bad := leafOf(t, ca), leafOf(t, ca)
	stays, err := enter(t, e, good)
	if err != nil {
		t.Fatal(err)
	}
	defer stays.Close()
	goes, err := enter(t, e, bad)
	if err != nil {
		t.Fatal(err)
	}
	defer goes.Close()
	write(t, join(dir, "crl"), list(t, ca, time.Now().Add(time.Hour), bad.Leaf.SerialNumber))
	e.server.live.look(time.Now())
	if err := ping(goes); err == nil {
		t.Error("a revoked client goes on")
	}
	if err := ping(stays); err != nil {
		t.Errorf("another client lost its connection: %v", err)
	}
	if got := value(e.metrics, "relay_tls_clients_ejected_total", "revoked"); got != 1 {
		t.Errorf("%v are counted", got)
	}
	e.log.wait(t, "a connection was closed")
}

func TestClientOfARemovedAuthorityLosesItsConnection(t *testing.T) {
	dir := t.TempDir()
	copyFile(t, certs+"/bothca.crt", join(dir, "ca.crt"))
	e := serve(t, strings.ReplaceAll(mutual, "{{CERTS}}/ca.crt", join(dir, "ca.crt")))
	e.stop()
	goes, err := dial(e.addr, client(t, "clientbad"))
	if err != nil {
		t.Fatal(err)
	}
	defer goes.Close()
	stays, err := dial(e.addr, client(t, "client"))
	if err != nil {
		t.Fatal(err)
	}
	defer stays.Close()
	copyFile(t, certs+"/ca.crt", join(dir, "ca.crt"))
	e.server.live.look(time.Now())
	if ping(goes) == nil || ping(stays) != nil {
		t.Errorf("removed: %v, kept: %v", ping(goes), ping(stays))
	}
	if got := value(e.metrics, "relay_tls_clients_ejected_total", "unknown_authority"); got != 1 {
		t.Errorf("%v are counted", got)
	}
}

// A broken list keeps the old one, so that nobody loses anything.
func TestBrokenListEjectsNobody(t *testing.T) {
	dir := t.TempDir()
	e, ca := ownAuthority(t, dir, "")
	conn, err := enter(t, e, leafOf(t, ca))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := os.Remove(join(dir, "crl")); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		e.server.live.look(time.Now())
	}
	if err := ping(conn); err != nil {
		t.Error(err)
	}
	write(t, join(dir, "crl"), list(t, ca, time.Now().Add(time.Hour), big.NewInt(7)))
	e.server.live.look(time.Now())
	if err := ping(conn); err != nil {
		t.Error(err)
	}
}

// Connections that have ended are forgotten.
func TestGuestsLeave(t *testing.T) {
	e, ca := ownAuthority(t, t.TempDir(), "")
	pair := leafOf(t, ca)
	for range 5 {
		conn, err := enter(t, e, pair)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
	}
	g := &e.server.live.guests
	for deadline := time.Now().Add(5 * time.Second); ; {
		g.mu.Lock()
		n := len(g.in)
		g.mu.Unlock()
		if n == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d are remembered", n)
		}
		runtime.Gosched()
	}
}
