package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"

	"github.com/sluicelog/sluice/internal/admin"
	"github.com/sluicelog/sluice/internal/cli"
	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/metrics"
	"github.com/sluicelog/sluice/internal/plugin"
	"github.com/sluicelog/sluice/internal/relay"
	"github.com/sluicelog/sluice/internal/status"
)

// program is one run of the relay's process, over any number of reloads.
type program struct {
	flags   *cli.Relay
	log     *slog.Logger
	metrics *metrics.Registry
	board   atomic.Pointer[status.Board]
	tree    atomic.Pointer[conf.Node] // of the configuration that runs
	level   slog.LevelVar
	logging *cli.Handler
	logFile *cli.LogFile // nil: the log goes to standard output
	events  *relay.LogEvents
	sockets *plugin.SocketPool
	// levelChosen says that -v or -q was given; it beats <system> log_level.
	levelChosen bool
	stderr      io.Writer
}

func serveConfig(ctx context.Context, flags *cli.Relay, stdout, stderr io.Writer) int {
	p := &program{flags: flags, metrics: metrics.New(), sockets: plugin.NewSocketPool(), stderr: stderr}
	out, err := flags.LogWriter(stdout)
	if err != nil {
		fmt.Fprintln(stderr, "relay: error:", err)
		return 1
	}
	level, chosen := flags.Level()
	p.level.Set(level)
	p.levelChosen = chosen
	p.events = relay.NewLogEvents()
	p.logging = cli.NewRelayLog(out, cli.RelayLog{Level: &p.level, JSON: flags.LogJSON, Hook: p.events.Hook})
	p.log = slog.New(p.logging)
	p.logFile, _ = out.(*cli.LogFile)
	for _, w := range flags.Warnings {
		p.log.Warn(w)
	}
	if err := p.sockets.Inherit(cli.InheritedFiles()); err != nil {
		fmt.Fprintln(stderr, "relay: error:", err)
		return 1
	}
	loaded := p.load(nil)
	if len(loaded.Problems.Errors) > 0 {
		return 1
	}
	if flags.DryRun {
		p.log.Info("finished dry run mode")
		return 0
	}
	if err := p.run(ctx, loaded); err != nil {
		err = withCure(err)
		p.log.Error("relay stopped", "error", err)
		fmt.Fprintln(stderr, "relay: error:", err)
		return 1
	}
	return 0
}

// load reads the configuration, shows it, and says what is wrong and suspicious. before
// is what it is to replace.
func (p *program) load(before *relay.Relay) *relay.Loaded {
	loaded := relay.Load(sourceOf(p.flags), relay.Options{
		Table: relay.Plugins(), Log: p.log, Metrics: p.metrics, Events: p.events,
		Sockets: p.sockets.Sockets(), Before: before, Strict: p.flags.StrictConfig, StrictValues: p.flags.StrictValues,
	})
	p.settle(&loaded.Relay.System)
	// A file that could not be read would show as an empty configuration, which nobody wrote.
	unread := len(loaded.Tree.Children) == 0 && len(loaded.Problems.Errors) > 0
	if !loaded.Relay.System.SuppressDump && !unread {
		p.showConfig(loaded.Tree)
	}
	p.showProblems(loaded.Problems)
	return loaded
}

// settle brings the command line and <system> together; the command line wins.
func (p *program) settle(s *relay.System) {
	if !p.levelChosen {
		p.level.Set(s.Level())
	}
	s.WithoutSource = s.WithoutSource || p.flags.WithoutSource
	s.SuppressDump = s.SuppressDump || p.flags.SuppressDump
	s.WithSourceOnly = s.WithSourceOnly || p.flags.WithSourceOnly
	p.logging.SetFormat(p.flags.LogJSON || s.Log.Format == "json", s.Log.AppendTime())
}

// run serves until a stop signal, with what stays the same over reloads beside it.
func (p *program) run(ctx context.Context, loaded *relay.Loaded) error {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGCONT)
	defer signal.Stop(signals)

	remove := p.metrics.Collect(status.NewCollectorFunc(p.board.Load))
	defer remove()
	stopAdmin, err := p.startAdmin(ctx, loaded)
	if err != nil {
		return err
	}
	defer stopAdmin()
	stopRPC, err := p.startRPC(ctx, &loaded.Relay.System, signals)
	if err != nil {
		return err
	}
	defer stopRPC()
	return p.serve(ctx, loaded, signals)
}

// reopenLog lets whoever rotates logs move the file away first.
func (p *program) reopenLog() {
	if p.logFile == nil {
		return
	}
	if err := p.logFile.Reopen(); err != nil {
		p.log.Error("the log goes on in the old file", "error", err)
	}
}

// startAdmin serves health and metrics for the whole life of the process.
func (p *program) startAdmin(ctx context.Context, loaded *relay.Loaded) (stop func(), err error) {
	addr, explicit := p.adminAddress(loaded.Relay)
	srv := &admin.Server{Addr: addr, Explicit: explicit, Board: p.board.Load, Metrics: p.metrics, Log: p.log}
	return p.beside(ctx, "admin API", srv)
}

// adminAddress is --admin, else RELAY_ADMIN, else <system>, else the default. A
// port that a source asks for belongs to the source.
func (p *program) adminAddress(r *relay.Relay) (addr string, explicit bool) {
	if p.flags.Admin != "" {
		return p.flags.Admin, true
	}
	if env := os.Getenv("RELAY_ADMIN"); env != "" {
		return env, true
	}
	addr = net.JoinHostPort(r.System.AdminBind, strconv.Itoa(r.System.AdminPort))
	if !r.System.AdminSet && r.Uses(addr) {
		return "off", false
	}
	return addr, r.System.AdminSet
}
