package handler

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// untilRed waits until something is said not to work.
func (b *booth) untilRed(t *testing.T) {
	t.Helper()
	for late := time.Now().Add(10 * time.Second); len(b.sender.health.problems()) == 0; runtime.Gosched() {
		if time.Now().After(late) {
			t.Fatalf("nothing is red: %s", b.log)
		}
	}
}

// TestSessionThatCanNotBeStruckOff is said: a start would send it again, and the
// relay must know its events then.
func TestSessionThatCanNotBeStruckOff(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, doneName), 0o700); err != nil { // where a file should be
		t.Fatal(err)
	}
	b := newBooth(t, dir, &tapes{n: 1, calls: map[string]int{}})
	b.hold = func(bool) func() { return func() { t.Error("the relay may forget its events") } }
	ctx, stop := context.WithCancel(t.Context())
	if err := b.add(ctx, "s", time.Now()); err != nil {
		t.Fatal(err)
	}
	b.untilRed(t)
	stop()
	b.finish(t)
	if !strings.Contains(b.log.String(), "Failed to strike off a session") {
		t.Errorf("nothing is said: %s", b.log)
	}
	if names := stateFiles(t, dir); !slices.Equal(names, []string{"sessions"}) {
		t.Errorf("files %q", names)
	}
}

// TestSessionIsStruckOffOnceTheDiskTakesIt: a disk that was full for a while leaves
// nothing behind that a restart would have to clear up.
func TestSessionIsStruckOffOnceTheDiskTakesIt(t *testing.T) {
	for _, file := range []string{doneName, givenUpName} {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, file), 0o700); err != nil { // where a file should be
			t.Fatal(err)
		}
		tape := &tapes{n: 1, calls: map[string]int{}}
		if file == givenUpName {
			tape.fail = func(string, int64, int) error { return notFound() }
		}
		b := newBooth(t, dir, tape)
		released := false
		b.hold = func(bool) func() { return func() { released = true } }
		if err := b.add(t.Context(), "s", time.Now().Add(-49*time.Hour)); err != nil {
			t.Fatal(err)
		}
		b.untilRed(t)
		if err := os.Remove(filepath.Join(dir, file)); err != nil {
			t.Fatal(err)
		}
		b.finish(t)
		if !released {
			t.Errorf("%s: the relay has to remember the session for ever", file)
		}
		if names := stateFiles(t, dir); len(names) > 0 {
			t.Errorf("%s: left behind: %q", file, names)
		}
		if all := b.sender.health.problems(); len(all) > 0 {
			t.Errorf("%s: still red: %q", file, all)
		}
	}
}
