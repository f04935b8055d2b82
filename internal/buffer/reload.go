package buffer

import "fmt"

// Reconfigure gives a running buffer a new configuration, as a reload does. The
// type and the folder stay what they are. When the fingerprint differs all that
// is staged is queued: later events go into new chunks.
func (b *Buffer) Reconfigure(cfg Config, o Options) error {
	if cfg.OnDisk() != b.durable() {
		return fmt.Errorf("reconfigure buffer %s: its type cannot change while it runs", b.dir)
	}
	if b.durable() {
		dir, prefix, err := splitPath(b.fs, cfg.Path)
		if err != nil {
			return fmt.Errorf("reconfigure buffer %s: %w", b.dir, err)
		}
		if dir != b.dir || prefix != b.prefix {
			return fmt.Errorf("reconfigure buffer %s: its folder cannot change while it runs", b.dir)
		}
	}
	b.cfg.Store(&cfg)
	b.room.setLimit(cfg.TotalLimitSize)
	b.volume.setFloor(o.floor(cfg), cfg.ChunkLimitSize)
	b.mu.Lock()
	changed := b.fingerprint != o.Fingerprint
	b.fingerprint = o.Fingerprint
	b.schedule.wall = b.schedule.wall.Add(-2 * wallJump) // timekey may differ: look at all anew
	b.mu.Unlock()
	if changed {
		b.EnqueueAll()
	}
	b.signal()
	return nil
}
