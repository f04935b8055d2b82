package handler

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Who waits until a file lasts waits for the bucket, though not for the next turn of
// publishing; those that wait at the same time share one publication.
func TestLastingIsInTheBucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newMemoryBucket()
		s := bubbleShare(t, &slowBucket{b, 100 * time.Millisecond})
		if err := s.join(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, cease, err := s.lead(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		began, puts := time.Now(), b.putsSoFar()
		if err := os.WriteFile(filepath.Join(s.folder.dir, begunName), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		var wait sync.WaitGroup
		for range 20 {
			wait.Go(func() {
				if err := s.lasting(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		took, puts := time.Since(began), b.putsSoFar()-puts
		if names := filesInBucket(t, b); !slices.Contains(names, begunName) || took > time.Second || puts > 3 {
			t.Errorf("after %v and %d writes the bucket has %q", took, puts, names)
		}

		b.setAway(true)
		back := time.AfterFunc(5*time.Second, func() { b.setAway(false) })
		if err := s.lasting(t.Context()); err != nil || back.Stop() {
			t.Errorf("it lasts without a bucket: %v", err)
		}
		b.setAway(true)
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if err := s.lasting(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("it lasts without a bucket: %v", err)
		}
		b.setAway(false)
		cease()
		s.leave(t.Context())
	})
}

func (b *memoryBucket) putsSoFar() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.puts
}

func filesInBucket(t *testing.T, b *memoryBucket) (names []string) {
	t.Helper()
	data, _, err := b.Get(t.Context(), leaseName)
	if err != nil {
		t.Fatal(err)
	}
	m, err := unpackManifest(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range m.Files {
		names = append(names, f.Name)
	}
	return names
}

// No event of a chunk is handed on before its note lasts.
func TestEventsWaitUntilTheirNoteLasts(t *testing.T) {
	cfg := testConfig(t.TempDir(), &backlog{chunks: 3})
	var noted []byte
	lost := errors.New("lost")
	fail := true
	cfg.lasting = func(context.Context) error {
		var err error
		if noted, err = os.ReadFile(filepath.Join(cfg.dir, begunName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
		if fail {
			return lost
		}
		return nil
	}
	l := beginLife(t, cfg, 1, numbersPerStart)
	if err := l.x.firstDate(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := l.x.newChunk(l.x.newest(), "c000", mark{})
	read := func() error {
		return l.x.readChunk(t.Context(), c, func(_ context.Context, r *Read) error {
			l.got = append(l.got, r.ID)
			return nil
		})
	}
	if err := read(); !errors.Is(err, lost) || len(l.got) > 0 || c.rows > 0 {
		t.Errorf("%d events before the note lasts: %v", len(l.got), err)
	}
	fail = false
	if err := read(); err != nil || len(l.got) != backlogChunk {
		t.Errorf("%d events: %v", len(l.got), err)
	}
	if text := string(noted); text != fmt.Sprintf(`{"starts_without_notes":0,"recordings":%d,"chunks":{"%s":%[1]d}}`, numbersPerStart, c.key()) {
		t.Errorf("the note is %s", text)
	}
}
