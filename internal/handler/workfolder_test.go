package handler

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sluicelog/sluice/internal/state"
)

// workFolder makes a folder as a handler leaves it, with a lock of some age that is
// held or not.
func workFolder(t *testing.T, base, name string, age time.Duration, held bool) string {
	t.Helper()
	dir := filepath.Join(base, name)
	if err := os.MkdirAll(filepath.Join(dir, "cursor_v2"), 0o700); err != nil {
		t.Fatal(err)
	}
	lock, err := state.Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if held {
		t.Cleanup(func() { _ = lock.Unlock() })
	} else if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(-age)
	if err := os.Chtimes(filepath.Join(dir, state.LockName), at, at); err != nil {
		t.Fatal(err)
	}
	return dir
}

// What a killed handler left is removed by the next one, and nothing that somebody
// works in or that is not ours.
func TestWorkFoldersOfTheDeadAreRemoved(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	left := workFolder(t, base, workerPrefix+"123", time.Hour, false)
	link := filepath.Join(base, workerPrefix+"7")
	elsewhere := workFolder(t, t.TempDir(), workerPrefix+"8", time.Hour, false)
	if err := os.Symlink(elsewhere, link); err != nil {
		t.Fatal(err)
	}
	unlocked := filepath.Join(base, workerPrefix+"9")
	if err := os.Mkdir(unlocked, 0o700); err != nil {
		t.Fatal(err)
	}
	stay := []string{
		workFolder(t, base, workerPrefix+"124", time.Hour, true), // alive
		workFolder(t, base, workerPrefix+"125", 0, false),        // just made, and about to be locked
		workFolder(t, base, workerPrefix+"mine", time.Hour, false),
		workFolder(t, base, "other-126", time.Hour, false),
		unlocked, link, elsewhere,
	}
	dir, done, err := lockedWorkFolder(base, workerPrefix, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range append(stay, dir) {
		if !isFolder(dir) {
			t.Errorf("%s was removed", dir)
		}
	}
	if isFolder(left) {
		t.Error("what was left stays")
	}
	done()
	if isFolder(dir) {
		t.Error("the folder outlives its process")
	}
}

// One that belongs to somebody else stays, whoever we are.
func TestWorkFoldersOfOthersStay(t *testing.T) {
	t.Parallel()
	dir := workFolder(t, t.TempDir(), workerPrefix+"123", time.Hour, false)
	if os.Geteuid() != 0 {
		t.Skip("only root can give a folder away")
	}
	if err := os.Chown(dir, 12345, -1); err != nil {
		t.Fatal(err)
	}
	if removed, err := removeIfLeft(dir); removed || err != nil || !isFolder(dir) {
		t.Errorf("removed %v: %v", removed, err)
	}
}
