package teleport_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/internal/pki"
	"github.com/sluicelog/sluice/internal/teleport"
	"github.com/sluicelog/sluice/internal/teleport/teleporttest"
)

// webCA signs the web certificates of all proxies of this package's tests. It is the
// only root of the system, which is asked once in a process.
var webCA *pki.CA

// trustWebCA makes webCA the system's root for the rest of the process.
func trustWebCA() (undo func(), err error) {
	if webCA, err = teleporttest.NewWebCA(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "roots")
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "roots.pem")
	if err := os.WriteFile(path, pki.EncodeCertificates(webCA.Cert), 0o600); err != nil {
		return nil, err
	}
	return func() { _ = os.RemoveAll(dir) }, os.Setenv("SSL_CERT_FILE", path)
}

func startProxy(t *testing.T, srv *teleporttest.Server, way teleporttest.Way) *teleporttest.Proxy {
	t.Helper()
	p, err := teleporttest.StartProxy(t.Context(), srv, teleporttest.ProxyOptions{Way: way, Web: webCA})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func through(p *teleporttest.Proxy) func(*teleport.Config) {
	return func(cfg *teleport.Config) { cfg.Addr = p.Addr() }
}

var ways = map[string]teleporttest.Way{
	"tunnel": teleporttest.Tunnel, "bare tunnel": teleporttest.BareTunnel,
	"TLS routing": teleporttest.TLSRouting, "upgrade": teleporttest.Upgrade,
}

// TestThroughProxy: whatever way a proxy offers, each call comes through, and the
// client comes back after the proxy was away.
func TestThroughProxy(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			srv := start(t, teleporttest.Options{Seed: 5, Mode: teleporttest.Bulk})
			srv.Generate(640)
			p := startProxy(t, srv, way)
			c := dial(t, srv, through(p))
			everyCall(t, srv, c)
			p.Stop()
			if _, _, err := c.Search(t.Context(), window()); !teleport.IsUnavailable(err) {
				t.Errorf("without a proxy: %v", err)
			}
			if err := p.Resume(); err != nil {
				t.Fatal(err)
			}
			comesBack(t, c)
		})
	}
}

func everyCall(t *testing.T, srv *teleporttest.Server, c *teleport.Client) {
	t.Helper()
	want := slices.Sorted(srv.UIDs())
	if got := slices.Sorted(slices.Values(searchAll(t, c, window()))); !slices.Equal(got, want) {
		t.Errorf("a search brought %d events, want %d", len(got), len(want))
	}
	var got []string
	for chunk, err := range c.ExportChunks(t.Context(), begin) {
		if err != nil {
			t.Fatal(err)
		}
		for e, err := range c.ExportChunk(t.Context(), begin, chunk, "") {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, e.ID)
		}
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("an export brought %d events, want %d", len(got), len(want))
	}
	session, n := firstSession(srv), 0
	for _, err := range c.SessionEvents(t.Context(), session.ID, 0) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n == 0 || n != len(session.Events) {
		t.Errorf("a recording brought %d events, want %d", n, len(session.Events))
	}
	if err := c.UpsertLock(t.Context(), teleport.Lock{Name: "a", User: "u"}); err != nil || len(srv.Locks()) != 1 {
		t.Errorf("%d locks, %v", len(srv.Locks()), err)
	}
}

// comesBack waits until the client reaches the cluster again.
func comesBack(t *testing.T, c *teleport.Client) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		_, _, err := c.Search(t.Context(), window())
		if err == nil {
			return
		}
		if !teleport.IsUnavailable(err) || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// TestRenewedIdentityThroughProxy: a role without logins gets another name in each
