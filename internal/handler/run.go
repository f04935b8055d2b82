package handler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluicelog/sluice/internal/cli"
	"github.com/sluicelog/sluice/internal/metrics"
	"github.com/sluicelog/sluice/internal/s3state"
	"github.com/sluicelog/sluice/internal/state"
	"github.com/sluicelog/sluice/internal/teleport"
)

// reconnectPause is the wait after reading failed, as upstream has it.
const reconnectPause = 5 * time.Second

// drainTime is how long posts that are in flight may take after a stop signal.
const drainTime = 20 * time.Second

// Run is `handler start`: it blocks until ctx ends, or until the last event was
// delivered when --exit-on-last-event is given. A nil error is a stop in order.
func (c *StartCmd) Run(ctx context.Context, log *slog.Logger, m *metrics.Registry) error {
	if err := c.Check(); err != nil {
		return err
	}
	c.logOptions(log)
	dir, err := c.stateDir(log)
	if err != nil {
		return err
	}
	if c.DryRun || s3state.Is(c.Storage) {
		defer os.RemoveAll(dir)
	}
	lock, err := takeFolder(ctx, dir)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	h := &handler{cmd: c, dir: dir, log: log, counts: newCounts(m), health: newHealth(), metrics: m, began: time.Now()}
	h.health.log, h.health.stuck = log, h.counts.stuck
	defer func() {
		h.close()
		h.share.leave(ctx) // last: what close writes belongs to it
	}()
	stopServing, err := h.serve(ctx)
	if err != nil {
		return err
	}
	defer stopServing()
	if c.shared() {
		h.started() // one that stands by is up
	}
	if h.share, err = c.joinShare(ctx, dir, h); err != nil {
		return err
	}
	if err := c.build(ctx, h); err != nil {
		return err
	}
	if !c.shared() {
		h.started()
	}
	return h.run(ctx)
}

func (h *handler) started() {
	if h.cmd.Started != nil {
		h.cmd.Started()
	}
}

// serve answers questions, and the service manager's watchdog, until stop is
// called.
func (h *handler) serve(ctx context.Context) (stop func(), err error) {
	h.server = &adminServer{addr: h.cmd.MetricsAddr, health: h.health, metrics: h.metrics, log: h.log, version: h.cmd.Version, began: h.began}
	if err := h.server.listen(ctx); err != nil {
		return nil, err
	}
	serving, end := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := h.server.run(serving); err != nil {
			h.log.Warn("Failed to serve metrics", "error", err)
		}
	})
	wg.Go(func() {
		if err := cli.Watchdog(serving, h.alive); err != nil {
			h.log.Warn("Failed to tell the service manager that the handler lives", "error", err)
		}
	})
	return func() { end(); wg.Wait() }, nil
}

