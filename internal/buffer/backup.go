package buffer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sluicelog/sluice/internal/event"
)

// backup is the folder for what cannot be delivered or cannot be read: raw
// events as <id>.log, as Fluentd writes them, and damaged files as they were.
// index.jsonl tells one line for each. Its bytes count against total_limit_size,
// so a backup that nobody looks after stops the intake instead of the disk.
type backup struct {
	mu    sync.Mutex
	fs    FS
	dir   string
	perm  fs.FileMode
	bytes int64
	ready bool    // the folder is there, and durable
	torn  []Entry // of bytes, what was never acknowledged; the oldest chunk's first
}

const (
	backupIndex = "index.jsonl"
	// maxIndex is how long the index gets before it is begun anew; one old one is
	// kept beside it.
	maxIndex = 4 << 20
)

// backupEntry is a line of index.jsonl. What the events share is in it, so that
// they can be put back.
type backupEntry struct {
	Time      time.Time         `json:"time"`
	File      string            `json:"file"`
	Chunk     string            `json:"chunk"`
	Reason    string            `json:"reason"`
	Tag       *string           `json:"tag,omitempty"`
	Timekey   *int64            `json:"timekey,omitempty"`
	Variables map[string]string `json:"variables,omitempty"`
	Created   *time.Time        `json:"created,omitempty"`
	Events    int64             `json:"events,omitempty"`
	Bytes     int64             `json:"bytes"`
}

// share puts in what the events of a chunk share.
func (e *backupEntry) share(c *Chunk) {
	e.Created = &c.created
	if c.meta.HasTag {
		e.Tag = &c.meta.Tag
	}
	if c.meta.HasTimekey {
		e.Timekey = &c.meta.Timekey
	}
	for _, v := range c.meta.Variables {
		if e.Variables == nil {
			e.Variables = map[string]string{}
		}
		e.Variables[v.Key] = event.Text(v.Value)
	}
}

func (k *backup) size() int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.bytes
}

// measure counts what is in the folder already.
func (k *backup) measure() int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	entries, err := k.fs.ReadDir(k.dir)
	if err != nil {
		return 0
	}
	k.bytes, k.torn = 0, nil
	for _, e := range entries {
		info, err := k.fs.Stat(filepath.Join(k.dir, e.Name))
		if err != nil || e.Dir || strings.HasPrefix(e.Name, backupIndex) {
			continue
		}
		k.bytes += info.Size
		if strings.HasSuffix(e.Name, tornSuffix) {
			k.torn = append(k.torn, info)
		}
	}
	return k.bytes
}

// prepare makes the folder. k.mu is held.
func (k *backup) prepare() error {
	if k.ready {
		return nil
	}
	if k.dir == "" {
		return errors.New("there is no backup folder")
	}
	if err := makeDirs(k.fs, k.dir, k.perm); err != nil {
		return err
	}
	k.ready = true
	return nil
}

// record appends a line to the index. k.mu is held. The index is for people: it
// is not worth failing for.
func (k *backup) record(e backupEntry) {
	line, err := json.Marshal(e)
	if err != nil {
		return
	}
	path := filepath.Join(k.dir, backupIndex)
	if about, err := k.fs.Stat(path); err == nil && about.Size > maxIndex {
		_ = k.fs.Rename(path, path+".1")
	}
	f, err := k.fs.Open(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	if end, err := f.Size(); err == nil {
		_, _ = f.WriteAt(append(line, '\n'), end)
		_ = f.Sync()
	}
}

// write streams r into a new file and makes it and its name durable.
func (k *backup) write(name string, r io.Reader) (n int64, err error) {
	path := filepath.Join(k.dir, name)
	f, err := k.fs.Open(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return 0, err
	}
	buf := make([]byte, 256<<10)
	for {
		m, readErr := io.ReadFull(r, buf)
		if _, err = f.WriteAt(buf[:m], n); err != nil {
			break
		}
		n += int64(m)
		if errors.Is(readErr, io.EOF) || errors.Is(readErr, io.ErrUnexpectedEOF) {
			break
		}
		if readErr != nil {
			err = readErr
			break
		}
	}
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = k.fs.SyncDir(k.dir)
	}
	if err != nil {
		_ = k.fs.Remove(path)
		return 0, err
	}
	return n, nil
}

