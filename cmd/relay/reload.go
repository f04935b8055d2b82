package main

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"

	"github.com/sluicelog/sluice/internal/cli"
	"github.com/sluicelog/sluice/internal/relay"
)

// running is a configuration that starts, and then serves until it is stopped.
type running struct {
	*relay.Loaded
	by      os.Signal // nil: the first of the process
	stop    context.CancelFunc
	started chan error // gets one value
	ended   chan error // gets one value, if it has started
}

func (p *program) begin(ctx context.Context, loaded *relay.Loaded, by os.Signal) *running {
	ctx, stop := context.WithCancel(ctx)
	r := &running{loaded, by, stop, make(chan error, 1), make(chan error, 1)}
	go func() {
		err := loaded.Relay.Start(ctx)
		r.started <- err
		if err == nil {
			p.warnUnclaimed()
			r.ended <- loaded.Relay.Run(ctx)
		}
	}()
	return r
}

func (p *program) warnUnclaimed() {
	for _, address := range p.sockets.Unclaimed() {
		p.log.Warn("the service manager holds a socket that no source listens at; whoever connects there waits", "address", address)
	}
}

// turns is the configuration that serves, and around it, after a reload, the one that
// starts to take its place, or the one before, which answers and delivers what it has
// begun. It holds the buffers that a third would want: one reload waits for the other.
type turns struct {
	now     *running // nil before the first, and when it has ended before the next has started
	coming  *running // nil: none
	leaving *running // nil: none
	wanted  os.Signal
	last    bool // a stop signal came: nothing follows any more
}

// serve runs configurations until one ends by itself or by a stop signal. SIGHUP and
// SIGUSR2 take a new one: it starts, and takes over ports and buffers, before the old
// one ends. One that is wrong or can not start is said so, and the old one goes on.
// SIGUSR1 flushes.
func (p *program) serve(ctx context.Context, first *relay.Loaded, signals <-chan os.Signal) error {
	p.show(first)
	t := &turns{coming: p.begin(ctx, first, nil)}
	for {
		select {
		case err := <-t.coming.startedC():
			if end, err := p.arrived(ctx, t, err); end {
				return err
			}
		case err := <-t.now.endedC():
			if t.coming != nil && errors.Is(err, net.ErrClosed) {
				t.now = nil // what comes has taken its port, to open it at another address
				continue
			}
			return errors.Join(err, t.gone())
		case err := <-t.leaving.endedC():
			p.left(ctx, t, err)
		case s := <-signals:
			p.signal(ctx, s, t)
		}
	}
}

// startedC and endedC never get a value for nil.
func (r *running) startedC() <-chan error {
	if r == nil {
		return nil
	}
	return r.started
}

func (r *running) endedC() <-chan error {
	if r == nil {
		return nil
	}
	return r.ended
}

// show lets the admin API tell of a configuration.
func (p *program) show(l *relay.Loaded) {
	p.board.Store(l.Relay.Board)
	p.tree.Store(l.Tree)
}

// arrived is called when what was starting has started, or could not. Where nothing runs
// beside it that is the end of the program.
func (p *program) arrived(ctx context.Context, t *turns, err error) (end bool, _ error) {
	next := t.coming
	t.coming = nil
	if err == nil {
		p.change(t, next)
		return false, nil
	}
	next.stop()
	switch {
	case t.last && errors.Is(err, context.Canceled):
		return t.now == nil, nil
	case t.now == nil:
		return true, err
	}
	p.log.Error("the new configuration can not be started; the old one goes on", "error", withCure(err))
	p.stay(t)
	p.again(ctx, t)
	return false, nil
}

// change lets what has started take the place of what runs.
func (p *program) change(t *turns, next *running) {
	t.leaving, t.now = t.now, next
	p.show(next.Loaded)
	if t.leaving != nil {
		t.leaving.stop()
	}
	if next.by != nil {
		p.log.Info("restart fluentd worker", "worker", 0)
	}
	if next.by == syscall.SIGUSR2 {
		p.log.Info("zero-downtime-restart: done all sequences, now new processes start to work fully")
	}
	if t.last {
		next.stop()
	}
}

// stay goes on with what runs.
func (p *program) stay(t *turns) {
	p.settle(&t.now.Relay.System)
	cli.NotifyReady("taking events")
}

// gone ends what is around the configuration that has ended.
func (t *turns) gone() error {
	var errs []error
	if t.coming != nil {
		t.coming.stop()
		if err := <-t.coming.started; err == nil {
			errs = append(errs, <-t.coming.ended)
		}
	}
	if t.leaving != nil {
		errs = append(errs, <-t.leaving.ended)
	}
	return errors.Join(errs...)
}

func (p *program) left(ctx context.Context, t *turns, err error) {
	t.leaving = nil
	if err != nil && !errors.Is(err, net.ErrClosed) {
		p.log.Warn("the configuration before did not end in order", "error", err)
	}
	p.again(ctx, t)
}

// again does the reload that came while another was under way.
func (p *program) again(ctx context.Context, t *turns) {
	if s := t.wanted; s != nil {
		t.wanted = nil
		p.reload(ctx, s, t)
	}
}

func (p *program) signal(ctx context.Context, s os.Signal, t *turns) {
	switch s {
	case syscall.SIGUSR1:
		p.reopenLog()
		p.log.Info("force flushing buffered events")
		p.log.Info("flushing all buffer forcedly")
		if t.now != nil {
			t.now.Relay.FlushBuffers()
		}
	case syscall.SIGCONT:
		p.dumpStacks()
	case syscall.SIGHUP, syscall.SIGUSR2:
		p.reload(ctx, s, t)
	default:
		p.log.Debug("stop signal", "signal", s.String())
		p.log.Info("fluentd worker is now stopping", "worker", 0)
		cli.NotifyStopping()
		t.wanted, t.last = nil, true
		for _, r := range []*running{t.coming, t.now} {
			if r != nil {
				r.stop()
			}
		}
	}
}

// reload loads and starts what shall follow.
func (p *program) reload(ctx context.Context, s os.Signal, t *turns) {
	switch {
	case t.last:
		return
	case t.coming != nil || t.leaving != nil:
		t.wanted = s
		return
	}
	if s == syscall.SIGUSR2 {
		p.log.Info("start zero-downtime-restart sequence") // Fluentd's words, which monitoring looks for
	}
	p.log.Info("Reloading new config")
	cli.NotifyReloading()
	loaded := p.load(t.now.Relay)
	if len(loaded.Problems.Errors) > 0 {
		p.log.Error("the new configuration is wrong; the old one goes on")
		p.stay(t)
		return
	}
	t.coming = p.begin(ctx, loaded, s)
}
