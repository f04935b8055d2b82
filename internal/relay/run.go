package relay

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/sluicelog/sluice/internal/cli"
)

type starter interface {
	Start(ctx context.Context) error
}

type closer interface {
	Close(ctx context.Context) error
}

// runner is an output that works in the background until ctx ends.
type runner interface {
	Run(ctx context.Context) error
}

// flushDeadline bounds what outputs may still deliver after a stop signal; what
// is left stays in the file buffers.
const flushDeadline = 60 * time.Second

// Run starts everything, serves until ctx ends, and stops in order: inputs
// first, then outputs. It returns nil after a stop in order, and an error when
// something could not start or an input died.
func (r *Relay) Run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, r.close()) }()
	r.logEvents.begin(r.logTarget())
	defer r.logEvents.begin(nil)
	r.log.Info("starting fluentd worker", "pid", os.Getpid(), "ppid", os.Getppid(), "worker", 0)
	if err := r.start(ctx); err != nil {
		return err
	}
	stopLog := r.logEvents.run(r.logTarget())
	// The outputs outlive the signal: what the inputs still answer must be kept
	// and, where the configuration says so, flushed.
	outputs, stopOutputs := context.WithCancel(context.WithoutCancel(ctx))
	defer stopOutputs()
	var working sync.WaitGroup
	for _, p := range r.started {
		if r.System.WithSourceOnly {
			break // what comes in waits in the buffers
		}
		if w, ok := p.(runner); ok {
			working.Go(func() { r.background(outputs, w) })
		}
	}
	err = r.runInputs(ctx)
	stopLog()
	stopOutputs()
	working.Wait()
	return err
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

// Takes reports whether some match of the label takes the tag.
func (r *Relay) Takes(label, tag string) bool {
	p := r.pipelines[label]
	return p != nil && p.Takes(tag)
}
