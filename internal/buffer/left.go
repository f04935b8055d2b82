package buffer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/sluicelog/sluice/internal/event"
)

// left is everything that an earlier process, or Fluentd, left under one id. It
// is taken up as a whole or not yet: what the disk does not let us read now is
// tried again (mend.go), and each step can be done a second time.
type left struct {
	id      event.ChunkID
	temp    bool // a copy that should take a queued file's place
	queued  bool
	staged  bool
	foreign *foreign
	moved   bool  // a name was changed and the folder not synced since
	failed  error // why the staged file can not be synced
}

// hasUnknownIDs reports whether ids may stand in it that are in no seen file: a
// file gets its name in the queue when its ids are kept.
func (l *left) hasUnknownIDs() bool { return l.staged }

// take makes a chunk of what was left; nil when there is nothing to deliver. An
// error is the disk's.
func (b *Buffer) take(l *left, s *scanner) (*Chunk, error) {
	if l.moved {
		if err := b.fs.SyncDir(b.dir); err != nil {
			return nil, fmt.Errorf("sync the buffer folder: %w", err)
		}
		l.moved = false
	}
	if l.temp {
		if err := b.finishTemp(l); err != nil {
			return nil, fmt.Errorf("finish a copy: %w", err)
		}
	}
	if l.queued {
		if c, err := b.takeQueued(l); c != nil || err != nil {
			return c, err
		}
	}
	if l.staged {
		c, err := b.scanStaged(l, s)
		if errors.Is(err, fs.ErrNotExist) {
			err = nil // an earlier try has moved it, or people have
		}
		if c != nil || err != nil {
			return c, err
		}
		l.staged = false
	}
	if l.foreign != nil {
		return b.takeForeign(l.foreign)
	}
	return nil, nil
}

// takeQueued opens a queued chunk and settles it with what else has its id.
func (b *Buffer) takeQueued(l *left) (*Chunk, error) {
	c, err := b.openQueued(l.id)
	if errors.Is(err, fs.ErrNotExist) {
		l.queued = false
		return nil, nil
	}
	if c == nil || err != nil {
		return nil, err
	}
	if l.staged {
		if again, err := b.settleTwins(l.id); again || err != nil {
			return nil, err
		}
		l.staged = false
	}
	if l.foreign != nil { // it was converted, and the removal cut short
		if err := errors.Join(b.fs.SyncDir(b.dir), b.removeAll(l.foreign.paths)); err != nil {
			return nil, err
		}
		l.foreign = nil
	}
	return c, nil
}

// finishTemp ends what rewrite or an adoption had begun: a temporary file that is
// complete takes its place in the queue; any other is a copy that was not
// finished, of something that is still there.
func (b *Buffer) finishTemp(l *left) error {
	temp := b.tempPath(l.id)
	whole, err := b.complete(temp)
	if errors.Is(err, fs.ErrNotExist) {
		l.temp = false
		return nil
	}
	if err != nil {
		return err
	}
	if !whole {
		return b.fs.Remove(temp)
	}
	if l.queued {
		if err := b.setDamagedAside(l.id); err != nil {
			return err
		}
	}
	if err := b.fs.Rename(temp, b.chunkPath(queued, l.id)); err != nil {
		return err
	}
	l.temp, l.queued, l.moved = false, true, true
	if err := b.fs.SyncDir(b.dir); err != nil {
		return err
	}
	l.moved = false
	return nil
}

// setDamagedAside moves a queued file, for which a copy of its good part waits, to
// the backup folder, unless it is whole.
func (b *Buffer) setDamagedAside(id event.ChunkID) error {
	path := b.chunkPath(queued, id)
	whole, err := b.sealedFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || whole {
		return err
	}
	if err := b.fs.SyncDir(b.dir); err != nil { // the copy first
		return err
	}
	return b.quarantine(path, ErrCorrupt)
}

// settleTwins handles a chunk that is both staged and queued: rewrite was
// interrupted behind its rename. The queued one holds all that was durable; only
// if it is damaged the staged one is taken.
func (b *Buffer) settleTwins(id event.ChunkID) (takeStaged bool, err error) {
	whole, err := b.sealedFile(b.chunkPath(queued, id))
	if err != nil {
		return false, fmt.Errorf("compare a queued chunk with the staged one: %w", err)
	}
	if !whole {
		return true, b.quarantine(b.chunkPath(queued, id), fmt.Errorf("%w, and the staged file is there", ErrCorrupt))
	}
	err = b.fs.Remove(b.chunkPath(staged, id))
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = b.fs.SyncDir(b.dir) // it must not come back when the queued one has left
	}
	if err != nil {
		return false, fmt.Errorf("remove a chunk that was replaced: %w", err)
	}
	return false, nil
}

// complete reports whether a file is a chunk with a seal and nothing wrong, on the
// disk and not only in the cache: what it is a copy of will be removed.
func (b *Buffer) complete(path string) (bool, error) {
	v, err := b.surveyFile(path)
	return v.sealed && v.torn == nil, err
}

// sealedFile reports whether a file holds all of its events. What is wrong behind
// the seal is a note that a power cut tore.
func (b *Buffer) sealedFile(path string) (bool, error) {
	v, err := b.surveyFile(path)
	return v.sealed, err
}

// surveyFile reads a file from the disk; one without a head has no seal either.
func (b *Buffer) surveyFile(path string) (survey, error) {
	f, err := b.fs.Open(path, os.O_RDWR, 0)
	if err != nil {
		return survey{}, err
	}
	defer f.Close()
	if err := errors.Join(f.Sync(), f.DropCache()); err != nil {
		return survey{}, err
	}
	size, err := f.Size()
	if err != nil {
		return survey{}, err
	}
	v, err := scanChunk(newScanner(f, size, true), nil)
	if errors.Is(err, errHead) {
		return survey{}, nil
	}
	return v, err
}
