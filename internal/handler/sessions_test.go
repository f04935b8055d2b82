package handler

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/sluicelog/sluice/internal/metrics"
	"github.com/sluicelog/sluice/internal/teleport"
)

// tapes are recordings: each session has events 0 to n-1. Before an event is given
// out, fail may say what goes wrong.
type tapes struct {
	n    int
	fail func(sid string, index int64, call int) error

	mu    sync.Mutex
	calls map[string]int
}

func (t *tapes) SessionEvents(_ context.Context, sid string, index int64) iter.Seq2[teleport.Event, error] {
	t.mu.Lock()
	t.calls[sid]++
	call := t.calls[sid]
	t.mu.Unlock()
	return func(yield func(teleport.Event, error) bool) {
		for i := index; i < int64(t.n); i++ {
			if t.fail != nil {
				if err := t.fail(sid, i, call); err != nil {
					yield(teleport.Event{}, err)
					return
				}
			}
			body := &structpb.Struct{Fields: map[string]*structpb.Value{"ei": structpb.NewNumberValue(float64(i))}}
			if !yield(teleport.Event{Type: "session.command", ID: strconv.FormatInt(i, 10), Index: i, Struct: body}, nil) {
				return
			}
		}
	}
}

// booth is what stands around sessions in a test: a receiver that writes down what
// comes, and a state folder.
type booth struct {
	*sessions
	dir     string
	metrics *metrics.Registry
	log     *strings.Builder

	mu     sync.Mutex
	got    []string // path and body
	refuse func(path, body string) int
}

func newBooth(t *testing.T, dir string, from recordings) *booth {
	t.Helper()
	b := &booth{dir: dir, metrics: metrics.New(), log: &strings.Builder{}}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.refuse != nil {
			if code := b.refuse(r.URL.Path, string(body)); code != 0 {
				w.WriteHeader(code)
				return
			}
		}
		b.got = append(b.got, r.URL.Path+" "+string(body))
	}))
	t.Cleanup(srv.Close)
	c := &StartCmd{Concurrency: 3, MissingRetry: 48 * time.Hour}
	c.FluentdURL, c.FluentdSessionURL, c.FluentdMaxConnections = []string{srv.URL + "/test.log"}, srv.URL+"/session", 3
	h := &handler{cmd: c, dir: dir, log: slog.New(slog.NewTextHandler(&locked{w: b.log}, nil)), counts: newCounts(b.metrics), health: newHealth()}
	snd, err := c.newSender(h)
	if err != nil {
		t.Fatal(err)
	}
	if snd, err = c.forSessions(snd); err != nil {
		t.Fatal(err)
	}
	b.sessions = newSessions(c, h, snd, newDeadLetters(dir))
	b.teleport = from
	b.pause = func(int) time.Duration { return time.Millisecond }
	b.hold = func(bool) func() { return func() {} }
	return b
}

// locked is a writer for several goroutines.
type locked struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// finish waits until every session that was added is done.
func (b *booth) finish(t *testing.T) {
	t.Helper()
	ended := make(chan struct{})
	go func() { b.wg.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Fatalf("the sessions do not end: %s", b.log)
	}
}

func (b *booth) number(t *testing.T, name string) float64 {
	t.Helper()
	all, _, err := numbers(b.metrics.Gatherer())
	if err != nil {
		t.Fatal(err)
	}
	return all[name]
}

func wantEvents(sid string, n int) (all []string) {
	for i := range n {
		all = append(all, "/session."+sid+`.log {"ei":`+strconv.Itoa(i)+"}")
	}
	return all
}

func stateFiles(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "session") || strings.HasPrefix(e.Name(), "missing") {
			names = append(names, e.Name())
		}
	}
	return names
}

func notFound() error { return status.Error(codes.NotFound, "recording not found") }

// TestSessionIsSentOnce: also when its upload event comes again, in the same run or
// after a restart.
func TestSessionIsSentOnce(t *testing.T) {
	dir := t.TempDir()
	for run, want := range [][]string{wantEvents("one", 5), nil} {
		tape := &tapes{n: 5, calls: map[string]int{}}
		b := newBooth(t, dir, tape)
		if err := b.resume(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := b.add(t.Context(), "one", time.Now()); err != nil {
				t.Fatal(err)
			}
			b.finish(t)
		}
		if !slices.Equal(b.got, want) {
			t.Errorf("run %d: %q, want %q", run, b.got, want)
		}
	}
	if names := stateFiles(t, dir); len(names) > 0 {
		t.Errorf("left behind: %q", names)
	}
}

