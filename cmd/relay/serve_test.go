package main

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/sluicelog/sluice/internal/cli"
	"github.com/sluicelog/sluice/internal/metrics"
	"github.com/sluicelog/sluice/internal/relay"
)

// Signals that come while a configuration ends already, since it takes a minute to
// deliver what it holds.
func TestSignalsWhileEnding(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fluent.conf")
	write := func(text string) { must(t, os.WriteFile(path, []byte(text), 0o600)) }
	const good, wrong = "<match **>\n@type null\n</match>\n", "<match **>\n@type nil\n</match>\n"
	p := &program{
		flags: &cli.Relay{Config: path, SuppressDump: true}, metrics: metrics.New(),
		log: slog.New(slog.DiscardHandler), logging: cli.NewRelayLog(io.Discard, cli.RelayLog{}), events: relay.NewLogEvents(), stderr: io.Discard,
	}
	stops := 0
	end := turn{stop: func() { stops++ }}
	write(good)
	p.signal(syscall.SIGHUP, nil, &end)
	if end.next == nil || stops != 1 {
		t.Fatalf("after a reload: next %v, %d stops", end.next, stops)
	}
	first := end.next
	write(wrong)
	p.signal(syscall.SIGHUP, nil, &end)
	if end.next != first {
		t.Error("a second, wrong configuration took the first one's place: the process would end")
	}
	p.signal(syscall.SIGTERM, nil, &end)
	if end.next != nil || stops != 2 {
		t.Errorf("after SIGTERM: next %v, %d stops", end.next, stops)
	}
	write(good)
	p.signal(syscall.SIGHUP, nil, &end)
	if end.next != nil {
		t.Error("a reload brought a process back that was told to stop")
	}
}
