package handler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluicelog/sluice/internal/s3state"
	"github.com/sluicelog/sluice/internal/state"
)

// memoryBucket is a bucket in memory.
type memoryBucket struct {
	mu      sync.Mutex
	objects map[string]memoryObject
	puts    int
	fault   func(put int) (fail, stored bool) // of each Put; nil: none
	away    bool                              // nothing is answered
}

type memoryObject struct {
	data    []byte
	version string
}

var errAway = errors.New("away")

func newMemoryBucket() *memoryBucket { return &memoryBucket{objects: map[string]memoryObject{}} }

func (b *memoryBucket) Get(_ context.Context, name string) ([]byte, string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o, ok := b.objects[name]
	if b.away {
		return nil, "", errAway
	}
	if !ok {
		return nil, "", s3state.ErrAbsent
	}
	return slices.Clone(o.data), o.version, nil
}

func (b *memoryBucket) Put(_ context.Context, name string, data []byte, version string) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.away {
		return "", errAway
	}
	b.puts++
	fail, stored := false, true
	if b.fault != nil {
		fail, stored = b.fault(b.puts)
	}
	if b.objects[name].version != version {
		return "", s3state.ErrChanged
	}
	if stored {
		b.objects[name] = memoryObject{slices.Clone(data), fmt.Sprint("v", b.puts)}
	}
	if fail {
		return "", errors.New("no answer")
	}
	return b.objects[name].version, nil
}

func (b *memoryBucket) Version(context.Context, string) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.away {
		return "", errAway
	}
	return b.objects[leaseName].version, nil
}

func (b *memoryBucket) Names(_ context.Context, folder string) (names []string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for name := range b.objects {
		if rest, ok := strings.CutPrefix(name, folder+"/"); ok {
			names = append(names, rest)
		}
	}
	return names, nil
}

func (b *memoryBucket) Delete(_ context.Context, name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.objects, name)
	return nil
}

func (b *memoryBucket) setAway(away bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.away = away
}

// testLease runs on the bubble's clock.
func testLease(b leaseBucket, ttl time.Duration) *lease {
	l := newLease(b, ttl, slog.New(slog.DiscardHandler))
	began := time.Now()
	l.clock = func() time.Duration { return time.Since(began) }
	return l
}

// keep renews a lease until ctx ends.
func (l *lease) keep(ctx context.Context, files []sharedFile) error {
	for sleep(ctx, l.ttl/8) == nil {
		if err := l.write(ctx, files, false); errors.Is(err, errStale) {
			return err
		}
	}
	return nil
}

// One works, the other stands by for as long as the first one lives, goes on
// within the lease's time after it died, and at once after it let go.
func TestTakeover(t *testing.T) {
	for _, released := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			const ttl = 24 * time.Second
			b := newMemoryBucket()
			first, second := testLease(b, ttl), testLease(b, ttl)
			if _, err := first.acquire(t.Context()); err != nil {
				t.Fatal(err)
			}
			alive, die := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- first.keep(alive, []sharedFile{{Name: "id", Rest: []byte("x")}}) }()
			taken := make(chan *manifest, 1)
			go func() {
				m, _ := second.acquire(t.Context())
				taken <- m
			}()
			time.Sleep(10 * time.Minute)
			synctest.Wait()
			if len(taken) > 0 {
				t.Fatal("taken over from one that lives")
			}
			die()
			<-done
			if released {
				if err := first.write(t.Context(), nil, true); err != nil {
					t.Fatal(err)
				}
			}
			died := time.Now()
			m := <-taken
			took := time.Since(died)
			switch {
			case released && took > 2*second.pollEvery():
				t.Errorf("took %v after it was let go", took)
			case !released && (took < ttl-ttl/8 || took > ttl+2*second.pollEvery()):
				t.Errorf("took %v after a death, want about %v", took, ttl)
			case !released && string(m.Files[0].Rest) != "x":
				t.Errorf("took over %v", m.Files)
			}
		})
	}
}

// A holder that was paused can neither post nor write once its time is over,
// whoever else has come or not; one whose bucket was away for a while goes on.
func TestPausedHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const ttl = 10 * time.Second
		b := newMemoryBucket()
		first, second := testLease(b, ttl), testLease(b, ttl)
		if _, err := first.acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := first.permit(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.setAway(true)
		time.Sleep(ttl)
		// Over, and nobody came: posts wait, and go on once the lease is renewed.
		waiting := make(chan error, 1)
		go func() { waiting <- first.permit(t.Context()) }()
		synctest.Wait()
		if len(waiting) > 0 {
			t.Fatal("posting is allowed after the lease's time")
		}
		b.setAway(false)
		if err := first.write(t.Context(), nil, false); err != nil {
			t.Fatal(err)
		}
		if err := <-waiting; err != nil {
			t.Fatal(err)
		}
		// Paused until another has taken over.
		if _, err := second.acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := first.permit(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("permit of the former holder: %v", err)
		}
		version := b.objects[leaseName].version
		if err := first.write(t.Context(), []sharedFile{{Name: "old"}}, false); !errors.Is(err, errStale) {
			t.Errorf("write of the former holder: %v", err)
		}
		if err := first.permit(t.Context()); !errors.Is(err, errStale) {
			t.Errorf("permit after that: %v", err)
		}
		if b.objects[leaseName].version != version {
			t.Error("the former holder changed the state")
		}
	})
}