// TestRecordingThatBreaks goes on where it broke; what was sent is not sent again.
func TestRecordingThatBreaks(t *testing.T) {
	tape := &tapes{n: 9, calls: map[string]int{}, fail: func(_ string, index int64, call int) error {
		if index == int64(3*call) {
			return status.Error(codes.Internal, "broken")
		}
		return nil
	}}
	b := newBooth(t, t.TempDir(), tape)
	if err := b.add(t.Context(), "s", time.Now()); err != nil {
		t.Fatal(err)
	}
	b.finish(t)
	if want := wantEvents("s", 9); !slices.Equal(b.got, want) {
		t.Errorf("%q, want %q", b.got, want)
	}
}

// TestMissingRecording is asked for until it is there, and given up after the
// configured age with a line, a metric and a note.
func TestMissingRecording(t *testing.T) {
	dir := t.TempDir()
	tape := &tapes{n: 2, calls: map[string]int{}, fail: func(sid string, _ int64, call int) error {
		if sid == "never" || call < 5 {
			return notFound()
		}
		return nil
	}}
	b := newBooth(t, dir, tape)
	for sid, age := range map[string]time.Duration{"later": 47 * time.Hour, "never": 49 * time.Hour} {
		if err := b.add(t.Context(), sid, time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	b.finish(t)
	if want := wantEvents("later", 2); !slices.Equal(b.got, want) {
		t.Errorf("%q, want %q", b.got, want)
	}
	if n := tape.calls["later"]; n != 5 {
		t.Errorf("asked %d times, want 5", n)
	}
	if got := b.number(t, "handler_recordings_given_up_total"); got != 1 {
		t.Errorf("%v given up", got)
	}
	if got := b.number(t, "handler_recordings_missing_total"); got != 4 {
		t.Errorf("missing %v times", got)
	}
	if !strings.Contains(b.log.String(), "given up") || !strings.Contains(b.log.String(), "sid=never") {
		t.Errorf("nothing is said: %s", b.log)
	}
	f, err := inspectFolder(dir)
	if err != nil || len(f.GivenUp) != 1 || f.GivenUp[0].SID != "never" {
		t.Errorf("given up: %+v %v", f.GivenUp, err)
	}
	if names := stateFiles(t, dir); len(names) > 0 {
		t.Errorf("left behind: %q", names)
	}
}

// TestMissingRecordingStaysUpstreams: however often we have asked, upstream's handler
// will ask again when it takes the folder over.
func TestMissingRecordingStaysUpstreams(t *testing.T) {
	dir := t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	b := newBooth(t, dir, &tapes{n: 1, calls: map[string]int{}, fail: func(_ string, _ int64, call int) error {
		if call == 6 {
			stop()
		}
		return notFound()
	}})
	uploaded := time.Now().Add(-time.Hour).UTC()
	if err := b.add(ctx, "s", uploaded); err != nil {
		t.Fatal(err)
	}
	b.finish(t)
	text, err := os.ReadFile(filepath.Join(dir, "missing_recordings"))
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		Index, Attempt *int
		Timestamp      time.Time
	}
	if err := json.Unmarshal(text, &m); err != nil || m.Index == nil || *m.Index != 0 || m.Attempt == nil || *m.Attempt != 1 || !m.Timestamp.Equal(uploaded) {
		t.Errorf("%s: %v", text, err)
	}
	f, err := inspectFolder(dir)
	if err != nil || len(f.Missing) != 1 || f.Missing[0].Attempts < 5 {
		t.Errorf("%+v %v", f.Missing, err)
	}
}

// TestSlowRecordingHoldsUpNobody.
func TestSlowRecordingHoldsUpNobody(t *testing.T) {
	others := make(chan struct{})
	b := newBooth(t, t.TempDir(), &tapes{n: 3, calls: map[string]int{}, fail: func(sid string, index int64, _ int) error {
		if sid == "slow" && index == 1 {
			<-others
		}
		return nil
	}})
	if err := b.add(t.Context(), "slow", time.Now()); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		if err := b.add(t.Context(), "quick"+strconv.Itoa(i), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	for late := time.After(20 * time.Second); ; {
		b.sessions.mu.Lock()
		n, changed := b.count(), b.changed
		b.sessions.mu.Unlock()
		if n == 1 {
			break
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("%d sessions wait for a slow one", n)
		}
	}
	close(others)
	b.finish(t)
	if want := 11 * 3; len(b.got) != want {
		t.Errorf("%d events, want %d", len(b.got), want)
	}
}

// TestFullQueueHoldsUpEvents: beyond so many sessions that wait, whoever adds one
// waits too; those whose recording is missing do not count.
func TestFullQueueHoldsUpEvents(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var out strings.Builder
		c := &StartCmd{Concurrency: 2, MissingRetry: 48 * time.Hour}
		c.FluentdURL, c.FluentdSessionURL, c.FluentdMaxConnections = []string{"http://127.0.0.1:1/"}, "http://127.0.0.1:1/s", 1
		h := &handler{cmd: c, dir: dir, log: slog.New(slog.NewTextHandler(&locked{w: &out}, nil)), counts: newCounts(metrics.New()), health: newHealth()}
		snd, err := c.newSender(h)
		if err != nil {
			t.Fatal(err)
		}
		s := newSessions(c, h, snd, nil)
		s.hold = func(bool) func() { return func() {} }
		s.teleport = &tapes{n: 1, calls: map[string]int{}, fail: func(sid string, _ int64, _ int) error {
			if strings.HasPrefix(sid, "missing") {
				return notFound()
			}
			<-ctx.Done()
			return ctx.Err()
		}}
		for i := range 100 {
			if err := s.add(ctx, "missing"+strconv.Itoa(i), time.Now()); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		added := 0
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for i := 0; s.add(ctx, "s"+strconv.Itoa(i), time.Now()) == nil; i++ {
				added++
			}
		}()
		synctest.Wait()
		if want := queueFactor * 2; added != want {
			t.Errorf("%d sessions were added, want %d", added, want)
		}
		if !strings.Contains(out.String(), "Too many recordings wait") {
			t.Error("nothing is said")
		}
		stop()
		<-ended
		s.wg.Wait()
	})
}

