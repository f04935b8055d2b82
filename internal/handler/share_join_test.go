package handler

import (
	"context"
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

// Many small files take long to write as well.
func TestFetchOfSmallFilesKeepsTheLease(t *testing.T) {
	t.Parallel()
	f := testFolder(t.TempDir(), newMemoryBucket(), "m")
	renewed := 0
	f.renew = func(context.Context) error { renewed++; return nil }
	var files []sharedFile
	for i := range 10 {
		files = append(files, sharedFile{Name: fmt.Sprint("session", i), Rest: []byte("1")})
	}
	if err := f.fetch(t.Context(), files); err != nil {
		t.Fatal(err)
	}
	if renewed < len(files) {
		t.Errorf("renewed %d times over %d files", renewed, len(files))
	}
}
