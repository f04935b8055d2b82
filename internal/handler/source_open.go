package handler

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/sluicelog/sluice/internal/teleport"
)

// auditLog is the part of Teleport that a source reads.
type auditLog interface {
	Search(ctx context.Context, r teleport.SearchRequest) (page []teleport.Event, next string, err error)
	ExportChunks(ctx context.Context, date time.Time) iter.Seq2[string, error]
	ExportChunk(ctx context.Context, date time.Time, chunk, cursor string) iter.Seq2[teleport.Exported, error]
}

// sourceConfig is what both ways of reading need.
type sourceConfig struct {
	log        *slog.Logger
	health     *health
	teleport   auditLog
	dir        string // state folder; its owner holds the lock
	identity   *identity
	types      []string // only these; empty: all
	skip       []string // not these
	skipIDs    []string // nor the events of these ids, as `state skip` noted
	batch      int      // events of a page
	timeout    time.Duration
	window     time.Duration
	lookBack   time.Duration
	workers    int // chunks read at the same time
	start      time.Time
	exitOnLast bool
	gone       func()                      // told of each chunk that the cluster lost before it was read; may be nil
	skipped    func()                      // told of each event that skipIDs leave out; may be nil
	lasting    func(context.Context) error // waits until what is on disk outlives this machine; nil: it does
	inFlight   func(int)                   // told how much is under way, whenever state is written; may be nil
}

// saveInterval is how often progress is written to disk. What was acknowledged
// since comes again after a kill.
const saveInterval = 250 * time.Millisecond

// newSource opens what is on disk. Which way of reading it will be is chosen by
// the first Run that reaches the cluster.
func (c *StartCmd) newSource(_ context.Context, h *handler, id *identity) (*auditSource, error) {
	cfg := sourceConfig{
		log: h.log, health: h.health, teleport: h.teleport, dir: h.dir, identity: id,
		types: c.Types, skip: c.SkipEventTypes,
		batch: c.Batch, timeout: c.Timeout, window: c.WindowSize, lookBack: c.LookBack,
		workers: max(c.Concurrency, 3), exitOnLast: c.ExitOnLastEvent,
		skipped:  h.counts.skipped.Inc,
		gone:     h.counts.chunksGone.Inc,
		inFlight: func(n int) { h.counts.backlog.Set(float64(n)) },
	}
	if h.share != nil {
		cfg.lasting = h.share.lasting
	}
	return openSource(cfg, c.StartTime)
}

func openSource(cfg sourceConfig, asked *time.Time) (*auditSource, error) {
	known, err := knownProgress(cfg.dir)
	if err != nil {
		return nil, fmt.Errorf("open state: %w", err)
	}
	if cfg.start, err = startTime(cfg.dir, asked, known, time.Now()); err != nil {
		return nil, fmt.Errorf("open state: %w", err)
	}
	cfg.log.Info("Using start time", "value", cfg.start.UTC().Format(time.RFC3339))
	if cfg.start.After(time.Now()) {
		cfg.log.Warn("The start time has not come yet, nothing is read until then")
	}
	if cfg.skipIDs, err = readSkips(cfg.dir); err != nil {
		return nil, fmt.Errorf("open state: %w", err)
	}
	cfg.window = max(cfg.window.Truncate(time.Second), time.Second) // window_time has whole seconds
	cfg.batch = max(cfg.batch, 1)
	cfg.workers = max(cfg.workers, 1)
	return &auditSource{cfg: cfg}, nil
}

// knownProgress is a time before which everything was sent, when the state folder
// knows one: it stands in for a start time whose file was lost.
func knownProgress(dir string) (time.Time, error) {
	dates, _, err := (&exportState{dir: dir}).load()
	if err != nil {
		return time.Time{}, err
	}
	var first string
	for date := range dates {
		if first == "" || date < first {
			first = date
		}
	}
	if first != "" {
		return time.Parse(time.DateOnly, first)
	}
	_, found, _, err := openSearchState(dir)
	return found.window, err
}

// reader is one way of reading.
type reader interface {
	run(ctx context.Context, deliver func(context.Context, *Read) error) error
	acked(*place)
	save() error
}

// auditSource reads the audit log the way that the cluster and the state on disk
// allow: in bulk once it was ever done in bulk, or when the cluster offers it;
// else by searching.
type auditSource struct {
	cfg    sourceConfig
	saving sync.Mutex // one write of the state at a time

	mu      sync.Mutex // guards what follows
	reader  reader
	ledger  *ledger
	running bool
	unsaved bool // the last attempt to write progress failed
}