// takeFolder locks the state folder. `handler status` holds it for a moment when
// it looks, so a lock that is held is tried again for a while.
func takeFolder(ctx context.Context, dir string) (*state.DirLock, error) {
	for attempt := 0; ; attempt++ {
		lock, err := state.Lock(dir)
		if !errors.Is(err, state.ErrLocked) || attempt == 10 {
			return lock, err
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// stateDir is <storage>/<host>_<port>, as upstream names it; a dry run gets a
// fresh folder below it.
func (c *StartCmd) stateDir(log *slog.Logger) (string, error) {
	if s3state.Is(c.Storage) {
		// Only a working copy: what lasts is in the bucket.
		return newWorkFolder(os.TempDir(), workerPrefix, log)
	}
	name, err := folderName(c.TeleportAddr)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(c.Storage, name)
	known := isFolder(dir)
	if err := state.MkdirAll(dir); err != nil {
		return "", fmt.Errorf("storage %s: %w", c.Storage, err)
	}
	log.Info(map[bool]string{true: "Using existing storage directory", false: "Created storage directory"}[known], "dir", dir)
	if !c.DryRun {
		return dir, nil
	}
	if err := state.MkdirAll(filepath.Join(dir, "dry_run")); err != nil {
		return "", err
	}
	return newWorkFolder(filepath.Join(dir, "dry_run"), "", log)
}

// handler is everything that runs between Teleport and the receiver.
type handler struct {
	cmd      *StartCmd
	dir      string
	share    *share // nil: the state is a folder
	log      *slog.Logger
	counts   *counts
	health   *health
	metrics  *metrics.Registry
	teleport *teleport.Client
	source   source
	delivery *delivery
	sessions *sessions
	locks    *locks
	server   *adminServer
	began    time.Time
	built    atomic.Bool // everything above is there
	undo     []func()    // what close does beside closing these
}

// build fills h; what it has opened when it fails is closed by h.close.
func (c *StartCmd) build(ctx context.Context, h *handler) error {
	log, dir, m := h.log, h.dir, h.metrics
	var err error
	if h.teleport, err = c.dial(ctx, log); err != nil {
		return err
	}
	h.undo = append(h.undo, m.Collect(&clocks{h.counts, h.teleport.Expiry}))
	sender, err := c.newSender(h)
	if err != nil {
		return err
	}
	sessionSender, err := c.forSessions(sender)
	if err != nil {
		return err
	}
	dead := newDeadLetters(dir)
	if c.LockEnabled && !c.DryRun {
		h.locks = newLocks(c, h)
	}
	h.sessions = newSessions(c, h, sessionSender, dead)
	h.delivery = &delivery{sender: sender, dead: dead, workers: c.FluentdMaxConnections, ordered: c.Ordered, log: log, counts: h.counts, dryRun: c.DryRun}
	audit, err := c.newSource(ctx, h, sender.identity)
	if err != nil {
		return err
	}
	h.source, h.sessions.hold = audit, audit.hold
	h.share.begin(audit, sender.identity, dead, h.health)
	h.built.Store(true)
	return nil
}

func (c *TeleportOptions) dial(ctx context.Context, log *slog.Logger) (*teleport.Client, error) {
	cfg := teleport.Config{
		Addr: c.TeleportAddr, Identity: c.TeleportIdentity, Cert: c.TeleportCert, Key: c.TeleportKey, CA: c.TeleportCA, Log: log,
	}
	if c.TeleportRefreshEnabled {
		cfg.Refresh = c.TeleportRefreshInterval
	}
	return teleport.Dial(ctx, cfg)
}

// run reads, sends and waits for what is in flight.
func (h *handler) run(ctx context.Context) error {
	ctx, stopLeading, err := h.share.lead(ctx)
	if err != nil {
		return err
	}
	defer stopLeading()
	h.counts.leader.Set(1)

	// Senders outlive the signal by drainTime: a post whose outcome is not known
	// would be sent again after the next start.
	sending, stopSending := drainContext(ctx, drainTime)
	defer stopSending()
	defer h.delivery.sender.dialing.closeIdle()
	reported := make(chan struct{})
	go func() { defer close(reported); h.counts.report(sending, h.log) }()
	defer func() { stopSending(); <-reported }()
	h.delivery.ack = h.source.Ack
	h.delivery.after = func(ctx context.Context, r *Read) error { return h.afterDelivery(sending, r) }
	if !h.cmd.DryRun {
		if err := h.sessions.resume(sending); err != nil {
			return err
		}
	}
	events := make(chan *Read, maxUnsettled) // the ledger holds as many
	sent := make(chan error, 1)
	reading, stopReading := context.WithCancel(ctx)
	defer stopReading()
	go func() {
		err := h.delivery.run(sending, ctx, events)
		if err != nil {
			stopReading() // nobody takes events any more
		}
		sent <- err
	}()
	err = h.read(reading, events)
	if ctx.Err() != nil {
		h.log.Info("Stopping, posts in flight get a while to be answered", "at_most", drainTime)
	}
	close(events)
	sendErr := <-sent
	if err == nil && h.cmd.ExitOnLastEvent && ctx.Err() == nil {
		h.sessions.wait(ctx)
	}
	stopSending()
	h.sessions.wg.Wait()
	h.locks.wait()
	if errors.Is(sendErr, errStale) || errors.Is(context.Cause(ctx), errStale) {
		return errStale
	}
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || err == nil) {
		return nil
	}
	return errors.Join(ignoreCanceled(err), ignoreCanceled(sendErr))
}

func ignoreCanceled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// drainContext ends a while after ctx does.
func drainContext(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	later, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(grace, cancel)
		context.AfterFunc(later, func() { timer.Stop() })
	})
	return later, func() { stop(); cancel() }
}

