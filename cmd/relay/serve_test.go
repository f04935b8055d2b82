package main

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/sluicelog/sluice/internal/cli"
	"github.com/sluicelog/sluice/internal/metrics"
	"github.com/sluicelog/sluice/internal/plugin"
	"github.com/sluicelog/sluice/internal/relay"
)

// A reload that comes while another is under way has its turn when that has ended; none
// brings a process back that was told to stop.
func TestSignalsWhileEnding(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fluent.conf")
	must(t, os.WriteFile(path, []byte("<match **>\n@type null\n</match>\n"), 0o600))
	p := &program{
		flags: &cli.Relay{Config: path, SuppressDump: true}, metrics: metrics.New(), sockets: plugin.NewSocketPool(),
		log: slog.New(slog.DiscardHandler), logging: cli.NewRelayLog(io.Discard, cli.RelayLog{}), events: relay.NewLogEvents(), stderr: io.Discard,
	}
	at := &turns{now: p.begin(t.Context(), p.load(nil), nil)}
	must(t, <-at.now.started)
	for range 2 {
		p.signal(t.Context(), syscall.SIGHUP, at)
	}
	if at.coming == nil || at.wanted == nil {
		t.Fatalf("after two reloads: coming %v, wanted %v", at.coming, at.wanted)
	}
	first := at.now
	if end, err := p.arrived(t.Context(), at, <-at.coming.started); end || err != nil || at.leaving != first {
		t.Fatalf("the next one started: end %v, error %v, leaving %v", end, err, at.leaving)
	}
	p.left(t.Context(), at, <-first.ended)
	if at.coming == nil {
		t.Fatal("the second reload was forgotten")
	}
	p.signal(t.Context(), syscall.SIGTERM, at)
	if end, err := p.arrived(t.Context(), at, <-at.coming.started); end || err != nil {
		t.Errorf("started while stopping: end %v, error %v", end, err)
	}
	p.signal(t.Context(), syscall.SIGHUP, at)
	if at.coming != nil || at.wanted != nil {
		t.Error("a reload brought a process back that was told to stop")
	}
	must(t, errors.Join(<-at.now.ended, at.gone()))
}