// certificate. Whoever logged in by the old one must not be kept out.
func TestRenewedIdentityThroughProxy(t *testing.T) {
	for name, change := range map[string]func(*teleport.Config){
		"refreshed": func(cfg *teleport.Config) { cfg.Refresh = time.Millisecond },
		"followed":  func(cfg *teleport.Config) { cfg.Refresh, cfg.Follow = 0, time.Millisecond },
	} {
		t.Run(name, func(t *testing.T) {
			srv := start(t, teleporttest.Options{Seed: 1, IdentityTTL: time.Hour})
			p := startProxy(t, srv, teleporttest.Tunnel)
			c := dial(t, srv, through(p), change)
			if err := srv.WriteIdentity(srv.IdentityPath(), 5*time.Hour); err != nil {
				t.Fatal(err)
			}
			for end := (time.Time{}); time.Until(end) < 2*time.Hour; {
				end, _ = c.Expiry()
			}
			p.DropConnections()
			comesBack(t, c)
			if n := len(p.Logins()); n < 2 {
				t.Errorf("%d logins: the connection was not broken", n)
			}
		})
	}
}

// TestLoginName: an identity of an old cluster has names of logins only.
func TestLoginName(t *testing.T) {
	for _, refresh := range []time.Duration{0, time.Minute} {
		for _, c := range []struct {
			names []string
			want  string
		}{
			{nil, "-teleport-internal-join"},
			{[]string{"root", "-teleport-internal-join"}, "-teleport-internal-join"},
			{[]string{"ubuntu", "root"}, "ubuntu"},
		} {
			srv := start(t, teleporttest.Options{Principals: c.names})
			p := startProxy(t, srv, teleporttest.Tunnel)
			dial(t, srv, through(p), func(cfg *teleport.Config) { cfg.Refresh = refresh })
			if got := p.Logins(); !slices.Equal(got, []string{c.want}) {
				t.Errorf("an identity with %q, refreshed %v, logged in as %q, want %q", c.names, refresh > 0, got, c.want)
			}
		}
	}
}

// TestProxyRefusals: what keeps a client out is said in one line, with a cure.
func TestProxyRefusals(t *testing.T) {
	srv, other := start(t, teleporttest.Options{}), start(t, teleporttest.Options{})
	cert, key, ca, err := srv.WritePair(t.TempDir(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr := startProxy(t, srv, way).Addr()
			refused(t, teleport.Config{Addr: addr, Identity: other.IdentityPath()}, "a proxy answers", "another cluster")
			refused(t, teleport.Config{Addr: addr, Cert: cert, Key: key, CA: ca}, "no Auth service answers there", "identity file")
		})
	}
}

// refused checks that a dial fails with one line that has the words.
func refused(t *testing.T, cfg teleport.Config, words ...string) {
	t.Helper()
	cfg.DialTimeout = time.Second
	_, err := teleport.Dial(t.Context(), cfg)
	if !teleport.IsUnavailable(err) {
		t.Fatalf("%v, want it unavailable", err)
	}
	text, _, _ := strings.Cut(err.Error(), "\n  hint: ")
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("%s\nlacks %q", text, word)
		}
	}
	if strings.Contains(text, "\n") || len(text) > 400 {
		t.Errorf("unreadable: %s", text)
	}
}

