package buffer

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// room counts the bytes of events against total_limit_size: those in chunks, in
// the backup folder, and those that were reserved and not yet written.
type room struct {
	mu    sync.Mutex
	used  int64
	limit int64
	freed chan struct{} // closed at the next release; nil when nobody waits
	// refused is the size of the last reservation that found no room, until one as
	// large has been made.
	refused int64
}

// take reserves n bytes if they fit.
func (r *room) take(n int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.used+n > r.limit {
		if n <= r.limit { // else it will never fit
			r.refused = n
		}
		return false
	}
	if n >= r.refused {
		r.refused = 0
	}
	r.used += n
	return true
}

// full reports whether what was refused last would be refused now.
func (r *room) full() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refused > 0 && r.used+r.refused > r.limit
}

// add counts n bytes whether they fit or not: what is there is there. Below
// zero it releases.
func (r *room) add(n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.used += n
	if n <= 0 && r.freed != nil {
		close(r.freed)
		r.freed = nil
	}
}

func (r *room) wait() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.freed == nil {
		r.freed = make(chan struct{})
	}
	return r.freed
}

func (r *room) get() (used, limit int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.used, r.limit
}

// blockLimit is how long overflow_action block holds a request: below the 30
// seconds after which clients and balancers give up, so that the client hears
// our 503 rather than nothing, and nothing is stored for a client that has gone.
const blockLimit = 25 * time.Second

// volumeCheck is how long a measurement of the volume is good, and how often a
// blocked request looks whether the volume has room again.
const volumeCheck = 200 * time.Millisecond

// makeRoom reserves n bytes, or does what overflow_action says.
func (b *Buffer) makeRoom(ctx context.Context, n int64) error {
	if n == 0 {
		return nil
	}
	err := b.tryRoom(n)
	if err == nil {
		return nil
	}
	if _, limit := b.room.get(); n > limit {
		return err // waiting or dropping cannot help
	}
	switch b.config().OverflowAction {
	case "block":
		return b.blockForRoom(ctx, n)
	case "drop_oldest_chunk":
		for err != nil && b.dropOldest() {
			err = b.tryRoom(n)
		}
	}
	return err
}

func (b *Buffer) tryRoom(n int64) error {
	if !b.volume.spend(n) {
		return fmt.Errorf("%w: the volume has less than min_free left", ErrFull)
	}
	if b.room.take(n) {
		return nil
	}
	if b.shedTorn(); b.room.take(n) {
		return nil
	}
	return ErrFull
}

func (b *Buffer) blockForRoom(ctx context.Context, n int64) error {
	giveUp := time.NewTimer(blockLimit)
	defer giveUp.Stop()
	for {
		freed := b.room.wait() // before the try, or a release between the two is missed
		err := b.tryRoom(n)
		if err == nil {
			return nil
		}
		again := time.NewTimer(volumeCheck)
		select {
		case <-freed:
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return fmt.Errorf("wait for room in the buffer: %w", ctx.Err())
		case <-giveUp.C:
			again.Stop()
			return err
		case <-b.closing:
			again.Stop()
			return ErrClosed
		}
		again.Stop()
	}
}

// volume watches that min_free bytes of the disk stay free, so that the buffer
// is full before the disk is: a disk that is full stops everything on it.
type volume struct {
	measure func() (free, total int64, err error)
	elapsed func() time.Duration
	floor   int64

	mu     sync.Mutex
	budget int64 // what may still be written before the next measurement
	until  time.Duration
	broken bool // it cannot be measured: no floor then
	// refused is the size of the last reservation, when it was refused.
	refused int64
}

// minFree is the default of min_free for a volume of total bytes: 5 % of it or
// two chunks for each flush thread, whichever is more, but at most 1 GB and at
// most a quarter of the volume.
func minFree(total, chunkLimit int64, threads int) int64 {
	n := max(total/20, 2*chunkLimit*int64(max(threads, 1)))
	return min(n, 1<<30, total/4)
}

// setFloor settles min_free: as it is, or, below zero, for that many flush threads
// by the size of the volume.
func (v *volume) setFloor(floor, chunkLimit int64) (total int64) {
	_, total, err := v.measure()
	if floor < 0 {
		floor = minFree(total, chunkLimit, int(-floor))
	}
	if err != nil {
		floor, total = max(floor, 0), 0
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.floor, v.until = floor, 0
	return total
}

// charge counts n bytes by which a file has grown; false when that leaves less
// than min_free, so that no file reaches further ahead.
func (v *volume) charge(n int64) bool {
	if v == nil {
		return true
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.budget -= n
	return v.broken || v.budget >= 0
}

// spend reports whether n more bytes leave enough free.
func (v *volume) spend(n int64) bool {
	if v == nil {
		return true
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if now := v.elapsed(); now >= v.until || v.budget < n {
		free, _, err := v.measure()
		v.broken = err != nil
		v.budget, v.until = free-v.floor, now+volumeCheck
	}
	if !v.broken && v.budget < n {
		v.refused = n
		return false
	}
	v.budget -= n
	if n >= v.refused { // that a small one fits tells nothing
		v.refused = 0
	}
	return true
}

// low reports whether what was refused last would be refused now.
func (v *volume) low() bool {
	if v == nil {
		return false
	}
	v.mu.Lock()
	refused := v.refused
	v.mu.Unlock()
	if refused == 0 || !v.spend(refused) {
		return refused != 0
	}
	v.charge(-refused) // it was only a question
	return false
}
