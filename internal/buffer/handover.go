package buffer

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"time"
)

// A reload hands a folder over: the buffer of the new configuration makes fresh chunks
// at once, that of the old one finishes its own, and what is left is taken up when it
// has closed. The directory's lock keeps other processes away all the time: both have
// their part of it.

// folderLock is the lock of a folder, released by the last who has a part of it.
type folderLock struct {
	lock io.Closer

	mu    sync.Mutex
	parts int
}

// share adds a part; false when the lock was released before.
func (l *folderLock) share() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.parts == 0 {
		return false
	}
	l.parts++
	return true
}

func (l *folderLock) release() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.parts--
	if l.parts > 0 {
		return nil
	}
	return l.lock.Close()
}

// Awaited reports whether another buffer of this process takes the folder over.
func (b *Buffer) Awaited() bool {
	b.lock.mu.Lock()
	defer b.lock.mu.Unlock()
	return b.lock.parts > 1
}

// takeLock makes the folder ours, or our part of it where a buffer of this process has
// it still.
func (b *Buffer) takeLock() error {
	if p := b.before.Load(); p != nil && p.dir == b.dir && p.prefix == b.prefix && p.lock.share() {
		b.lock = p.lock
		return nil
	}
	b.before.Store(nil)
	lock, err := b.fs.Lock(filepath.Join(b.dir, "."+b.prefix+"lock"))
	if err != nil {
		return fmt.Errorf("%w: another process or another output uses it", err)
	}
	b.lock = &folderLock{lock: lock, parts: 1}
	return nil
}

// awaitFolder takes up what is in the folder when those who had it have closed: the end
// of a hand-over. What can not be read is tried again.
func (b *Buffer) awaitFolder() {
	for p := b.before.Load(); p != nil; p = p.before.Load() {
		select {
		case <-b.closing:
			return
		case <-p.gone:
		}
	}
	b.before.Store(nil)
	again := time.NewTicker(time.Second)
	defer again.Stop()
	for {
		err := b.resume()
		if err == nil {
			close(b.adopted)
			return
		}
		b.log.Error("take up the chunks of the configuration before; it is tried again", "error", err)
		b.health.fail(err)
		select {
		case <-b.closing:
			return
		case <-again.C:
		}
	}
}

// Adopted is closed when the chunks in the folder have been taken up: at once, but for
// a hand-over.
func (b *Buffer) Adopted() <-chan struct{} { return b.adopted }

// adoptionWait bounds how long a request waits in a hand-over: what delivers in the
// process before may hang.
const adoptionWait = 20 * time.Second

// awaitIDs lets events with ids wait, in a hand-over, until the folder is ours: the one
// who has it may have stored the same events, and only it knows.
func (b *Buffer) awaitIDs(ctx context.Context, batch *Batch) error {
	select {
	case <-b.adopted:
		return nil
	default:
	}
	if !b.config().WantIDs(batch.Source) {
		return nil
	}
	timer := time.NewTimer(adoptionWait)
	defer timer.Stop()
	select {
	case <-b.adopted:
		return nil
	case <-b.closing:
		return ErrClosed
	case <-ctx.Done():
		return fmt.Errorf("wait for the buffer of the configuration before: %w", ctx.Err())
	case <-timer.C:
		return errHeld
	}
}

// errHeld is a full buffer to those who only ask whether to come again later.
var errHeld = fmt.Errorf("the configuration before still delivers, and only it knows which events are stored: %w", ErrFull)
