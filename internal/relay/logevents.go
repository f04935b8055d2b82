package relay

import (
	"bytes"
	"context"
	"log/slog"
	"math/big"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluicelog/sluice/internal/cli"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/router"
)

// logLabel takes the relay's own log as events.
const logLabel = "@FLUENT_LOG"

// LogEvents makes events of the relay's own log lines, tagged fluent.<level>. They
// go to <label @FLUENT_LOG>, else to what takes them at the top level, else nowhere.
// It lives as long as the process, over all reloads.
//
// It must never feed itself: what a filter or output logs while it handles such an
// event is no event again, a failed emission is followed by a pause, and what the
// queue can not hold is dropped. The line itself is in the log in any case.
type LogEvents struct {
	queue  chan logEvent
	open   atomic.Int32  // relays that take them, from their start until their end
	worker atomic.Uint64 // the goroutine that emits just now; 0 in between
	turn   sync.Mutex    // held by who emits: after a reload two relays may live
}

type logEvent struct {
	tag string
	event.Event
}

// logEventsKept is how many lines wait to become events.
const logEventsKept = 1024

// NewLogEvents makes the queue.
func NewLogEvents() *LogEvents { return &LogEvents{queue: make(chan logEvent, logEventsKept)} }

// Hook is told of each log line.
func (l *LogEvents) Hook(r slog.Record, attrs []slog.Attr) {
	if l.open.Load() == 0 {
		return
	}
	// Filters have no context by which a line could be told from one that has to
	// do with other events; the goroutine tells them apart.
	if worker := l.worker.Load(); worker != 0 && worker == goroutine() {
		return
	}
	e := logEvent{tag: "fluent." + cli.LevelName(r.Level), Event: event.Event{Time: event.TimeOf(r.Time), Record: recordOf(r, attrs)}}
	select {
	case l.queue <- e:
	default:
	}
}

// recordOf has the line's attributes as fields, and the whole text as "message".
func recordOf(r slog.Record, attrs []slog.Attr) *event.Record {
	record := event.NewRecord()
	for _, a := range attrs {
		if a.Key != "plugin_id" {
			record.Set(a.Key, valueOf(a.Value))
		}
	}
	record.Set("message", cli.LineText(r, attrs))
	return record
}

func valueOf(v slog.Value) any {
	switch v.Kind() {
	case slog.KindInt64:
		return v.Int64()
	case slog.KindUint64:
		if n := v.Uint64(); n > 1<<63-1 {
			return new(big.Int).SetUint64(n)
		}
		return int64(v.Uint64())
	case slog.KindFloat64:
		return v.Float64()
	case slog.KindBool:
		return v.Bool()
	}
	return v.String()
}

// logTarget is where log lines go as events; nil: nowhere.
func (r *Relay) logTarget() *router.Pipeline {
	if p := r.pipelines[logLabel]; p != nil {
		return p
	}
	if r.takesLog() {
		return r.pipelines[rootLabel]
	}
	return nil
}

// takesLog reports whether a match at the top level takes some of the log.
func (r *Relay) takesLog() bool {
	for level := range levels {
		if r.Takes(rootLabel, "fluent."+level) {
			return true
		}
	}
	return false
}

// begin lets lines queue up, if anything takes them, until end is called.
func (l *LogEvents) begin(p *router.Pipeline) (end func()) {
	if l == nil || p == nil {
		return func() {}
	}
	l.open.Add(1)
	return sync.OnceFunc(func() { l.open.Add(-1) })
}

// run emits log lines to a pipeline until stop is called, which waits until those
// that are in the queue have been emitted.
func (l *LogEvents) run(p *router.Pipeline) (stop func()) {
	if l == nil || p == nil {
		return func() {}
	}
	quit := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		l.turn.Lock()
		defer l.turn.Unlock()
		for {
			select {
			case e := <-l.queue:
				if l.emit(p, e) != nil {
					pause(quit)
				}
			case <-quit:
				l.drain(p)
				return
			}
		}
	})
	return func() {
		close(quit)
		wg.Wait()
	}
}

// drain emits what is queued, and gives up at the first that fails.
func (l *LogEvents) drain(p *router.Pipeline) {
	for range len(l.queue) {
		if l.emit(p, <-l.queue) != nil {
			return
		}
	}
}

// emitTime bounds one emission: an output whose full buffer blocks must not keep
// the relay from stopping.
const emitTime = 10 * time.Second

func (l *LogEvents) emit(p *router.Pipeline, e logEvent) error {
	if !p.Takes(e.tag) {
		return nil
	}
	l.worker.Store(goroutine())
	defer l.worker.Store(0)
	ctx, cancel := context.WithTimeout(context.Background(), emitTime)
	defer cancel()
	return p.Emit(ctx, e.tag, event.Stream{e.Event})
}

// afterFailure is the pause after an emission that failed: what failed is mostly
// logged by somebody, and that line is an event again.
const afterFailure = time.Second

func pause(quit <-chan struct{}) {
	timer := time.NewTimer(afterFailure)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-quit:
	}
}

// goroutine is the number of the one that calls, which only a stack trace shows.
func goroutine() uint64 {
	var buf [64]byte
	text, _, _ := bytes.Cut(bytes.TrimPrefix(buf[:runtime.Stack(buf[:], false)], []byte("goroutine ")), []byte(" "))
	n, _ := strconv.ParseUint(string(text), 10, 64)
	return n
}

// isLogTag reports whether a tag is that of a log line.
func isLogTag(tag string) bool {
	level, ok := strings.CutPrefix(tag, "fluent.")
	_, known := levels[level]
	return ok && known
}
