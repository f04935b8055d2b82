package handler

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/sluicelog/sluice/internal/state"
)

// What begins the names of working folders; random digits follow. Those of a dry run
// are nothing but digits.
const (
	workerPrefix  = "teleport-event-handler-" // of a handler whose state lies in a bucket
	commandPrefix = "handler-state-"          // of a command that looks at such a state or changes it
)

// settledAge is from which age on a working folder without its lock belongs to
// nobody: who has just made one may not have locked it yet.
const settledAge = time.Minute

// newWorkFolder makes a folder for a process's life, and removes those of processes
// that were killed. Whoever works in it holds its lock.
func newWorkFolder(base, prefix string, log *slog.Logger) (string, error) {
	removeLeft(base, prefix, log)
	return os.MkdirTemp(base, prefix)
}

// lockedWorkFolder is newWorkFolder with the lock taken; done removes it.
func lockedWorkFolder(base, prefix string, log *slog.Logger) (dir string, done func(), err error) {
	if dir, err = newWorkFolder(base, prefix, log); err != nil {
		return "", nil, err
	}
	lock, err := state.Lock(dir)
	if err != nil {
		_ = os.RemoveAll(dir)
		return "", nil, err
	}
	return dir, func() {
		_ = os.RemoveAll(dir)
		_ = lock.Unlock()
	}, nil
}

// removeLeft removes working folders that nobody works in any more: of our naming,
// our own, and with a lock that is free. It never fails: a folder that stays costs
// room and nothing else.
func removeLeft(base, prefix string, log *slog.Logger) {
	entries, err := os.ReadDir(base)
	if err != nil {
		return
	}
	for _, e := range entries {
		random, ours := strings.CutPrefix(e.Name(), prefix)
		if !ours || random == "" || strings.Trim(random, "0123456789") != "" || !e.IsDir() {
			continue
		}
		dir := filepath.Join(base, e.Name())
		switch removed, err := removeIfLeft(dir); {
		case err != nil:
			log.Warn("Failed to remove the working folder of a process that is gone", "folder", dir, "error", err)
		case removed:
			log.Info("Removed the working folder of a process that is gone", "folder", dir)
		}
	}
}

// removeIfLeft removes a folder when it is ours and its lock can be taken. The lock is
// held until it is gone, so that two who clean up do not meet.
func removeIfLeft(dir string) (removed bool, err error) {
	if info, err := os.Lstat(dir); err != nil || !info.IsDir() || !isOwn(info) {
		return false, nil //nolint:nilerr // another one was faster
	}
	info, err := os.Lstat(filepath.Join(dir, state.LockName))
	if err != nil || !info.Mode().IsRegular() || time.Since(info.ModTime()) < settledAge {
		return false, nil //nolint:nilerr // never locked: it may be about to be
	}
	lock, err := state.Lock(dir)
	if errors.Is(err, state.ErrLocked) || errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer lock.Unlock()
	return true, os.RemoveAll(dir)
}

// isOwn reports that a file belongs to the user we run as.
func isOwn(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(s.Uid) == os.Geteuid()
}
