package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// StopContext returns a context that ends at the first SIGINT or SIGTERM. At a
// second one, or when grace has passed since the first (0: never), it calls force,
// which ends the process. release stops listening and waits for the listener.
func StopContext(parent context.Context, grace time.Duration, force func(why string)) (ctx context.Context, release func()) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	ctx, cancel := context.WithCancel(parent)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		waitStop(signals, quit, cancel, grace, force)
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(quit)
		<-done
		cancel()
	}
}

func waitStop(signals <-chan os.Signal, quit <-chan struct{}, cancel func(), grace time.Duration, force func(why string)) {
	select {
	case <-quit:
		return
	case <-signals:
		cancel()
	}
	var late <-chan time.Time
	if grace > 0 {
		timer := time.NewTimer(grace)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-quit:
	case s := <-signals:
		force("second signal: " + s.String())
	case <-late:
		force("not stopped after " + grace.String())
	}
}
