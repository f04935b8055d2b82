package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/sluicelog/sluice/internal/cli"
	"github.com/sluicelog/sluice/internal/handler"
	"github.com/sluicelog/sluice/internal/metrics"
	"github.com/sluicelog/sluice/internal/teleport"
)

// serve is `handler start`. SIGHUP reads the configuration again and goes on with
// it, after what is in flight was answered; SIGUSR1 writes profiles.
func serve(ctx context.Context, l *line, args []string, stderr io.Writer) int {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGUSR1)
	defer signal.Stop(signals)
	defer context.AfterFunc(ctx, cli.NotifyStopping)()
	m := metrics.New()
	teleport.UseDefaultLog()
	log := l.logger(stderr)
	var former *line // what ran before a reload
	for {
		r := begin(ctx, l, log, m)
		next, err := r.wait(signals, log, func() (*line, error) { return parseAgain(l, args) })
		switch {
		case next != nil:
			cli.NotifyReloading()
			log.Info("Reloading the configuration", "file", l.Config)
			if err := r.stop(); err != nil {
				return fatal(log, err)
			}
			former, l, log = l, next, next.logger(stderr)
		case err == nil:
			log.Info("Successfully shut down")
			return 0
		case former != nil && !r.started():
			log.Error("Failed to start with the new configuration, going back to the old one", withCure(err)...)
			l, former, log = former, nil, former.logger(stderr)
		default:
			return fatal(log, err)
		}
	}
}

func fatal(log *slog.Logger, err error) int {
	log.Error("Terminating with fatal error...", withCure(err)...)
	return 1
}

// withCure is an error for the log, and its cure beside it.
func withCure(err error) []any {
	text, hint := cured(err)
	if hint == "" {
		return []any{"error", text}
	}
	return []any{"error", text, "hint", hint}
}

// running is one run of the handler with one configuration.
type running struct {
	cancel context.CancelFunc
	up     chan struct{} // closed when it reads
	done   chan error
	dir    string // storage, for profiles
}

func begin(ctx context.Context, l *line, log *slog.Logger, m *metrics.Registry) *running {
	ctx, cancel := context.WithCancel(ctx)
	r := &running{cancel: cancel, up: make(chan struct{}), done: make(chan error, 1), dir: l.Start.Storage}
	l.Start.Version = version
	l.Start.Started = func() {
		close(r.up)
		cli.NotifyReady("forwarding events of " + l.Start.TeleportAddr)
	}
	go func() {
		err := l.Start.Run(ctx, log, m)
		if errors.Is(err, context.Canceled) {
			err = nil
		}
		r.done <- err
	}()
	return r
}

func (r *running) started() bool {
	select {
	case <-r.up:
		return true
	default:
		return false
	}
}

// stop ends a run in order.
func (r *running) stop() error {
	r.cancel()
	return <-r.done
}

// wait returns when the run is over, or with the configuration that shall take
// its place.
func (r *running) wait(signals <-chan os.Signal, log *slog.Logger, again func() (*line, error)) (*line, error) {
	for {
		select {
		case err := <-r.done:
			r.cancel()
			return nil, err
		case s := <-signals:
			if s == syscall.SIGUSR1 {
				handler.WriteProfiles(r.dir, log)
				continue
			}
			next, err := again()
			if err == nil {
				return next, nil
			}
			log.Error("Failed to read the configuration again, the old one stays in use", withCure(err)...)
		}
	}
}

// parseAgain reads the same command line with the files of now.
func parseAgain(l *line, args []string) (*line, error) {
	var out, message bytes.Buffer
	next, _ := parse(l.kong.Model.Name, args, &out, &message)
	if next == nil {
		return nil, errors.New(strings.TrimPrefix(strings.TrimSpace(message.String()), l.kong.Model.Name+": error: "))
	}
	return next, nil
}

// logger writes as the options ask for, and says what the file holds in vain. What
// the modules below write to slog's own logger comes out in the same shape.
func (l *line) logger(stderr io.Writer) *slog.Logger {
	level := slog.LevelInfo
	if l.Debug {
		level = slog.LevelDebug
	}
	log := slog.New(cli.NewHandlerLog(stderr, level, l.Start.LogFormat == "json"))
	slog.SetDefault(log)
	if l.file != nil {
		for _, key := range l.file.Unknown(l.kong.Model) {
			log.Warn("Unknown key in the configuration file is ignored", "file", l.Config, "key", key)
		}
	}
	return log
}