// TestOnlyTheRecordingIsGivenUp: what the cluster or the receiver is to blame for
// is tried for ever.
func TestOnlyTheRecordingIsGivenUp(t *testing.T) {
	s := &sessions{maxAge: time.Hour}
	old := pendingSession{SID: "s", Uploaded: time.Now().Add(-48 * time.Hour)}
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"not found":     {&brokenRecording{notFound()}, true},
		"corrupt":       {&brokenRecording{status.Error(codes.Internal, "x")}, true},
		"unavailable":   {&brokenRecording{status.Error(codes.Unavailable, "x")}, false},
		"access denied": {&brokenRecording{status.Error(codes.PermissionDenied, "x")}, false},
		"expired":       {&brokenRecording{&teleport.ExpiredError{}}, false},
		"receiver":      {errors.New("receiver answered 503"), false},
	} {
		if got := s.tooOld(old, c.err); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
		if s.tooOld(pendingSession{Uploaded: time.Now()}, c.err) {
			t.Errorf("%s: a young one is given up", name)
		}
	}
}

// TestRecordingEventRefused goes to the dead letters alone; the others are sent.
func TestRecordingEventRefused(t *testing.T) {
	dir := t.TempDir()
	b := newBooth(t, dir, &tapes{n: 4, calls: map[string]int{}})
	b.refuse = func(_, body string) int {
		if strings.Contains(body, `"ei":2`) {
			return http.StatusBadRequest
		}
		return 0
	}
	if err := b.add(t.Context(), "s", time.Now()); err != nil {
		t.Fatal(err)
	}
	b.finish(t)
	want := wantEvents("s", 4)
	if !slices.Equal(b.got, slices.Delete(want, 2, 3)) {
		t.Errorf("got %q", b.got)
	}
	letters, err := readDeadLetters(dir)
	if err != nil || len(letters) != 1 || letters[0].SID != "s" || letters[0].Status != 400 || string(letters[0].body()) != `{"ei":2}` {
		t.Errorf("letters %+v %v", letters, err)
	}
	if !strings.Contains(b.log.String(), "set aside") {
		t.Errorf("nothing is said: %s", b.log)
	}
}