// Answers that are lost leave nothing undecided: neither who holds the lease nor
// which state is the last.
func TestLostAnswers(t *testing.T) {
	for _, stored := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := newMemoryBucket()
			b.fault = func(n int) (bool, bool) { return n%3 != 0, n%3 == 0 || stored }
			l := testLease(b, 10*time.Second)
			if _, err := l.acquire(t.Context()); err != nil {
				t.Fatal(err)
			}
			for i := range 20 {
				files := []sharedFile{{Name: fmt.Sprint(i)}}
				for l.write(t.Context(), files, false) != nil {
					if err := sleep(t.Context(), time.Second); err != nil {
						t.Fatal(err)
					}
				}
				data, _, err := b.Get(t.Context(), leaseName)
				if err != nil {
					t.Fatal(err)
				}
				m, err := unpackManifest(data)
				if err != nil || m.Files[0].Name != files[0].Name || m.Holder != l.holder {
					t.Fatalf("wrote %d, found %v, %v", i, m, err)
				}
			}
		})
	}
}

// Many start at once, with answers lost: one gets the lease.
func TestOneLeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newMemoryBucket()
		b.fault = func(n int) (bool, bool) { return n < 4, n != 2 }
		ctx, cancel := context.WithTimeout(t.Context(), 9*time.Second) // below the lease's time
		defer cancel()
		var wg sync.WaitGroup
		var mu sync.Mutex
		leaders := 0
		for range 5 {
			wg.Go(func() {
				if _, err := testLease(b, 10*time.Second).acquire(ctx); err == nil {
					mu.Lock()
					defer mu.Unlock()
					leaders++
				}
			})
		}
		wg.Wait()
		if leaders != 1 {
			t.Errorf("%d lead", leaders)
		}
	})
}

func testFolder(dir string, b blockBucket, mark string) *sharedFolder {
	return &sharedFolder{dir: dir, bucket: b, mark: mark, cache: map[string]cachedFile{}, stored: map[string]bool{}}
}

// publishTo does what share.publish does, without a lease.
func (f *sharedFolder) publishTo(t *testing.T) []sharedFile {
	t.Helper()
	all, err := f.read()
	if err != nil {
		t.Fatal(err)
	}
	files, err := f.store(t.Context(), all)
	if err == nil {
		err = f.sweep(t.Context(), files)
	}
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// treeOf is a folder's content; folders that are empty end in a /.
func treeOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	f := testFolder(dir, nil, "")
	names, err := f.names(func(string) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	tree := map[string]string{}
	for _, name := range names {
		text, _ := os.ReadFile(filepath.Join(dir, name))
		tree[name] = string(text)
	}
	return tree
}

// A folder that went through the bucket is the same, a file that grows costs what
// is new, and blocks that nobody needs are removed.
func TestSharedFolder(t *testing.T) {
	t.Parallel()
	b := newMemoryBucket()
	dir := t.TempDir()
	f := testFolder(dir, b, "one")
	long := strings.Repeat("0123456789abcdef", 3*blockSize/16) + "rest"
	put := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := errors.Join(state.MkdirAll(filepath.Dir(path)), state.WriteFile(path, []byte(text))); err != nil {
			t.Fatal(err)
		}
	}
	put("id", "a")
	put("empty", "")
	put("cursor_v2/2026-01-01/c.chunk", "x")
	put("sluice_seen-1.ids", long)
	put("session1", "12345678")
	put(".lock", "pid")
	put(deadLetterName, "not here")
	if err := state.MkdirAll(filepath.Join(dir, "cursor_v2/2026-01-02")); err != nil {
		t.Fatal(err)
	}
	files := f.publishTo(t)
	if b.puts != 1 {
		t.Errorf("%d blocks for three that are the same", b.puts)
	}

	// Somebody else takes it up, and goes on.
	other := t.TempDir()
	g := testFolder(other, b, "two")
	if err := errors.Join(g.adopt(t.Context()), g.fetch(t.Context(), files)); err != nil {
		t.Fatal(err)
	}
	want, got := treeOf(t, dir), treeOf(t, other)
	if len(got) != 6 || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %d files, want %d: %.300v", len(got), len(want), got)
	}
	before := b.puts
	g.publishTo(t)
	if b.puts != before {
		t.Error("what is there was stored again")
	}
	if err := state.AppendFile(filepath.Join(other, "sluice_seen-1.ids"), []byte(strings.Repeat("z", blockSize))); err != nil {
		t.Fatal(err)
	}
	files = g.publishTo(t)
	if b.puts != before+1 {
		t.Errorf("%d blocks more for one that is new", b.puts-before)
	}
	third := t.TempDir()
	if err := testFolder(third, b, "three").fetch(t.Context(), files); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(treeOf(t, third)) != fmt.Sprint(treeOf(t, other)) {
		t.Error("a file that has grown is another one")
	}
	if err := state.Remove(filepath.Join(other, "sluice_seen-1.ids")); err != nil {
		t.Fatal(err)
	}
	g.publishTo(t)
	if left, _ := b.Names(t.Context(), blockFolder); len(left) != 0 {
		t.Errorf("blocks %v are left", left)
	}
}

