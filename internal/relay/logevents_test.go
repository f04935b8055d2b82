package relay

import (
	"io"
	"log/slog"
	"testing"

	"github.com/sluicelog/sluice/internal/cli"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/match"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
	"github.com/sluicelog/sluice/internal/router"
)

// chatty logs about each event that it takes, as a filter may.
type chatty struct {
	log *slog.Logger
	got []string
}

func (c *chatty) Params(*param.Set) {}

func (c *chatty) Accept(_ *plugin.Tx, tag string, es event.Stream) error {
	for _, e := range es {
		c.got = append(c.got, tag+" "+string(e.Record.AppendJSON(nil)))
		c.log.Warn("took an event")
	}
	return nil
}

func TestLogEventsDoNotFeedThemselves(t *testing.T) {
	events := NewLogEvents()
	log := slog.New(cli.NewRelayLog(io.Discard, cli.RelayLog{Hook: events.Hook}))
	out := &chatty{log: log}
	all, err := match.Compile("**")
	if err != nil {
		t.Fatal(err)
	}
	p := router.New(logLabel, router.Hooks{NoMatch: func(string, int, bool) {}})
	p.AddMatch(all, out)

	log.Info("before the start")
	end := events.begin(p)
	log.Info("one", "plugin_id", "x", "n", 1)
	stop := events.run(p)
	log.Error("two", "error", "why")
	end()
	stop()
	log.Info("after the end")

	want := []string{
		`fluent.info {"n":1,"message":"one n=1"}`,
		`fluent.error {"error":"why","message":"two error=\"why\""}`,
	}
	if len(out.got) != len(want) || out.got[0] != want[0] || out.got[1] != want[1] {
		t.Errorf("got  %q\nwant %q", out.got, want)
	}
}

func TestLogEventsBound(t *testing.T) {
	events := NewLogEvents()
	log := slog.New(cli.NewRelayLog(io.Discard, cli.RelayLog{Hook: events.Hook}))
	events.begin(router.New(logLabel, router.Hooks{}))
	for range logEventsKept + 10 {
		log.Info("nobody takes them yet")
	}
	if got := len(events.queue); got != logEventsKept {
		t.Errorf("queue holds %d lines, want %d", got, logEventsKept)
	}
}