// Backup moves a chunk that can not be delivered to the backup folder, as raw
// events, and removes it from the buffer; place is where it is now. With
// disable_chunk_backup it is deleted instead, and place is "".
//
// After an error the chunk is still the caller's, who takes it back: a backup
// that is full pushes back on the intake, it loses nothing.
func (b *Buffer) Backup(c *Chunk, reason string) (place string, err error) {
	if !b.config().DisableChunkBackup {
		if place, err = b.backupChunk(c, reason); err != nil {
			return "", fmt.Errorf("back up chunk %s: %w", c.id, err)
		}
	} else {
		b.meters.lost(c.Events(), "disable_chunk_backup")
	}
	if !b.settle(c) {
		return place, nil
	}
	moved := strings.HasSuffix(place, chunkSuffix)
	if err := b.finish(c, b.durable() && !moved); err != nil {
		// It is in the backup; the file goes as soon as it can.
		b.log.Error("remove a chunk that is in the backup folder", "chunk_id", c.id.String(), "error", err)
	}
	return place, nil
}

func (b *Buffer) backupChunk(c *Chunk, reason string) (string, error) {
	k := &b.backup
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.prepare(); err != nil {
		return "", err
	}
	if _, limit := b.room.get(); k.bytes+c.Size() > limit {
		return "", fmt.Errorf("%w: the backup folder holds %d bytes", ErrFull, k.bytes)
	}
	name := c.id.String() + ".log"
	n, err := b.backupRaw(c, name)
	if IsNoSpace(err) && b.durable() {
		// There is no room for a copy: the chunk itself moves over.
		if err := b.keepIDsOf(c); err != nil { // they are read from the file
			return "", err
		}
		name = filepath.Base(c.Path())
		n, err = c.Size(), b.moveToBackup(c.Path(), name)
	}
	if err != nil {
		return "", err
	}
	k.bytes += n
	if b.durable() {
		b.room.add(n)
	}
	e := backupEntry{Time: b.now().UTC(), File: name, Chunk: c.id.String(), Reason: reason, Events: int64(c.Events()), Bytes: n}
	e.share(c)
	k.record(e)
	return filepath.Join(k.dir, name), nil
}

func (b *Buffer) backupRaw(c *Chunk, name string) (int64, error) {
	r, err := c.Open()
	if err != nil {
		return 0, err
	}
	n, err := b.backup.write(name, r)
	return n, errors.Join(err, r.Close())
}

// moveToBackup renames a file of the buffer's folder into the backup folder and
// makes both folders durable. Where they cannot be synced a power cut may undo the
// move, and the next start finds the file where it was: no reason to fail.
func (b *Buffer) moveToBackup(path, name string) error {
	k := &b.backup
	if err := b.fs.Rename(path, filepath.Join(k.dir, name)); err != nil {
		return err
	}
	if err := errors.Join(b.fs.SyncDir(k.dir), b.fs.SyncDir(filepath.Dir(path))); err != nil {
		b.log.Error("sync the folders after a move to the backup folder", "file", name, "error", err)
		b.meters.ioErrors.Inc()
	}
	return nil
}

// quarantine moves a file that makes no sense into the backup folder. Bytes that
// we cannot explain are never deleted.
func (b *Buffer) quarantine(path string, reason error) error {
	k := &b.backup
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.prepare(); err != nil {
		return fmt.Errorf("move %s to the backup folder: %w", path, err)
	}
	e, err := b.fs.Stat(path)
	if err == nil {
		err = b.moveToBackup(path, filepath.Base(path))
	}
	if err != nil {
		return fmt.Errorf("move %s to the backup folder: %w", path, err)
	}
	k.bytes += e.Size
	b.room.add(e.Size)
	b.meters.torn.Inc()
	k.record(backupEntry{Time: b.now().UTC(), File: e.Name, Reason: reason.Error(), Bytes: e.Size})
	b.log.Error("found broken chunk file during resume.", "path", path, "error", reason)
	b.log.Warn("bad chunk is moved to " + filepath.Join(k.dir, e.Name))
	return nil
}