// TestRefusalsAtStart are those that have nothing to do with a way.
func TestRefusalsAtStart(t *testing.T) {
	srv, other := start(t, teleporttest.Options{}), start(t, teleporttest.Options{})
	cert, key, ca, err := other.WritePair(t.TempDir(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := teleporttest.StartProxy(t.Context(), srv, teleporttest.ProxyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	refused(t, teleport.Config{Addr: stranger.Addr(), Identity: srv.IdentityPath()}, "web certificate is not trusted here", "SSL_CERT_FILE", unknownAuthority)
	refused(t, teleport.Config{Addr: srv.Addr(), Identity: other.IdentityPath()}, "an Auth service answers", "another cluster")
	refused(t, teleport.Config{Addr: srv.Addr(), Cert: cert, Key: key, CA: ca}, "an Auth service answers", "another cluster")
	_ = stranger.Close()
	refused(t, teleport.Config{Addr: stranger.Addr(), Identity: srv.IdentityPath()}, "connection refused")
}

const unknownAuthority = "signed by unknown authority"

// TestExpiredThroughProxy: SSH refuses an expired identity before the Auth service
// would, and it is still the identity that is named.
func TestExpiredThroughProxy(t *testing.T) {
	srv := start(t, teleporttest.Options{Seed: 1, IdentityTTL: time.Hour})
	p := startProxy(t, srv, teleporttest.TLSRouting)
	c := dial(t, srv, through(p), func(cfg *teleport.Config) { cfg.Refresh, cfg.Follow = 0, time.Millisecond })
	if err := srv.WriteIdentity(srv.IdentityPath(), -time.Minute); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Hour); time.Until(end) > 0; {
		end, _ = c.Expiry()
	}
	p.DropConnections()
	if _, _, err := c.Search(t.Context(), window()); !teleport.IsExpired(err) {
		t.Errorf("%v", err)
	}
}

// TestLargeEventThroughProxy is more than a window of SSH holds.
func TestLargeEventThroughProxy(t *testing.T) {
	srv := start(t, teleporttest.Options{})
	body := fmt.Appendf(nil, `{"event":"db.session.query","uid":"big","code":"TDB02I","db_query":%q}`, strings.Repeat("x", 9<<20))
	if err := srv.Append(teleporttest.Event{Type: "db.session.query", Time: begin, Body: body}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tunnel", "upgrade"} {
		c := dial(t, srv, through(startProxy(t, srv, ways[name])))
		page, _, err := c.Search(t.Context(), window())
		if err != nil || len(page) != 1 || len(page[0].AppendJSON(nil)) < 9<<20 {
			t.Errorf("%s: %d events, %v", name, len(page), err)
		}
	}
}

// TestMuteProxy: a proxy that takes a connection and then leads it nowhere must not be
// waited for when it has come to its senses.
func TestMuteProxy(t *testing.T) {
	srv := start(t, teleporttest.Options{Seed: 1})
	srv.Generate(64)
	for name, before := range map[string]func(*teleporttest.Proxy){
		"at once":             func(p *teleporttest.Proxy) { p.DropConnections() },
		"after it was absent": func(p *teleporttest.Proxy) { p.Stop() },
	} {
		t.Run(name, func(t *testing.T) {
			p := startProxy(t, srv, teleporttest.TLSRouting)
			c := dial(t, srv, through(p), func(cfg *teleport.Config) {
				cfg.CallTimeout, cfg.AwayLimit, cfg.DialTimeout = 300*time.Millisecond, 500*time.Millisecond, time.Second
			})
			p.Mute(true)
			before(p)
			for range 2 {
				if _, _, err := c.Search(t.Context(), window()); !teleport.IsUnavailable(err) {
					t.Errorf("of a mute proxy: %v", err)
				}
			}
			if err := p.Resume(); err != nil {
				t.Fatal(err)
			}
			for p.Hung() == 0 {
				_, _, _ = c.Search(t.Context(), window())
			}
			p.Mute(false)
			comesBack(t, c)
		})
	}
}

// TestProxyChangesItsWay as when a cluster turns to TLS routing.
func TestProxyChangesItsWay(t *testing.T) {
	srv := start(t, teleporttest.Options{Seed: 1})
	srv.Generate(64)
	old := startProxy(t, srv, teleporttest.Tunnel)
	c := dial(t, srv, through(old), func(cfg *teleport.Config) { cfg.AwayLimit = 100 * time.Millisecond })
	_ = old.Close()
	_, port, _ := net.SplitHostPort(old.Addr())
	p, err := teleporttest.StartProxy(t.Context(), srv, teleporttest.ProxyOptions{Way: teleporttest.TLSRouting, Web: webCA, Addr: "127.0.0.1:" + port})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	comesBack(t, c)
}
