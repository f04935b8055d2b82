package output

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/placeholder"
)

// chunkLink keeps a symbolic link at the chunk that fills just now, so that
// somebody can look at events before they are flushed. As in Fluentd the link
// leads nowhere once that chunk has left and until the next one is made. Between
// the events stand the frames of our chunk format.
type chunkLink struct {
	log      *slog.Logger
	template *placeholder.Template
	zone     *time.Location
	relative bool

	watcher *fsnotify.Watcher
	done    chan struct{}
	linked  string // the chunk file
	timekey int64
	older   map[string]bool // files that were looked at and are of older slices
}

var stagedFile = regexp.MustCompile(`\.b[0-9a-f]{32}\.chunk$`)

// follow begins; close ends it.
func (l *chunkLink) follow(folder string) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return err
	}
	if err := w.Add(folder); err != nil {
		return errors.Join(err, w.Close())
	}
	l.watcher, l.done, l.older = w, make(chan struct{}), map[string]bool{}
	staged, _ := buffer.ChunkFiles(buffer.Disk(), folder)
	go func() {
		defer close(l.done)
		for _, path := range staged {
			l.consider(path)
		}
		l.run()
	}()
	return nil
}

func (l *chunkLink) run() {
	for {
		select {
		case e, ok := <-l.watcher.Events:
			if !ok {
				return
			}
			// A new file has no head yet; the write that follows brings it.
			if e.Has(fsnotify.Create) || e.Has(fsnotify.Write) {
				l.consider(e.Name)
			} else if e.Has(fsnotify.Rename) || e.Has(fsnotify.Remove) {
				delete(l.older, e.Name)
			}
		case _, ok := <-l.watcher.Errors:
			if !ok {
				return
			}
		}
	}
}

// consider links to a chunk file unless it is of an older slice of time.
func (l *chunkLink) consider(path string) {
	if path == l.linked || l.older[path] || !stagedFile.MatchString(path) {
		return
	}
	f, err := buffer.ReadChunkFile(buffer.Disk(), path)
	if err != nil {
		return // no head yet, or gone already
	}
	if f.Meta.HasTimekey && f.Meta.Timekey < l.timekey {
		l.older[path] = true
		return
	}
	at, err := l.template.Expand(f.Meta, l.zone)
	if err == nil {
		err = l.point(at, path)
	}
	if err != nil {
		l.log.Warn("link to the newest chunk", "error", err)
		return
	}
	l.linked, l.timekey = path, f.Meta.Timekey
}

// point replaces the link at once, so that it is never missing.
func (l *chunkLink) point(at, path string) error {
	dir := filepath.Dir(at)
	if err := makeDirs(dir); err != nil {
		return err
	}
	to, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if l.relative {
		from, err := filepath.Abs(dir)
		if err != nil {
			return err
		}
		if to, err = filepath.Rel(from, to); err != nil {
			return err
		}
	}
	next := at + ".next"
	_ = os.Remove(next)
	if err := os.Symlink(to, next); err != nil {
		return err
	}
	return os.Rename(next, at)
}

func (l *chunkLink) close() error {
	if l.watcher == nil {
		return nil
	}
	err := l.watcher.Close()
	<-l.done
	return err
}
