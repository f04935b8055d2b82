package tlsconf

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle is how long files are left alone after a change was seen, so that a pair
// has been written whole; pause lies between two looks at a busy folder; soon is
// when files are looked at again that did not fit together.
const (
	settle = 100 * time.Millisecond
	pause  = 250 * time.Millisecond
	soon   = time.Second
)

// follow calls look whenever something changes in the folders of the paths, every
// poll even so, and again soon when look asks for it. It returns when ctx ends.
//
// Folders are watched, not files: files are replaced by renames, and Kubernetes
// replaces a link (..data) beside the links to the files. Where the system can not
// watch, the poll is all there is.
func follow(ctx context.Context, log *slog.Logger, paths []string, poll time.Duration, look func() (again bool)) {
	watcher, err := fsnotify.NewWatcher()
	var events chan fsnotify.Event
	var errs chan error
	if err != nil {
		log.Debug("certificate files are polled: changes can not be watched", "error", err)
	} else {
		defer watcher.Close()
		events, errs = watcher.Events, watcher.Errors
	}
	if watcher != nil {
		watchFolders(watcher, paths)
	}
	next := newAlarm(min(settle, poll)) // what changed between the first reading and now
	defer next.timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-events:
			// The folder may be a busy one with other files in it: look at most once in a
			// while, and do not let its events put the look off for ever.
			next.notLaterThan(max(settle, pause-time.Since(next.rang)))
		case err := <-errs:
			// An overflow of events, say: the poll makes up for it.
			log.Debug("watching certificate files", "error", err)
		case <-next.timer.C:
			wait := poll
			if look() {
				wait = min(soon, poll)
			}
			if watcher != nil {
				watchFolders(watcher, paths) // one that was replaced is not watched any more
			}
			next.set(wait)
		}
	}
}

// alarm is a timer that knows when it goes off.
type alarm struct {
	timer *time.Timer
	at    time.Time
	rang  time.Time // when it went off last
}

func newAlarm(d time.Duration) *alarm {
	return &alarm{timer: time.NewTimer(d), at: time.Now().Add(d)}
}

// set starts it anew after it went off.
func (a *alarm) set(d time.Duration) {
	a.rang = time.Now()
	a.at = a.rang.Add(d)
	a.timer.Reset(d)
}

// notLaterThan brings it forward.
func (a *alarm) notLaterThan(d time.Duration) {
	if at := time.Now().Add(d); at.Before(a.at) {
		a.at = at
		a.timer.Reset(d)
	}
}

// watchFolders adds the folders that are not watched yet: those of the paths, and
// those that the paths lead to through links.
func watchFolders(watcher *fsnotify.Watcher, paths []string) {
	watched := watcher.WatchList()
	for _, path := range paths {
		if path == "" {
			continue
		}
		dirs := []string{filepath.Dir(path), path} // path itself may be a folder
		if real, err := filepath.EvalSymlinks(path); err == nil && real != path {
			dirs = append(dirs, filepath.Dir(real))
		}
		for _, dir := range dirs {
			if !slices.Contains(watched, dir) {
				_ = watcher.Add(dir) // a folder that is not there is polled for
				watched = append(watched, dir)
			}
		}
	}
}
