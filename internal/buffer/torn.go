package buffer

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// What a crash tore is kept for people: the end of a staged chunk behind its last
// good frame, and a staged file without a head. No fsync ever covered it, so none
// of it was acknowledged. It must not keep events out that will be: it is bounded
// apart from the rest of the backup folder, and the oldest goes.
const (
	tornSuffix = ".tail"
	maxTorn    = 64 // files
	// tornShare is the part of total_limit_size that they may take.
	tornShare = 8
)

// keepTail copies what stands behind the last good frame of a staged chunk into
// the backup folder, as <id>.<offset>.tail.
func (b *Buffer) keepTail(f File, c *Chunk, from, size int64, reason error) error {
	end, err := lastByte(f, from, size)
	if err != nil {
		return err
	}
	end = min(end, from+b.tornLimit())
	k := &b.backup
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.prepare(); err != nil {
		return err
	}
	name := fmt.Sprintf("%s.%d%s", c.id, from, tornSuffix)
	b.forgetTorn(name) // an earlier start may have kept it already
	n, err := k.write(name, io.NewSectionReader(f, from, end-from))
	if err != nil {
		return fmt.Errorf("keep the torn end of chunk %s: %w", c.id, err)
	}
	b.keptTorn(Entry{Name: name, Size: n}, reason)
	return nil
}

// keepHeadless moves a staged file that has no head into the backup folder, as
// <id>.0.tail: its first fsync never came to an end.
func (b *Buffer) keepHeadless(path string, f File, size int64, reason error) error {
	end, err := lastByte(f, 0, size)
	if err != nil {
		return err
	}
	k := &b.backup
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.prepare(); err != nil {
		return fmt.Errorf("move %s to the backup folder: %w", path, err)
	}
	_, id, _ := parseName(filepath.Base(path), b.prefix, chunkSuffix)
	name := id.String() + ".0" + tornSuffix
	b.forgetTorn(name)
	if err := b.moveToBackup(path, name); err != nil {
		return fmt.Errorf("move %s to the backup folder: %w", path, err)
	}
	if end = min(end, b.tornLimit()); f.Truncate(end) == nil {
		size = end
	}
	b.keptTorn(Entry{Name: name, Size: size}, reason)
	return nil
}

// lastByte is where the file ends when the zeros at its end are left out.
func lastByte(f File, from, size int64) (int64, error) {
	buf := make([]byte, scanWindow)
	for end := size; end > from; {
		begin := max(from, end-int64(len(buf)))
		part := buf[:end-begin]
		if _, err := f.ReadAt(part, begin); err != nil {
			return 0, fmt.Errorf("read a torn chunk: %w", err)
		}
		if text := strings.TrimRight(string(part), "\x00"); text != "" {
			return begin + int64(len(text)), nil
		}
		end = begin
	}
	return from, nil
}

func (b *Buffer) tornLimit() int64 {
	_, limit := b.room.get()
	return limit / tornShare
}

// keptTorn counts a new file. backup.mu is held.
func (b *Buffer) keptTorn(e Entry, reason error) {
	k := &b.backup
	k.torn = append(k.torn, e)
	slices.SortFunc(k.torn, byName)
	k.bytes += e.Size
	b.room.add(e.Size)
	b.meters.torn.Inc()
	id, _, _ := strings.Cut(e.Name, ".")
	k.record(backupEntry{Time: b.now().UTC(), File: e.Name, Chunk: id, Reason: reason.Error(), Bytes: e.Size})
	b.log.Warn("a chunk ends in a frame that was not written whole; it was never acknowledged",
		"chunk_id", id, "error", reason, "kept", filepath.Join(k.dir, e.Name), "bytes", e.Size)
	b.pruneTorn()
}

// shedTorn tries again what a sick disk had refused.
func (b *Buffer) shedTorn() {
	if !b.backup.mu.TryLock() { // a chunk is being copied, which may take long
		return
	}
	defer b.backup.mu.Unlock()
	b.pruneTorn()
}

// pruneTorn removes the oldest beyond the bound. backup.mu is held.
func (b *Buffer) pruneTorn() {
	k := &b.backup
	var total int64
	for _, e := range k.torn {
		total += e.Size
	}
	for len(k.torn) > 0 && (len(k.torn) > maxTorn || total > b.tornLimit()) {
		e := k.torn[0]
		if err := b.fs.Remove(filepath.Join(k.dir, e.Name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			b.log.Error("remove an old torn end of a chunk", "error", err)
			return
		}
		total -= e.Size
		b.forgetTorn(e.Name)
		b.meters.tornRemoved.Inc()
		k.record(backupEntry{Time: b.now().UTC(), File: e.Name, Reason: "removed to make room for newer ones", Bytes: e.Size})
		b.log.Warn("an old torn end of a chunk was removed from the backup folder", "file", e.Name, "bytes", e.Size)
	}
}

// forgetTorn takes a file that is, or is about to be, no more out of the count.
func (b *Buffer) forgetTorn(name string) {
	k := &b.backup
	k.torn = slices.DeleteFunc(k.torn, func(e Entry) bool {
		if e.Name == name {
			k.bytes -= e.Size
			b.room.add(-e.Size)
		}
		return e.Name == name
	})
}