// read runs the source until it is done; an error of the cluster's is waited
// out, since the next attempt may succeed.
func (h *handler) read(ctx context.Context, events chan<- *Read) error {
	deliver := func(ctx context.Context, r *Read) error {
		h.counts.read.WithLabelValues().Inc()
		select {
		case events <- r:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for {
		err := h.source.Run(ctx, deliver)
		if err == nil || ctx.Err() != nil {
			h.health.ok("teleport")
			return err
		}
		if errors.As(err, new(*permanentError)) {
			return err
		}
		h.health.failing("teleport", err)
		h.log.Error("Unexpected error in watch loop. Reconnecting in 5s...", "error", err)
		if err := sleep(ctx, reconnectPause); err != nil {
			return err
		}
	}
}

// permanentError is one that no new attempt can mend.
type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

// afterDelivery is what an event sets off once its fate is sealed. A session is on
// disk before its upload event is acknowledged.
func (h *handler) afterDelivery(ctx context.Context, r *Read) error {
	if r.Type == "session.upload" && !h.cmd.DryRun {
		if err := h.register(ctx, r); err != nil {
			return err
		}
	}
	h.locks.observe(ctx, r)
	return nil
}

// register writes a session down, and waits with the upload event while the disk
// does not take it: without that the recording would be forgotten.
func (h *handler) register(ctx context.Context, r *Read) error {
	for attempt := 0; ; attempt++ {
		err := h.sessions.add(ctx, r.SID, r.Time)
		if err == nil {
			h.health.ok("sessions")
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if attempt == 0 {
			h.log.Error("Failed to register a session, will try again", "sid", r.SID, "error", err)
		}
		h.health.failing("sessions", fmt.Errorf("register session %s: %w", r.SID, err))
		if err := sleep(ctx, backoff(attempt)); err != nil {
			return err
		}
	}
}

// close closes what was opened. The last acknowledgements come first: a restart
// would send those events again.
func (h *handler) close() {
	var errs []error
	if h.source != nil {
		errs = append(errs, h.source.Close())
	}
	if h.delivery != nil {
		errs = append(errs, h.delivery.dead.close())
	}
	if h.teleport != nil {
		errs = append(errs, h.teleport.Close())
	}
	if h.server != nil {
		errs = append(errs, h.server.close())
	}
	for _, undo := range h.undo {
		undo()
	}
	if err := errors.Join(errs...); err != nil {
		h.log.Warn("Failed to close", "error", err)
	}
}

// alive tells the service manager's watchdog that nothing is locked for ever: it
// returns only when every lock that the work needs could be taken.
func (h *handler) alive() error {
	h.health.problems()
	if !h.built.Load() {
		return nil // it stands by
	}
	h.sessions.waiting()
	if s, ok := h.source.(*auditSource); ok {
		s.underWay()
	}
	return nil
}

// logOptions says at start what the handler will do, an option a line.
func (c *StartCmd) logOptions(log *slog.Logger) {
	log.Info("Starting Teleport event handler", "version", c.Version, "teleport_addr", c.TeleportAddr)
	log.Info("Using batch size", "batch", c.Batch)
	log.Info("Using concurrency", "concurrency", c.Concurrency)
	log.Info("Using type filter", "types", strings.Join(c.Types, ","))
	log.Info("Skipping event types", "skip", strings.Join(c.SkipEventTypes, ","))
	log.Info("Skipping session events of type", "types", strings.Join(c.SkipSessionTypes, ","))
	log.Info("Using timeout", "timeout", c.Timeout)
	log.Info("Using Fluentd url", "url", shownURLs(c.FluentdURL), "session_url", shownURLs(c.sessionURLs()))
	log.Info("Using Fluentd certificates", "ca", c.FluentdCA, "cert", c.FluentdCert, "key", c.FluentdKey)
	log.Info("Using Fluentd max connections", "max_connections", c.FluentdMaxConnections)
	log.Info("Using window size", "window_size", c.WindowSize)
	log.Info("Using Teleport identity file", "file", c.TeleportIdentity)
	if c.TeleportRefreshEnabled {
		log.Info("Using Teleport identity file refresh", "interval", c.TeleportRefreshInterval)
	}
	if wants := (sourceConfig{types: c.Types, skip: c.SkipEventTypes}); !wants.wanted("session.upload") {
		log.Warn("No recordings are sent: it is session.upload events that tell of them, and those are left out")
	}
	if c.LockEnabled {
		log.Info("Using auto-locking", "count", c.LockFailedAttemptsCount, "period", c.LockPeriod, "for", c.LockFor)
	}
	if c.DryRun {
		log.Warn("Dry run: nothing is sent and no state is kept")
	}
}
