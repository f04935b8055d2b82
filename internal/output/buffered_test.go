package output

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/metrics"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// recorder is an output that keeps what it was given and fails when told to.
type recorder struct {
	mu    sync.Mutex
	fail  func(body string) error
	tried []time.Duration // since start
	start time.Time
	got   []string
}

func (r *recorder) Params(*param.Set) {}

func (r *recorder) Format(dst []byte, _ string, e event.Event) ([]byte, error) {
	return append(e.Record.AppendJSON(dst), '\n'), nil
}

func (r *recorder) Write(_ context.Context, c *buffer.Chunk) error {
	body, err := c.Open()
	if err != nil {
		return err
	}
	defer body.Close()
	text, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tried = append(r.tried, time.Since(r.start).Round(10*time.Millisecond))
	if r.fail != nil {
		if err := r.fail(string(text)); err != nil {
			return err
		}
	}
	r.got = append(r.got, string(text))
	return nil
}

// attempts is when Write was called, in seconds.
func (r *recorder) attempts() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	for _, d := range r.tried {
		all = append(all, fmt.Sprint(d.Seconds()))
	}
	return strings.Join(all, " ")
}

func (r *recorder) all() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.got, "")
}

// open makes a running output over a file buffer with the given <buffer> lines.
func open(t *testing.T, r *recorder, dir, lines string) (o *Buffered, stop func()) {
	t.Helper()
	return openAfter(t, nil, r, dir, lines)
}

// openAfter makes one that takes the folder over.
func openAfter(t *testing.T, before *Buffered, r *recorder, dir, lines string) (o *Buffered, stop func()) {
	t.Helper()
	text := "<match **>\n@type rec\n<buffer " + lines + "\n@type file\npath " + dir + "\nmin_free 0\n</buffer>\n</match>"
	tree, err := conf.Parse("t.conf", []byte(text), conf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	env := plugin.Env{ID: "out", Type: "rec", Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Metrics: metrics.New(), Node: tree.Children[0]}
	o = NewBuffered(env, r, nil)
	o.TakeOver(before)
	problems := &conf.Problems{}
	param.DecodePlugin(env.Node, "match", problems, o)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	if err := o.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.start = time.Now()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { _ = o.Run(ctx); close(done) }()
	return o, func() {
		cancel()
		<-done
		if err := o.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

// emit sends one event and waits until it is durable.
func emit(t *testing.T, o *Buffered, tag, body string) {
	t.Helper()
	record, err := event.ParseRecord([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	tx := plugin.Begin(t.Context())
	if err := o.Accept(tx, tag, event.Stream{{Time: event.Now(), Record: record}}); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// The schedule that a real Fluentd was measured with: retry_wait 1s, base 2,
// retry_max_interval 6, nothing at random.
func TestRetrySchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{fail: func(string) error { return errors.New("away") }}
		o, stop := open(t, r, t.TempDir(), "[]>\nflush_mode immediate\nretry_wait 1s\nretry_max_interval 6\nretry_randomize false")
		emit(t, o, "a", `{"n":1}`)
		time.Sleep(26 * time.Second)
		synctest.Wait()
		if got, want := r.attempts(), "0 1 3 7 13 19 25"; got != want {
			t.Errorf("attempts at %s, want %s", got, want)
		}
		stop()
	})
}

func TestRecoveryDeliversOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := true
		r := &recorder{fail: func(string) error {
			if away {
				return errors.New("away")
			}
			return nil
		}}
		dir := t.TempDir()
		o, stop := open(t, r, dir, "[]>\nflush_mode interval\nflush_interval 1s\nretry_randomize false")
		emit(t, o, "a", `{"n":1}`)
		time.Sleep(2 * time.Second)
		emit(t, o, "a", `{"n":2}`)
		r.mu.Lock()
		away = false
		r.mu.Unlock()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if got, want := r.all(), "{\"n\":1}\n{\"n\":2}\n"; got != want {
			t.Errorf("delivered %q, want %q", got, want)
		}
		stop()
		if left, _ := filepath.Glob(filepath.Join(dir, "*.chunk")); len(left) > 0 {
			t.Errorf("chunks are left: %v", left)
		}
	})
}

// One chunk that always fails must not hold up the good ones behind it.
func TestBadChunkGoesBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{fail: func(body string) error {
			if strings.Contains(body, "bad") {
				return errors.New("refused")
			}
			return nil
		}}
		o, stop := open(t, r, t.TempDir(), "tag>\nflush_mode immediate\nretry_randomize false")
		emit(t, o, "bad", `{"x":"bad"}`)
		for i := range 20 {
			emit(t, o, fmt.Sprint("good", i), `{"x":"good"}`)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if got := strings.Count(r.all(), "good"); got != 20 {
			t.Errorf("%d of 20 good chunks delivered within 5 s; attempts at %s", got, r.attempts())
		}
		stop()
	})
}