// TestUploadWithoutUsableSession harms nobody: no file outside of the folder, no
// end of the process.
func TestUploadWithoutUsableSession(t *testing.T) {
	b := newBooth(t, t.TempDir(), &tapes{n: 1, calls: map[string]int{}})
	for _, sid := range []string{"", "../../up", "a/b", "a\x00b", "a b", "a?b", "a#b", "a%2fb", strings.Repeat("x", 300)} {
		if err := b.add(t.Context(), sid, time.Now()); err != nil {
			t.Errorf("%q: %v", sid, err)
		}
	}
	b.finish(t)
	if len(b.got) > 0 {
		t.Errorf("sent %q", b.got)
	}
	if names := stateFiles(t, b.dir); len(names) > 0 {
		t.Errorf("files %q", names)
	}
}

// TestSessionsOfUpstreamAreTakenUp from files as upstream's handler, or a crash of
// it, leaves them.
func TestSessionsOfUpstreamAreTakenUp(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, text []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("session", []byte("bogus"))
	write("sessionwhole", binary.BigEndian.AppendUint64(nil, 3))
	write("sessionempty", nil)
	write("sessiontorn", []byte{0, 0, 0})
	write("missing_recordinggone", []byte(`{"Index":1,"Attempt":2,"Timestamp":"`+time.Now().UTC().Format(time.RFC3339Nano)+`"}`))
	write("missing_recordingtorn2", []byte(`{"Ind`))
	b := newBooth(t, dir, &tapes{n: 4, calls: map[string]int{}})
	if err := b.resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.finish(t)
	want := slices.Concat(wantEvents("whole", 4)[3:], wantEvents("empty", 4), wantEvents("torn", 4), wantEvents("gone", 4)[1:], wantEvents("torn2", 4))
	sameSet(t, "events", b.got, want)
	if names := stateFiles(t, dir); !slices.Equal(names, []string{"session"}) {
		t.Errorf("left behind: %q", names)
	}
}

// TestStoppedSessionIsLeftToTheNextRun, in the layout that upstream reads.
func TestStoppedSessionIsLeftToTheNextRun(t *testing.T) {
	dir := t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	b := newBooth(t, dir, &tapes{n: 4, calls: map[string]int{}, fail: func(_ string, index int64, _ int) error {
		if index == 2 {
			stop()
			return ctx.Err()
		}
		return nil
	}})
	if err := b.add(ctx, "s", time.Now()); err != nil {
		t.Fatal(err)
	}
	b.finish(t)
	text, err := os.ReadFile(filepath.Join(dir, "sessions"))
	if err != nil || len(text) != 8 {
		t.Fatalf("%x %v", text, err)
	}
	next := newBooth(t, dir, &tapes{n: 4, calls: map[string]int{}})
	if err := next.resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	next.finish(t)
	if len(next.got) == 0 || next.got[len(next.got)-1] != wantEvents("s", 4)[3] {
		t.Errorf("the next run sent %q", next.got)
	}
}

// TestStopWaitsForThePost: what the receiver has taken when the stop comes is not sent
// again by the next run.
func TestStopWaitsForThePost(t *testing.T) {
	dir := t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	b := newBooth(t, dir, &tapes{n: 4, calls: map[string]int{}})
	b.refuse = func(string, string) int {
		stop()
		return 0
	}
	if err := b.add(ctx, "s", time.Now()); err != nil {
		t.Fatal(err)
	}
	b.finish(t)
	next := newBooth(t, dir, &tapes{n: 4, calls: map[string]int{}})
	if err := next.resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	next.finish(t)
	if got, want := slices.Concat(b.got, next.got), wantEvents("s", 4); len(b.got) == 0 || !slices.Equal(got, want) {
		t.Errorf("the runs sent %q, then %q, want each of %d once", b.got, next.got, len(want))
	}
}
