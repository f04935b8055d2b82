package buffer

import (
	"fmt"
	"time"
)

// What a sick disk leaves undone is done as soon as it can be, by one goroutine of
// the buffer:
//
//   - Files of an earlier process that could not be read. Their events were
//     acknowledged: they are not left aside until somebody restarts. While a
//     staged one is among them, or a file of ids, nobody knows which events the
//     buffer has already, and batches with ids are refused.
//   - Chunks whose append failed and whose repair failed as well (see
//     Chunk.repair). Until the repair is done the events may stand in the file or
//     not, and their ids stay claimed.
//
// The waits grow from mendFirst to mendLast.
const (
	mendFirst = 100 * time.Millisecond
	mendLast  = 10 * time.Second
)

// ailing is what waits for the disk to recover. Guarded by Buffer.mu.
type ailing struct {
	unread   []*left
	doubtful map[*Chunk]bool
	why      error // why the first of unread cannot be read
}

func (a *ailing) empty() bool { return len(a.unread)+len(a.doubtful) == 0 }

// notReadyError refuses events with ids whose fate is not known. To those who only
// ask whether to come again later it is a full buffer.
type notReadyError struct{ cause error }

func (e *notReadyError) Error() string {
	return fmt.Sprintf("the buffer cannot tell yet which events it has: %v; "+
		"if the file stays unreadable move it out of the buffer folder", e.cause)
}

func (e *notReadyError) Unwrap() error        { return e.cause }
func (e *notReadyError) Is(target error) bool { return target == ErrFull }

// mender runs until the buffer closes.
func (b *Buffer) mender() {
	for {
		select {
		case <-b.closing:
			return
		case <-b.toMend:
		}
		for wait := mendFirst; b.isAiling(); wait = min(2*wait, mendLast) {
			select {
			case <-b.closing:
				return
			case <-time.After(wait):
			}
			b.mendDoubtful()
			b.readAgain()
		}
	}
}

func (b *Buffer) isAiling() bool {
	b.mu.Lock()
	ill := !b.ailing.empty()
	b.mu.Unlock()
	return ill || b.index.unread()
}

func (b *Buffer) wakeMender() {
	select {
	case b.toMend <- struct{}{}:
	default:
	}
}

// mendLater has a chunk repaired when the disk allows it.
func (b *Buffer) mendLater(c *Chunk) {
	b.mu.Lock()
	b.ailing.doubtful[c] = true
	b.mu.Unlock()
	b.wakeMender()
}

func (b *Buffer) mendDoubtful() {
	b.mu.Lock()
	var all []*Chunk
	for c := range b.ailing.doubtful {
		all = append(all, c)
	}
	b.mu.Unlock()
	for _, c := range all {
		c.io.Lock()
		err := c.repair()
		c.io.Unlock()
		if err != nil {
			b.health.fail(err)
			continue
		}
		b.mu.Lock()
		delete(b.ailing.doubtful, c)
		b.mu.Unlock()
	}
}

// readAgain tries what could not be read before.
func (b *Buffer) readAgain() {
	b.mu.Lock()
	again := b.ailing.unread
	b.mu.Unlock()
	if err := b.index.loadAgain(); err != nil {
		b.log.Warn("ids of delivered events cannot be read yet", "error", err)
	}
	if len(again) == 0 {
		return
	}
	chunks := b.readAll(again)
	b.takeUp(chunks)
}

// setUnread notes what could not be read.
func (b *Buffer) setUnread(all []*left, why error) {
	var unknown error
	for _, l := range all {
		if l.hasUnknownIDs() {
			unknown = why
		}
	}
	b.mu.Lock()
	b.ailing.unread, b.ailing.why = all, why
	b.mu.Unlock()
	b.index.setUnknown(unknown)
	b.meters.unread.Set(float64(len(all)))
	if len(all) > 0 {
		b.wakeMender()
	}
}

// unreadError is why the buffer is not well while files cannot be read; nil when
// all have been.
func (b *Buffer) unreadError() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.ailing.unread) == 0 {
		return nil
	}
	return fmt.Errorf("%d files of chunks cannot be read: %w", len(b.ailing.unread), b.ailing.why)
}
