package teleporttest

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Faults are what goes wrong with a cluster, each off until it is asked for.
// They may be turned at any time; calls that run already keep what they began
// with.
type Faults struct {
	mu sync.Mutex // guards what follows

	down      bool
	fail      int // next calls to fail
	failCode  codes.Code
	calls     int // all calls so far
	delay     time.Duration
	repeat    int // next searches to answer with the page before
	empty     int // next searches to answer with no event but a key
	format    int // of cursors
	cut       int // next streams to cut
	cutAfter  int // events
	eventWait time.Duration
	missing   map[string]bool // recordings that are not there (yet)
	allLate   bool            // every recording is missing
	corrupt   map[string]bool
	slow      map[string]time.Duration // recordings, before each event
	expired   bool                     // the server's certificate
	stuck     map[string]bool          // chunks that never get past their first event
	forged    int                      // floods of pings
}

func newFaults() *Faults {
	return &Faults{format: 1, missing: make(map[string]bool), corrupt: make(map[string]bool), slow: make(map[string]time.Duration), stuck: make(map[string]bool)}
}

func (f *Faults) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// Down makes every call fail as unavailable, until turned off.
func (f *Faults) Down(on bool) { f.set(func() { f.down = on }) }

// FailNext makes the next n calls fail with a code.
func (f *Faults) FailNext(n int, code codes.Code) { f.set(func() { f.fail, f.failCode = n, code }) }

// SlowCalls makes every call wait before it answers.
func (f *Faults) SlowCalls(d time.Duration) { f.set(func() { f.delay = d }) }

// SlowEvents makes every stream wait before each event.
func (f *Faults) SlowEvents(d time.Duration) { f.set(func() { f.eventWait = d }) }

// RepeatPages makes the next n searches answer as the one before did.
func (f *Faults) RepeatPages(n int) { f.set(func() { f.repeat = n }) }

// EmptyPages makes the next n searches that have something to say bring no
// event, but a key to go on with: DynamoDB does so.
func (f *Faults) EmptyPages(n int) { f.set(func() { f.empty = n }) }

// CursorFormat changes what cursors look like, as a new version of Teleport may
// do; those of another format are refused. There are formats 1 and 2.
func (f *Faults) CursorFormat(v int) { f.set(func() { f.format = v }) }

// CutStreams breaks the next n streams of events after so many events.
func (f *Faults) CutStreams(n, after int) { f.set(func() { f.cut, f.cutAfter = n, after }) }

// MissingRecording takes a session's recording away, or brings it back.
func (f *Faults) MissingRecording(sid string, on bool) {
	f.set(func() { f.missing[sid] = on })
}

// MissingRecordings takes all recordings away, or brings them back.
func (f *Faults) MissingRecordings(on bool) { f.set(func() { f.allLate = on }) }

// CorruptRecording makes a session's stream fail in its middle, every time.
func (f *Faults) CorruptRecording(sid string, on bool) { f.set(func() { f.corrupt[sid] = on }) }

// SlowRecording makes a session's stream wait before each event.
func (f *Faults) SlowRecording(sid string, d time.Duration) { f.set(func() { f.slow[sid] = d }) }

// ExpiredCertificate lets the server show a certificate that is past its time to
// whoever connects from now on.
func (f *Faults) ExpiredCertificate(on bool) { f.set(func() { f.expired = on }) }

// StuckChunk makes the stream of a chunk fail after its first event, every time.
func (f *Faults) StuckChunk(name string, on bool) { f.set(func() { f.stuck[name] = on }) }

// Calls is how many calls were made so far, those that failed included.
func (f *Faults) Calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

// enter is what every call meets first.
func (f *Faults) enter(ctx context.Context) error {
	f.mu.Lock()
	f.calls++
	down, delay := f.down, f.delay
	code := codes.OK
	if f.fail > 0 {
		f.fail--
		code = f.failCode
	}
	f.mu.Unlock()
	if down {
		code = codes.Unavailable
	}
	if err := wait(ctx, delay); err != nil {
		return err
	}
	if code != codes.OK {
		return status.Error(code, "simulated failure")
	}
	return nil
}

func (f *Faults) unary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if err := f.enter(ctx); err != nil {
		return nil, err
	}
	return handler(ctx, req)
}

func (f *Faults) stream(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if err := f.enter(ss.Context()); err != nil {
		return err
	}
	return handler(srv, ss)
}

func (f *Faults) cursorFormat() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.format
}

func (f *Faults) isStuck(chunk string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stuck[chunk]
}

func (f *Faults) recording(sid string) (missing, corrupt bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.missing[sid] || f.allLate, f.corrupt[sid]
}

func (f *Faults) certificateExpired() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.expired
}

func (f *Faults) slowness(sid string) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.slow[sid]
}

// pacer is what one stream of events suffers.
type pacer struct {
	wait  time.Duration
	after int // events until the cut; negative: none
}

func (f *Faults) pace() pacer {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := pacer{wait: f.eventWait, after: -1}
	if f.cut > 0 {
		f.cut--
		p.after = f.cutAfter
	}
	return p
}

// step is asked before each event.
func (p *pacer) step(ctx context.Context) error {
	if p.after == 0 {
		return status.Error(codes.Unavailable, "simulated cut of the stream")
	}
	p.after--
	return wait(ctx, p.wait)
}

// wait returns early, with an error, when the client has gone.
func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	case <-t.C:
		return nil
	}
}
