// Package state keeps small files that must survive a crash: cursors, ids,
// positions. A file is replaced whole, by a rename, after it and its folder were
// synced; a reader sees the old content or the new one, never half of either.
//
// Files are 0600 and folders 0700 whatever the umask: they say what happened in
// somebody's cluster.
package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/google/renameio/v2"
)

const (
	fileMode = 0o600
	dirMode  = 0o700
)

// WriteFile replaces a file by data. When it returns nil the new content survives
// a power cut. The mode is 0600 also where the old file had another.
func WriteFile(path string, data []byte) error {
	return WriteFiles(File{path, data})
}

// File is a path and what shall stand there.
type File struct {
	Path string
	Data []byte
}

// WriteFiles replaces several files that belong together. All are written and
// synced beside their places first, so that a full disk leaves every old file as
// it was; only then are they renamed, in the order given. A power cut between two
// renames can still leave some new and some old.
func WriteFiles(files ...File) error {
	pending := make([]*renameio.PendingFile, 0, len(files))
	defer func() {
		for _, p := range pending {
			_ = p.Cleanup() // does nothing once the file is in place
		}
	}()
	for _, f := range files {
		// The temporary file stands in the same folder: a rename from $TMPDIR may cross
		// file systems, and finding that out costs two more files each time.
		p, err := renameio.NewPendingFile(f.Path, renameio.WithTempDir(filepath.Dir(f.Path)), renameio.WithStaticPermissions(fileMode))
		if err != nil {
			return fmt.Errorf("write %s: %w", f.Path, err)
		}
		pending = append(pending, p)
		if _, err := p.Write(f.Data); err != nil {
			return fmt.Errorf("write %s: %w", f.Path, err)
		}
		if len(files) == 1 {
			break // the rename syncs it
		}
		if err := p.Sync(); err != nil {
			return fmt.Errorf("write %s: %w", f.Path, err)
		}
	}
	return putInPlace(files, pending)
}

func putInPlace(files []File, pending []*renameio.PendingFile) error {
	var dirs []string
	for i, p := range pending {
		if err := p.CloseAtomicallyReplace(); err != nil {
			return fmt.Errorf("write %s: %w", files[i].Path, err)
		}
		if dir := filepath.Dir(files[i].Path); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	for _, dir := range dirs {
		if err := SyncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// Remove removes a file for good; one that is not there is removed already.
func Remove(path string) error {
	if err := os.Remove(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return fmt.Errorf("remove file: %w", err)
	}
	return SyncDir(filepath.Dir(path))
}

// MkdirAll makes a folder and those above it, and syncs each folder that got a
// new entry, up to the first that existed: else a power cut may undo them.
func MkdirAll(dir string) error {
	dir = filepath.Clean(dir)
	switch info, err := os.Stat(dir); {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		return fmt.Errorf("make folder %s: it is a file", dir)
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("make folder: %w", err)
	}
	if parent := filepath.Dir(dir); parent != dir {
		if err := MkdirAll(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make folder: %w", err)
	}
	if err := os.Chmod(dir, dirMode); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	return SyncDir(filepath.Dir(dir))
}

// SyncDir makes new, renamed and removed entries of a folder durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync folder %s: %w", dir, err)
	}
	return nil
}

// AppendFile appends data to a file, which is made when it is not there, and
// syncs it. A write that fails is cut off again.
func AppendFile(path string, data []byte) error {
	f, fresh, err := openAppend(path)
	if err != nil {
		return fmt.Errorf("append to %s: %w", path, err)
	}
	defer f.Close()
	if err := appendSynced(f, data); err != nil {
		return fmt.Errorf("append to %s: %w", path, err)
	}
	if fresh {
		return SyncDir(filepath.Dir(path))
	}
	return nil
}

func openAppend(path string) (f *os.File, fresh bool, err error) {
	f, err = os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if !errors.Is(err, fs.ErrNotExist) {
		return f, false, err
	}
	f, err = os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, fileMode)
	return f, true, err
}

func appendSynced(f *os.File, data []byte) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return errors.Join(err, f.Truncate(info.Size()))
	}
	return f.Sync()
}

// DirLock is the right to use a folder; one process has it.
type DirLock struct{ f *os.File }

// LockName is the file that carries the lock.
const LockName = ".lock"

// ErrLocked is that another process uses the folder.
var ErrLocked = errors.New("folder is in use by another process")

// Lock takes a folder, which must exist, for this process until Unlock, or until
// the process ends in whatever way. [ErrLocked] when another has it; the message
// names that process. A file system that knows no flock is an error.
func Lock(dir string) (*DirLock, error) {
	path := filepath.Join(dir, LockName)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, fileMode)
	if err != nil {
		return nil, fmt.Errorf("lock folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder, _ := os.ReadFile(path)
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock folder %s: %w (pid %s)", dir, ErrLocked, strings.TrimSpace(string(holder)))
		}
		return nil, fmt.Errorf("lock folder %s: %w", dir, err)
	}
	// The pid only helps people; the lock is the flock.
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt([]byte(fmt.Sprintln(os.Getpid())), 0)
	}
	return &DirLock{f}, nil
}

// Holder reports whether a process has a folder, and the pid that it noted, "" when
// that is not known. To look, it holds the lock itself for a moment.
func Holder(dir string) (pid string, held bool, err error) {
	f, err := os.Open(filepath.Join(dir, LockName))
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("look at the lock: %w", err)
	}
	defer f.Close()
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if !errors.Is(err, syscall.EWOULDBLOCK) {
		return "", false, nil
	}
	text, err := os.ReadFile(f.Name())
	return strings.TrimSpace(string(text)), true, err
}

// Unlock lets go of the folder.
func (l *DirLock) Unlock() error { return l.f.Close() }
