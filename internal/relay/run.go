package relay

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/sluicelog/sluice/internal/cli"
	"github.com/sluicelog/sluice/internal/output"
)

type starter interface {
	Start(ctx context.Context) error
}

type closer interface {
	Close(ctx context.Context) error
}

type listener interface {
	Listen(ctx context.Context) error
}

// runner is an output that works in the background until ctx ends.
type runner interface {
	Run(ctx context.Context) error
}

// flushDeadline bounds what outputs may still deliver after a stop signal; what
// is left stays in the file buffers.
const flushDeadline = 60 * time.Second

// Start starts everything and opens the ports: what comes in waits there for
// [Relay.Run]. After an error everything is closed again.
func (r *Relay) Start(ctx context.Context) error {
	r.endLog = r.logEvents.begin(r.logTarget())
	r.log.Info("starting fluentd worker", "pid", os.Getpid(), "ppid", os.Getppid(), "worker", 0)
	if err := r.start(ctx); err != nil {
		return errors.Join(err, r.close())
	}
	return nil
}

// Run serves, after Start, until ctx ends, and stops in order: inputs first, then
// outputs. It returns nil after a stop in order, and an error when an input died.
func (r *Relay) Run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, r.close()) }()
	// A port that nobody else has must close with its source: whoever connects should
	// go to another relay, not wait.
	defer context.AfterFunc(ctx, r.sockets.Release)()
	stopLog := r.logEvents.run(r.logTarget())
	stopOutputs := r.work(ctx)
	err = r.runInputs(ctx)
	r.endLog()
	stopLog()
	stopOutputs()
	return err
}

// work runs the outputs until stop is called, which returns when they have ended.
// They outlive the signal: what the inputs still answer must be kept and, where the
// configuration says so, flushed. Those that feed others end first, for what they
// send on is flushed in its turn.
func (r *Relay) work(ctx context.Context) (stop func()) {
	if r.System.WithSourceOnly {
		return func() {} // what comes in waits in the buffers
	}
	feeding, stopFeeding := context.WithCancel(context.WithoutCancel(ctx))
	sending, stopSending := context.WithCancel(context.WithoutCancel(ctx))
	var feeders, senders sync.WaitGroup
	for _, p := range r.started {
		w, ok := p.(runner)
		switch f, is := p.(interface{ Feeds() bool }); {
		case !ok:
		case is && f.Feeds():
			feeders.Go(func() { r.background(feeding, w) })
		default:
			senders.Go(func() { r.background(sending, w) })
		}
	}
	return func() {
		stopFeeding()
		feeders.Wait()
		stopSending()
		senders.Wait()
	}
}

func (r *Relay) start(ctx context.Context) error {
	for _, p := range r.started {
		if s, ok := p.(starter); ok {
			if err := s.Start(ctx); err != nil {
				return err
			}
		}
	}
	if r.System.WithoutSource {
		return nil
	}
	for _, in := range r.inputs {
		if s, ok := in.plugin.(starter); ok {
			if err := s.Start(ctx); err != nil {
				return in.placed(err)
			}
		}
	}
	return r.listen(ctx)
}

// listen opens the ports, when nothing else can be in the way any more.
func (r *Relay) listen(ctx context.Context) error {
	for _, in := range r.inputs {
		if l, ok := in.plugin.(listener); ok {
			if err := l.Listen(ctx); err != nil {
				return in.placed(err)
			}
		}
	}
	return nil
}

func (r *Relay) background(ctx context.Context, w runner) {
	if err := w.Run(ctx); err != nil && ctx.Err() == nil {
		r.log.Error("output stopped working", slog.Any("error", err))
	}
}

// runInputs runs the sources until ctx ends or one of them fails; then it stops
// the others and waits for them.
func (r *Relay) runInputs(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	var mu sync.Mutex
	var first error
	if !r.System.WithoutSource {
		for _, in := range r.inputs {
			wg.Go(func() {
				err := in.plugin.Run(ctx, r.pipelines[in.label])
				if err == nil || ctx.Err() != nil && errors.Is(err, context.Canceled) {
					return
				}
				mu.Lock()
				defer mu.Unlock()
				if first == nil {
					first = in.placed(err)
					stop()
				}
			})
		}
	}
	r.log.Info("fluentd worker is now running", "worker", 0)
	cli.NotifyReady("taking events")
	wg.Wait()
	mu.Lock()
	defer mu.Unlock()
	if first == nil {
		<-ctx.Done() // without sources the outputs go on until the signal
	}
	return first
}

// close calls Close on everything that was started, last first.
func (r *Relay) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), flushDeadline)
	defer cancel()
	r.sockets.Close()
	r.endLog()
	var errs []error
	for i := len(r.started) - 1; i >= 0; i-- {
		if c, ok := r.started[i].(closer); ok {
			errs = append(errs, c.Close(ctx))
		}
	}
	return errors.Join(errs...)
}

// FlushBuffers asks every buffered output to send what it holds, as SIGUSR1 does.
func (r *Relay) FlushBuffers() {
	for _, o := range r.outputs {
		o.FlushNow()
	}
}

// outputAt is the output of r, which may be nil, whose buffer has its chunks at path.
func (r *Relay) outputAt(path string) *output.Buffered {
	if r == nil {
		return nil
	}
	for _, o := range r.outputs {
		if at := o.Path(); at != "" && filepath.Clean(at) == filepath.Clean(path) {
			return o
		}
	}
	return nil
}

// Takes reports whether some match of the label takes the tag.
func (r *Relay) Takes(label, tag string) bool {
	p := r.pipelines[label]
	return p != nil && p.Takes(tag)
}