// Run reads until ctx ends. After an error it may be called again and goes on
// where it stood.
func (a *auditSource) Run(ctx context.Context, deliver func(context.Context, *Read) error) error {
	r, err := a.choose(ctx)
	if err != nil {
		return err
	}
	a.setRunning(true)
	running, stop := context.WithCancel(ctx)
	var saver sync.WaitGroup
	saver.Go(func() { a.keepSaving(running, r) })
	err = r.run(running, deliver)
	a.setRunning(false) // before the last save: an answer that it misses saves for itself
	stop()
	saver.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func (a *auditSource) setRunning(on bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.running = on
}

// Ack notes that an event's fate is sealed. The one that settles the last event
// under way after Run has ended writes that down, since nobody else would.
func (a *auditSource) Ack(e *Read) {
	p, ok := e.place.(*place)
	if !ok {
		return // not one of ours: an event of a recording
	}
	a.mu.Lock()
	r, running := a.reader, a.running
	a.mu.Unlock()
	r.acked(p) // before the ledger: what it calls settled is remembered there
	p.ack()
	if !running && a.ledger.inFlight() == 0 {
		a.save(r)
	}
}

// underWay is how many events are read and not settled.
func (a *auditSource) underWay() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ledger == nil {
		return 0
	}
	return a.ledger.inFlight()
}

func (a *auditSource) current() reader {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.reader
}

// Close writes what was acknowledged since Run ended, when not all was.
func (a *auditSource) Close() error {
	r := a.current()
	if r == nil {
		return nil
	}
	a.saving.Lock()
	defer a.saving.Unlock()
	if err := r.save(); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return nil
}

// hold keeps the relay from forgetting what is sent while it lasts; see ledger.
// Before anything was read there is nothing to forget.
func (a *auditSource) hold(inherited bool) (release func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ledger == nil {
		a.ledger = newLedger(a.cfg.identity)
	}
	return a.ledger.hold(inherited).release
}

func (a *auditSource) keepSaving(ctx context.Context, r reader) {
	tick := time.NewTicker(saveInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			a.save(r)
			return
		case <-tick.C:
			a.save(r)
		}
	}
}

// save writes progress and reports a state that can not be written. Events go
// on: they are not lost, only sent again after a restart.
func (a *auditSource) save(r reader) {
	a.saving.Lock()
	err := r.save()
	a.saving.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cfg.inFlight != nil {
		a.cfg.inFlight(a.ledger.inFlight())
	}
	if err == nil {
		a.cfg.health.ok("state")
	} else {
		a.cfg.health.failing("state", err)
	}
	if err != nil && !a.unsaved {
		a.cfg.log.Error("Failed to write progress, a restart would send events again", "folder", a.cfg.dir, "error", err)
	}
	a.unsaved = err != nil
}

// choose picks the way of reading, once.
func (a *auditSource) choose(ctx context.Context) (reader, error) {
	if r := a.current(); r != nil {
		return r, nil
	}
	bulk, err := a.wantsBulk(ctx)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ledger == nil {
		a.ledger = newLedger(a.cfg.identity)
	}
	if bulk {
		a.cfg.log.Info("Reading the audit log in bulk")
		a.reader, err = openExport(a.cfg, a.ledger)
	} else {
		a.cfg.log.Info("Reading the audit log by searching")
		a.reader, err = openSearch(a.cfg, a.ledger)
	}
	if err != nil {
		a.reader = nil
		return nil, &permanentError{fmt.Errorf("open state: %w", err)}
	}
	return a.reader, nil
}

func (a *auditSource) wantsBulk(ctx context.Context) (bool, error) {
	entries, err := os.ReadDir(filepath.Join(a.cfg.dir, exportFolder))
	if err == nil && slices.ContainsFunc(entries, isDate) {
		return true, nil
	}
	// A date without chunks is asked for: nobody has to send anything.
	for _, err := range a.cfg.teleport.ExportChunks(ctx, time.Now().UTC().AddDate(0, 0, 2)) {
		if teleport.IsNotImplemented(err) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
	return true, nil
}

func isDate(e os.DirEntry) bool {
	_, err := time.Parse(time.DateOnly, e.Name())
	return err == nil && e.IsDir()
}

// wanted applies the type filters. Searching asks the cluster for the types, but
// not every backend does as it is told.
func (cfg *sourceConfig) wanted(kind string) bool {
	return (len(cfg.types) == 0 || slices.Contains(cfg.types, kind)) && !slices.Contains(cfg.skip, kind)
}

// leaveOut reports that an event is not to be sent.
func (cfg *sourceConfig) leaveOut(e teleport.Event) bool {
	if slices.Contains(cfg.skipIDs, e.ID) {
		cfg.log.Warn("Event left out, as state skip asked for", "id", e.ID, "type", e.Type, "ts", e.Time)
		if cfg.skipped != nil {
			cfg.skipped()
		}
		return true
	}
	// One without a time is malformed; nothing says that it is too old.
	return !cfg.wanted(e.Type) || !e.Time.IsZero() && e.Time.Before(cfg.start)
}

// readOf is an event as the senders get it.
func readOf(e teleport.Event, body []byte) *Read {
	r := &Read{Type: e.Type, ID: e.ID, Time: e.Time, Index: e.Index, Body: body}
	switch e.Type {
	case "session.upload":
		r.SID = e.Text("sid")
	case "user.login":
		success, given := e.Bool("success")
		r.Login = Login{Failed: given && !success, User: e.Text("user"), Login: e.Text("login"), Cluster: e.Text("cluster_name")}
	}
	return r
}