// Nor may it be tried for ever because the others are taken.
func TestBadChunkEnds(t *testing.T) {
	for _, limit := range []string{"retry_max_times 3", "retry_timeout 20s"} {
		synctest.Test(t, func(t *testing.T) {
			r := &recorder{fail: func(body string) error {
				if strings.Contains(body, "bad") {
					return errors.New("refused")
				}
				return nil
			}}
			dir := t.TempDir()
			o, stop := open(t, r, dir, "tag>\nflush_mode immediate\nretry_randomize false\n"+limit)
			emit(t, o, "bad", `{"x":"bad"}`)
			for i := range 30 {
				emit(t, o, fmt.Sprint("good", i), `{"x":"good"}`)
				time.Sleep(time.Second)
			}
			synctest.Wait()
			stop()
			if got := strings.Count(r.all(), "good"); got != 30 {
				t.Errorf("%s: %d of 30 good chunks delivered", limit, got)
			}
			wantBackup(t, dir, "{\"x\":\"bad\"}\n")
		})
	}
}

func TestPermanentErrorGoesToBackup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{fail: func(body string) error {
			if strings.Contains(body, "poison") {
				return plugin.Permanent(errors.New("400 Bad Request"))
			}
			return nil
		}}
		dir := t.TempDir()
		o, stop := open(t, r, dir, "tag>\nflush_mode immediate")
		emit(t, o, "a", `{"x":"poison"}`)
		emit(t, o, "b", `{"x":"fine"}`)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		stop()
		if got := r.all(); got != "{\"x\":\"fine\"}\n" {
			t.Errorf("delivered %q", got)
		}
		wantBackup(t, dir, "{\"x\":\"poison\"}\n")
	})
}

// When retries end Fluentd drops all queued chunks; here they are kept.
func TestEndOfRetriesKeepsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{fail: func(string) error { return errors.New("away") }}
		dir := t.TempDir()
		o, stop := open(t, r, dir, "tag>\nflush_mode immediate\nretry_wait 1s\nretry_randomize false\nretry_max_times 3")
		emit(t, o, "a", `{"n":1}`)
		emit(t, o, "b", `{"n":2}`)
		// Long enough for a chunk that was on its way when the first retries ended,
		// and so begins its own.
		time.Sleep(time.Hour)
		synctest.Wait()
		stop()
		wantBackup(t, dir, "{\"n\":1}\n", "{\"n\":2}\n")
	})
}

// A backup folder that can not be written to ends no retries: everything stays
// queued, and is delivered when the receiver is back.
func TestEndOfRetriesWithoutBackup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var away atomic.Bool
		away.Store(true)
		r := &recorder{fail: func(string) error {
			if away.Load() {
				return errors.New("away")
			}
			return nil
		}}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "backup"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		o, stop := open(t, r, dir, "tag>\nflush_mode immediate\nretry_wait 1s\nretry_max_interval 10\nretry_randomize false\nretry_max_times 3")
		emit(t, o, "a", `{"n":1}`)
		emit(t, o, "b", `{"n":2}`)
		time.Sleep(time.Minute)
		away.Store(false)
		time.Sleep(time.Minute)
		synctest.Wait()
		stop()
		for _, want := range []string{`{"n":1}`, `{"n":2}`} {
			if got := r.all(); strings.Count(got, want) != 1 {
				t.Errorf("delivered %q, want %s once", got, want)
			}
		}
	})
}

func wantBackup(t *testing.T, dir string, bodies ...string) {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join(dir, "backup", "*.log"))
	all := ""
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all += string(text)
	}
	for _, body := range bodies {
		if !strings.Contains(all, body) {
			t.Errorf("%q is not in the backup folder, which holds %d files: %q", body, len(files), all)
		}
	}
}

func TestFlushAtShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{}
		o, stop := open(t, r, t.TempDir(), "time>\ntimekey 1h\nflush_at_shutdown true")
		emit(t, o, "a", `{"n":1}`)
		stop()
		if got := r.all(); got != "{\"n\":1}\n" {
			t.Errorf("delivered %q at shutdown", got)
		}
	})
}

// What the next configuration takes over does not leave before its time: there is no end.
func TestNoFlushWhenTakenOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, lines := t.TempDir(), "time>\ntimekey 1h\nflush_at_shutdown true"
		old, fresh := &recorder{}, &recorder{}
		o, stop := open(t, old, dir, lines)
		emit(t, o, "a", `{"n":1}`)
		_, stopNext := openAfter(t, o, fresh, dir, lines)
		stop()
		synctest.Wait()
		if got := old.all() + fresh.all(); got != "" {
			t.Errorf("delivered %q at the reload", got)
		}
		stopNext()
		if got := fresh.all(); got != "{\"n\":1}\n" {
			t.Errorf("delivered %q at the end", got)
		}
	})
}

// Without it what is staged stays on disk and the next process sends it.
func TestRestartTakesUpWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		r := &recorder{}
		o, stop := open(t, r, dir, "[]>\nflush_mode interval\nflush_interval 30s")
		emit(t, o, "a", `{"n":1}`)
		stop()
		if got := r.all(); got != "" {
			t.Fatalf("delivered %q before its time", got)
		}
		_, stop = open(t, r, dir, "[]>\nflush_mode interval\nflush_interval 30s")
		time.Sleep(40 * time.Second)
		synctest.Wait()
		stop()
		if got := r.all(); got != "{\"n\":1}\n" {
			t.Errorf("delivered %q after the restart", got)
		}
	})
}