// A manifest can not write outside of the folder.
func TestSharedFolderStaysInside(t *testing.T) {
	t.Parallel()
	f := testFolder(t.TempDir(), newMemoryBucket(), "m")
	for _, name := range []string{"../x", "/etc/x", "a/../../x"} {
		if err := f.fetch(t.Context(), []sharedFile{{Name: name}}); err == nil {
			t.Errorf("%s was written", name)
		}
	}
}

// A state of many blocks takes longer to write and to read than a lease lasts; it
// is renewed meanwhile, so nobody comes between.
func TestLargeStateKeepsTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &slowBucket{memoryBucket: newMemoryBucket(), each: 200 * time.Millisecond}
		began := time.Now()
		open := func(ttl time.Duration) *share {
			s := newShare(slow, t.TempDir(), ttl*5/4, slog.New(slog.DiscardHandler))
			s.lease.clock = func() time.Duration { return time.Since(began) }
			return s
		}
		const ttl = 4 * time.Second
		first := open(ttl)
		if err := first.join(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			text := strings.Repeat(fmt.Sprintf("%016d", i), 50*blockSize/16)
			for at := range 50 { // no two blocks alike
				text = text[:at*blockSize] + fmt.Sprintf("%08d", at) + text[at*blockSize+8:]
			}
			if err := state.WriteFile(filepath.Join(first.folder.dir, fmt.Sprintf("sluice_seen-%d.ids", i)), []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		waiting, stop := context.WithCancel(t.Context())
		taken := make(chan error, 1)
		go func() { taken <- open(ttl).join(waiting) }()
		if err := first.publish(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		if slow.puts < 150 || time.Since(began) < 2*ttl {
			t.Errorf("%d blocks in %v are no large state", slow.puts, time.Since(began))
		}
		synctest.Wait()
		if len(taken) > 0 {
			t.Error("taken over from one that writes")
		}
		stop()
		<-taken
		second := open(ttl)
		if err := second.join(t.Context()); err != nil {
			t.Fatal(err)
		}
		second.rest()
		if fmt.Sprint(treeOf(t, second.folder.dir)) != fmt.Sprint(treeOf(t, first.folder.dir)) {
			t.Error("the state is another one")
		}
	})
}

// slowBucket takes its time over each object.
type slowBucket struct {
	*memoryBucket
	each time.Duration
}

func (b *slowBucket) Get(ctx context.Context, name string) ([]byte, string, error) {
	time.Sleep(b.each)
	return b.memoryBucket.Get(ctx, name)
}

func (b *slowBucket) Put(ctx context.Context, name string, data []byte, version string) (string, error) {
	time.Sleep(b.each)
	return b.memoryBucket.Put(ctx, name, data, version)
}

// What the relay may forget follows the bucket, not the files; a dead letter is in
// the bucket before the event counts as done.
func TestShareForgetsWhatIsPublished(t *testing.T) {
	t.Parallel()
	b := newMemoryBucket()
	dir := t.TempDir()
	s := newShare(b, dir, time.Minute, slog.New(slog.DiscardHandler))
	if err := s.join(t.Context()); err != nil {
		t.Fatal(err)
	}
	id, err := loadIdentity(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	id.shared = true
	dead := newDeadLetters(dir)
	s.begin(&auditSource{}, id, dead, newHealth())
	id.mayForget(id.gen + 5)
	if id.forget != 0 {
		t.Error("the relay is told to forget what is not in the bucket")
	}
	b.setAway(true)
	if err := s.publish(t.Context(), false); err == nil || id.forget != 0 {
		t.Errorf("published without a bucket: %v", err)
	}
	b.setAway(false)
	if err := s.publish(t.Context(), false); err != nil || id.forget != id.gen+5 {
		t.Errorf("forget %d, %v", id.forget, err)
	}
	if err := dead.write(testEvent("bad"), &refusal{status: 400}); err != nil {
		t.Fatal(err)
	}
	if letters, _ := b.Names(t.Context(), letterFolder); len(letters) != 1 {
		t.Errorf("dead letters %v", letters)
	}
	_ = dead.close()

	// The next one gets the same source and a newer generation.
	s.leave(t.Context())
	next := newShare(b, t.TempDir(), time.Minute, slog.New(slog.DiscardHandler))
	if err := next.join(t.Context()); err != nil {
		t.Fatal(err)
	}
	next.rest()
	again, err := loadIdentity(next.folder.dir, false)
	if err != nil || again.source != id.source || again.start <= id.start {
		t.Errorf("source %s, start %d after %s, %d: %v", again.source, again.start, id.source, id.start, err)
	}
}
