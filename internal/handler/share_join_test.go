package handler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Who is interrupted while it fetches a state lets go of it and leaves it whole:
// half of a state in its folder is not the state.
func TestInterruptedFetchLeavesTheStateWhole(t *testing.T) {
	t.Parallel()
	b := newMemoryBucket()
	log := slog.New(slog.DiscardHandler)
	first := newShare(b, t.TempDir(), time.Minute, log)
	if err := first.join(t.Context()); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("0123456789abcdef", 2*blockSize/16)
	for name, text := range map[string]string{"a_small": "1", "b_long": long, "start_time": "2026-01-01T00:00:00Z"} {
		if err := os.WriteFile(filepath.Join(first.folder.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	first.leave(t.Context())

	ctx, interrupt := context.WithCancel(t.Context())
	second := newShare(&interruptedBucket{b, interrupt}, t.TempDir(), time.Minute, log)
	if err := second.join(ctx); err == nil {
		t.Fatal("the fetch was not interrupted")
	}
	second.leave(ctx)

	began := time.Now()
	third := newShare(b, t.TempDir(), time.Minute, log)
	if err := third.join(t.Context()); err != nil {
		t.Fatal(err)
	}
	third.rest()
	if took := time.Since(began); took > third.ttl/2 {
		t.Errorf("waited %v for a state that nobody holds", took)
	}
	tree := treeOf(t, third.folder.dir)
	if len(tree) != 3 || tree["b_long"] != long || tree["a_small"] != "1" || tree["start_time"] == "" {
		t.Errorf("%d files are left", len(tree))
	}
}

// interruptedBucket ends the context with the first block that is asked for.
type interruptedBucket struct {
	*memoryBucket
	interrupt func()
}

func (b *interruptedBucket) Get(ctx context.Context, name string) ([]byte, string, error) {
	if strings.HasPrefix(name, blockFolder) {
		b.interrupt()
	}
	if ctx.Err() != nil {
		return nil, "", ctx.Err()
	}
	return b.memoryBucket.Get(ctx, name)
}

// Blocks that nobody needs any more are removed one by one, which may take longer
// than a lease lasts; it is renewed meanwhile.
func TestSweepKeepsTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &slowDeletes{newMemoryBucket()}
		s := newShare(slow, t.TempDir(), 5*time.Second, slog.New(slog.DiscardHandler))
		began := time.Now()
		s.lease.clock = func() time.Duration { return time.Since(began) }
		if err := s.join(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range 50 {
			s.folder.stored[fmt.Sprint("old-", i)] = true
		}
		over, cancel := context.WithCancel(t.Context())
		cancel() // permit does not wait
		done := make(chan error, 1)
		go func() { done <- s.publish(t.Context(), false) }()
		for len(done) == 0 {
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
			if s.lease.permit(over) != nil {
				t.Errorf("the lease is over after %v", time.Since(began))
				break
			}
		}
		if err := <-done; err != nil || time.Since(began) < 2*s.ttl {
			t.Errorf("removed after %v: %v", time.Since(began), err)
		}
		// Who has let go does not take it again.
		for i := range 20 {
			s.folder.stored[fmt.Sprint("older-", i)] = true
		}
		s.leave(t.Context())
		data, _, err := slow.Get(t.Context(), leaseName)
		if err != nil {
			t.Fatal(err)
		}
		if m, err := unpackManifest(data); err != nil || !m.Released {
			t.Errorf("not released: %v", err)
		}
	})
}

// slowDeletes takes its time over each removal.
type slowDeletes struct{ *memoryBucket }

func (b *slowDeletes) Delete(ctx context.Context, name string) error {
	time.Sleep(200 * time.Millisecond)
	return b.memoryBucket.Delete(ctx, name)
}

// slowBlocks takes its time over each block, and over the list of them.
type slowBlocks struct {
	*memoryBucket
	takes time.Duration
}

func (b *slowBlocks) Get(ctx context.Context, name string) ([]byte, string, error) {
	if strings.HasPrefix(name, blockFolder) {
		if err := sleep(ctx, b.takes); err != nil {
			return nil, "", err
		}
	}
	return b.memoryBucket.Get(ctx, name)
}

func (b *slowBlocks) Names(ctx context.Context, folder string) ([]string, error) {
	if err := sleep(ctx, b.takes); err != nil {
		return nil, err
	}
	return b.memoryBucket.Names(ctx, folder)
}

// longState is a bucket with a state of which a part is a block.
func longState(t *testing.T) *memoryBucket {
	t.Helper()
	b := newMemoryBucket()
	s := bubbleShare(t, b)
	if err := s.join(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.folder.dir, "long"), make([]byte, blockSize), 0o600); err != nil {
		t.Fatal(err)
	}
	s.leave(t.Context())
	return b
}

