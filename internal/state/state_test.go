package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func mode(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

func content(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The modes hold under any umask, and where Fluentd or upstream left a file that
// everybody may read. The umask is the process's, so nothing here runs in parallel.
func TestModesWhateverTheUmask(t *testing.T) {
	for _, mask := range []int{0, 0o077, 0o777} {
		t.Run(fmt.Sprintf("%03o", mask), func(t *testing.T) {
			root := t.TempDir()
			old := filepath.Join(root, "old")
			if err := os.WriteFile(old, []byte("x"), 0o644); err != nil {
				t.Fatal(err)
			}
			_ = os.Chmod(old, 0o644)
			defer syscall.Umask(syscall.Umask(mask))
			dir := filepath.Join(root, "a", "b")
			if err := MkdirAll(dir); err != nil {
				t.Fatal(err)
			}
			for _, path := range []string{filepath.Join(dir, "new"), old} {
				if err := WriteFile(path, []byte("state")); err != nil {
					t.Fatal(err)
				}
				if got := mode(t, path); got != 0o600 {
					t.Errorf("%s has mode %o", path, got)
				}
			}
			for _, d := range []string{dir, filepath.Dir(dir)} {
				if got := mode(t, d); got != 0o700 {
					t.Errorf("%s has mode %o", d, got)
				}
			}
		})
	}
}

func TestWriteFilesAllOrNone(t *testing.T) {
	dir := t.TempDir()
	first := filepath.Join(dir, "first")
	if err := WriteFile(first, []byte("old")); err != nil {
		t.Fatal(err)
	}
	err := WriteFiles(File{first, []byte("new")}, File{filepath.Join(dir, "missing", "second"), nil})
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "second") {
		t.Errorf("got %v, want the path that does not exist", err)
	}
	if got := content(t, first); got != "old" {
		t.Errorf("the first file was replaced although the second could not be: %q", got)
	}
	entries, _ := os.ReadDir(dir)
	if len(entries) != 1 {
		t.Errorf("temporary files are left: %v", entries)
	}
}

// TMPDIR on another file system must not matter.
func TestTempFileStandsBesideItsPlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	t.Setenv("TMPDIR", "/nonexistent")
	if err := WriteFile(path, []byte("x")); err != nil || content(t, path) != "x" {
		t.Errorf("got %v", err)
	}
}

func TestMkdirAllOnAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if err := WriteFile(file, nil); err != nil {
		t.Fatal(err)
	}
	if err := MkdirAll(file); err == nil || !strings.Contains(err.Error(), "it is a file") {
		t.Errorf("got %v", err)
	}
	if err := MkdirAll(filepath.Join(file, "below")); err == nil {
		t.Error("a folder was made below a file")
	}
}

func TestMkdirAllLeavesAnExistingFolderAlone(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := MkdirAll(dir); err != nil || mode(t, dir) != 0o755 {
		t.Errorf("got %v, mode %o", err, mode(t, dir))
	}
}

func TestAppendFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	for _, line := range []string{"one\n", "two\n"} {
		if err := AppendFile(path, []byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	if got := content(t, path); got != "one\ntwo\n" || mode(t, path) != 0o600 {
		t.Errorf("got %q, mode %o", got, mode(t, path))
	}
	if err := AppendFile(filepath.Join(path, "x"), nil); err == nil {
		t.Error("appended below a file")
	}
}

// A write that the file size limit cuts short must leave nothing of itself.
func TestAppendFileCutsOffWhatFailed(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full here")
	}
	defer full.Close()
	if err := appendSynced(full, []byte("x")); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v, want no space left", err)
	}
}

func TestRemove(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := WriteFile(path, nil); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := Remove(path); err != nil {
			t.Errorf("got %v", err)
		}
	}
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	held, err := Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Lock(dir)
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), fmt.Sprintf("(pid %d)", os.Getpid())) {
		t.Errorf("second lock: got %v, want the holder's pid", err)
	}
	if err := held.Unlock(); err != nil {
		t.Fatal(err)
	}
	again, err := Lock(dir)
	if err != nil {
		t.Fatalf("after Unlock: %v", err)
	}
	_ = again.Unlock()
	if _, err := Lock(filepath.Join(dir, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing folder: got %v", err)
	}
}

// TestHolder: who looks learns whether a folder is taken, and by whom, and takes
// nothing away.
func TestHolder(t *testing.T) {
	dir := t.TempDir()
	check := func(what, wantPID string, wantHeld bool) {
		t.Helper()
		pid, held, err := Holder(dir)
		if err != nil || held != wantHeld || pid != wantPID {
			t.Errorf("%s: %q %v %v", what, pid, held, err)
		}
	}
	check("never locked", "", false)
	lock, err := Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	check("locked", strconv.Itoa(os.Getpid()), true)
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	check("unlocked", "", false)
	if lock, err = Lock(dir); err != nil {
		t.Fatalf("looking has kept the lock: %v", err)
	}
	_ = lock.Unlock()
}
