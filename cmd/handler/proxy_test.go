package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sluicelog/sluice/internal/pki"
	"github.com/sluicelog/sluice/internal/teleport/teleporttest"
)

// proxies stand before a script's cluster. One authority signs the web certificates
// of all.
type proxies struct {
	all []*teleporttest.Proxy
	web *pki.CA
}

var proxyWays = map[string]teleporttest.Way{
	"tunnel": teleporttest.Tunnel, "bare": teleporttest.BareTunnel, "routing": teleporttest.TLSRouting, "upgrade": teleporttest.Upgrade,
}

// proxyCommand is `proxy WAY`: a proxy before the cluster, whose address becomes
// $TELEPORT and its folder $FOLDER, with the last one's in $FORMER; $ROOTS is what its
// web certificate wants in SSL_CERT_FILE. `proxy stop` and `proxy start` are about the
// last one.
func (w *world) proxyCommand(ts *testscript.TestScript, args []string) {
	switch way, known := proxyWays[args[0]]; {
	case known:
		w.startProxy(ts, way)
	case args[0] == "stop":
		w.proxies.last().Stop()
	case args[0] == "start":
		ts.Check(w.proxies.last().Resume())
	default:
		ts.Fatalf("no such proxy: %v", args)
	}
}

func (p *proxies) last() *teleporttest.Proxy { return p.all[len(p.all)-1] }

func (w *world) startProxy(ts *testscript.TestScript, way teleporttest.Way) {
	if w.proxies.web == nil {
		var err error
		w.proxies.web, err = teleporttest.NewWebCA()
		ts.Check(err)
	}
	p, err := teleporttest.StartProxy(context.Background(), w.cluster, teleporttest.ProxyOptions{Way: way, Web: w.proxies.web})
	ts.Check(err)
	w.proxies.all = append(w.proxies.all, p)
	roots := filepath.Join(w.dir, "cluster", "roots.pem")
	ts.Check(p.WriteRoots(roots))
	ts.Setenv("ROOTS", roots)
	ts.Setenv("TELEPORT", p.Addr())
	ts.Setenv("FORMER", ts.Getenv("FOLDER"))
	ts.Setenv("FOLDER", strings.ReplaceAll(p.Addr(), ":", "_"))
}

// credentials is `credentials DIR`: those of the cluster in three files, and foreign,
// an identity of another one.
func (w *world) credentials(ts *testscript.TestScript, args []string) {
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o700))
	_, _, _, err := w.cluster.WritePair(dir, time.Hour)
	ts.Check(err)
	other, err := teleporttest.Start(context.Background(), teleporttest.Options{Dir: filepath.Join(w.dir, "other")})
	ts.Check(err)
	defer other.Close()
	ts.Check(other.WriteIdentity(filepath.Join(dir, "foreign"), time.Hour))
}
