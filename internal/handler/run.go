package handler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sluicelog/sluice/internal/metrics"
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
	dir, err := c.stateDir()
	if err != nil {
		return err
	}
	lock, err := state.Lock(dir)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	h, err := c.build(ctx, dir, log, m)
	if err != nil {
		return err
	}
	defer h.close()
	return h.run(ctx)
}

// stateDir is <storage>/<host>_<port>, as upstream names it; a dry run gets a
// fresh folder below it.
func (c *StartCmd) stateDir() (string, error) {
	host, port, err := net.SplitHostPort(c.TeleportAddr)
	if err != nil {
		return "", fmt.Errorf("teleport-addr: %w", err)
	}
	dir := filepath.Join(c.Storage, strings.TrimSpace(host+"_"+port))
	if err := state.MkdirAll(dir); err != nil {
		return "", err
	}
	if !c.DryRun {
		return dir, nil
	}
	if err := state.MkdirAll(filepath.Join(dir, "dry_run")); err != nil {
		return "", err
	}
	return os.MkdirTemp(filepath.Join(dir, "dry_run"), "")
}

// handler is everything that runs between Teleport and the receiver.
type handler struct {
	cmd      *StartCmd
	dir      string
	log      *slog.Logger
	counts   *counts
	health   *health
	teleport *teleport.Client
	source   source
	delivery *delivery
	sessions *sessions
	locks    *locks
	server   *adminServer
}

func (c *StartCmd) build(ctx context.Context, dir string, log *slog.Logger, m *metrics.Registry) (*handler, error) {
	h := &handler{cmd: c, dir: dir, log: log, counts: newCounts(m), health: newHealth()}
	h.server = &adminServer{addr: c.MetricsAddr, health: h.health, metrics: m, log: log}
	if err := h.server.listen(ctx); err != nil {
		return nil, err
	}
	var err error
	if h.teleport, err = c.dial(ctx, log); err != nil {
		return nil, err
	}
	if expiry, ok := h.teleport.Expiry(); ok {
		h.counts.expiry.WithLabelValues("teleport").Set(float64(expiry.Unix()))
	}
	sender, err := c.newSender(h)
	if err != nil {
		return nil, err
	}
	dead := newDeadLetters(dir)
	if c.LockEnabled && !c.DryRun {
		h.locks = &locks{teleport: h.teleport, attempts: c.LockFailedAttemptsCount, period: c.LockPeriod, lockFor: c.LockFor, log: log, counts: h.counts, failures: map[string][]time.Time{}}
	}
	h.sessions = &sessions{
		teleport: h.teleport, sender: sender, url: c.FluentdSessionURL, dead: dead, state: newSessionState(dir), skip: c.SkipSessionTypes,
		maxAge: c.MissingRetry, log: log, counts: h.counts, slots: make(chan struct{}, c.Concurrency), queued: map[string]bool{}, idle: make(chan struct{}, 1),
	}
	workers := c.FluentdMaxConnections
	if c.Ordered {
		workers = 1
	}
	h.delivery = &delivery{sender: sender, dead: dead, workers: workers, log: log, counts: h.counts, dryRun: c.DryRun}
	audit, err := c.newSource(ctx, h, sender.identity)
	if err != nil {
		return nil, err
	}
	h.source, h.sessions.hold = audit, audit.hold
	return h, nil
}

func (c *StartCmd) dial(ctx context.Context, log *slog.Logger) (*teleport.Client, error) {
	cfg := teleport.Config{
		Addr: c.TeleportAddr, Identity: c.TeleportIdentity, Cert: c.TeleportCert, Key: c.TeleportKey, CA: c.TeleportCA, Log: log,
	}
	if c.TeleportRefreshEnabled {
		cfg.Refresh = c.TeleportRefreshInterval
	}
	client, err := teleport.Dial(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connect to Teleport at %s: %w", c.TeleportAddr, err)
	}
	return client, nil
}

// run reads, sends and waits for what is in flight.
func (h *handler) run(ctx context.Context) error {
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	served := make(chan error, 1)
	go func() { served <- h.server.run(serving) }()
	defer func() { stopServing(); <-served }()

	// Senders outlive the signal by drainTime: a post whose outcome is not known
	// would be sent again after the next start.
	sending, stopSending := drainContext(ctx, drainTime)
	defer stopSending()
	h.delivery.ack = h.source.Ack
	h.delivery.after = func(ctx context.Context, r *Read) error { return h.afterDelivery(sending, r) }
	if !h.cmd.DryRun {
		if err := h.sessions.resume(sending); err != nil {
			return err
		}
	}
	events := make(chan *Read)
	sent := make(chan error, 1)
	reading, stopReading := context.WithCancel(ctx)
	defer stopReading()
	go func() {
		err := h.delivery.run(sending, events)
		if err != nil {
			stopReading() // nobody takes events any more
		}
		sent <- err
	}()
	err := h.read(reading, events)
	close(events)
	sendErr := <-sent
	if err == nil && h.cmd.ExitOnLastEvent && ctx.Err() == nil {
		h.sessions.wait(ctx)
	}
	stopSending()
	h.sessions.wg.Wait()
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || err == nil) && !errors.Is(sendErr, errStale) {
		return nil
	}
	if errors.Is(sendErr, errStale) {
		return errStale
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

// afterDelivery is what a delivered event sets off. A session is on disk before
// its upload event is acknowledged.
func (h *handler) afterDelivery(ctx context.Context, r *Read) error {
	if r.Type == "session.upload" && !h.cmd.DryRun {
		if err := h.sessions.add(ctx, r.SID, r.Time); err != nil {
			return fmt.Errorf("register session %s: %w", r.SID, err)
		}
	}
	h.locks.observe(ctx, r)
	return nil
}

func (h *handler) close() {
	// The last acknowledgements first: a restart would send those events again.
	if err := errors.Join(h.source.Close(), h.delivery.dead.close(), h.teleport.Close()); err != nil {
		h.log.Warn("Failed to close", "error", err)
	}
}

// logOptions says at start what the handler will do, an option a line.
func (c *StartCmd) logOptions(log *slog.Logger) {
	log.Info("Using batch size", "batch", c.Batch)
	log.Info("Using concurrency", "concurrency", c.Concurrency)
	log.Info("Using type filter", "types", strings.Join(c.Types, ","))
	log.Info("Skipping event types", "skip", strings.Join(c.SkipEventTypes, ","))
	log.Info("Skipping session events of type", "types", strings.Join(c.SkipSessionTypes, ","))
	log.Info("Using timeout", "timeout", c.Timeout)
	log.Info("Using Fluentd url", "url", strings.Join(c.FluentdURL, ","), "session_url", c.FluentdSessionURL)
	log.Info("Using Fluentd certificates", "ca", c.FluentdCA, "cert", c.FluentdCert, "key", c.FluentdKey)
	log.Info("Using Fluentd max connections", "max_connections", c.FluentdMaxConnections)
	log.Info("Using window size", "window_size", c.WindowSize)
	log.Info("Using Teleport identity file", "file", c.TeleportIdentity)
	if c.TeleportRefreshEnabled {
		log.Info("Using Teleport identity file refresh", "interval", c.TeleportRefreshInterval)
	}
	if c.LockEnabled {
		log.Info("Using auto-locking", "count", c.LockFailedAttemptsCount, "period", c.LockPeriod, "for", c.LockFor)
	}
	if c.DryRun {
		log.Warn("Dry run: nothing is sent and no state is kept")
	}
}