// bubbleShare runs on the bubble's clock.
func bubbleShare(t *testing.T, b blockBucket) *share {
	t.Helper()
	s := newShare(b, t.TempDir(), 30*time.Second, slog.New(slog.DiscardHandler))
	began := time.Now()
	s.lease.clock = func() time.Duration { return time.Since(began) }
	return s
}

// However long one request takes while the state is fetched, and whatever is done
// before it is published for the first time, nobody takes over meanwhile.
func TestSlowFetchKeepsTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := longState(t)
		first, second := bubbleShare(t, &slowBlocks{b, 2 * time.Minute}), bubbleShare(t, b)
		waiting, stop := context.WithCancel(t.Context())
		taken := make(chan error, 1)
		go func() {
			time.Sleep(time.Second) // the first one has it by now
			taken <- second.join(waiting)
		}()
		if err := first.join(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute) // connecting to Teleport
		synctest.Wait()
		if len(taken) > 0 {
			t.Fatalf("another handler took over: %v", <-taken)
		}
		_, cease, err := first.lead(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		cease()
		stop()
		if err := <-taken; err == nil {
			t.Error("another handler took over from one that leads")
		}
		first.leave(t.Context())
		second.leave(t.Context())
	})
}

// Whose place was taken while it fetched gives up at once, and leaves the state to
// the other one.
func TestLostWhileFetching(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := longState(t)
		first := bubbleShare(t, &slowBlocks{b, time.Hour})
		joined := make(chan error, 1)
		began := time.Now()
		go func() { joined <- first.join(t.Context()) }()
		time.Sleep(time.Minute)
		m := &manifest{Holder: "other", Beat: 1000}
		data, err := m.pack()
		if err != nil {
			t.Fatal(err)
		}
		version, _ := b.Version(t.Context(), leaseName)
		if _, err := b.Put(t.Context(), leaseName, data, version); err != nil {
			t.Fatal(err)
		}
		if err := <-joined; !errors.Is(err, errStale) || time.Since(began) > 2*time.Minute {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		first.leave(t.Context())
		data, _, _ = b.Get(t.Context(), leaseName)
		if m, err := unpackManifest(data); err != nil || m.Holder != "other" || m.Released {
			t.Errorf("the other's state became %+v: %v", m, err)
		}
	})
}

// proverFunc is a store for prove alone.
type proverFunc func() error

func (f proverFunc) Prove(context.Context, string) error { return f() }

// A store that is away is red, and said once in a while with where credentials come
// from; when it is back all is well.
func TestProveSaysWhatIsWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text strings.Builder
		s := newShare(nil, t.TempDir(), time.Minute, slog.New(slog.NewTextHandler(&text, nil)))
		tries := 0
		err := s.prove(t.Context(), proverFunc(func() error {
			if tries++; tries == 9 {
				return nil
			}
			if tries > 1 && len(s.health.problems()) != 1 {
				t.Error("nothing is red")
			}
			return errors.New("put s3://b/p: get identity: get credentials: no role")
		}))
		if err != nil || len(s.health.problems()) > 0 {
			t.Errorf("at last: %v, %q", err, s.health.problems())
		}
		if n := strings.Count(text.String(), "\n"); n < 2 || n > 5 || !strings.Contains(text.String(), "AWS_ACCESS_KEY_ID") {
			t.Errorf("%d lines are said of %d failures: %s", n, tries-1, &text)
		}
	})
}
