package buffer

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sluicelog/sluice/internal/event"
)

// ChunkFile is what a chunk file says about itself, for the commands that look
// into a folder without opening the buffer. It is read while another process may
// write: a staged chunk's last frames may be missing.
type ChunkFile struct {
	Path        string
	ID          event.ChunkID
	Meta        event.Meta
	Created     time.Time
	Queued      bool // by its name
	Sealed      bool
	Events      int64
	Bytes       int64 // of events, as stored
	FileSize    int64
	Note        map[string]string
	Fingerprint [8]byte
	// Damage says where the file stops making sense; "" when it ends as it should.
	Damage string

	dataEnd int64
	salt    uint32
}

// ReadChunkFile reads a chunk file and verifies every checksum in it.
func ReadChunkFile(disk FS, path string) (*ChunkFile, error) {
	f, err := disk.Open(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	v, err := scanChunk(newScanner(f, size, true), nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	c := &ChunkFile{
		Path: path, ID: v.head.id, Meta: v.head.meta, Created: time.Unix(0, v.head.created), Sealed: v.sealed,
		Queued: strings.Contains(filepath.Base(path), string(rune(queued))+v.head.id.String()),
		Events: v.totals.events, Bytes: v.totals.bytes, FileSize: size, Note: v.note, Fingerprint: v.head.fingerprint,
		dataEnd: v.dataEnd, salt: v.head.salt,
	}
	if v.torn != nil {
		c.Damage = v.torn.Error()
	}
	return c, nil
}

// Open streams the events of the good frames, unpacked.
func (c *ChunkFile) Open(disk FS) (io.ReadCloser, error) {
	f, err := disk.Open(c.Path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	var head [frameHead]byte
	if _, err := f.ReadAt(head[:], 0); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return newBodies(f, firstData(head), c.dataEnd, c.salt, false), nil
}

// ChunkFiles lists the chunk files of a folder, oldest first, by their names
// only.
func ChunkFiles(disk FS, dir string) ([]string, error) {
	entries, err := disk.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	type named struct{ id, path string }
	var all []named
	for _, e := range entries {
		stem, ok := strings.CutSuffix(e.Name, chunkSuffix)
		if !ok || e.Dir || len(stem) < 33 {
			continue
		}
		if _, _, ok := parseName(e.Name, stem[:len(stem)-33], chunkSuffix); ok {
			all = append(all, named{stem[len(stem)-32:], filepath.Join(dir, e.Name)})
		}
	}
	slices.SortFunc(all, func(a, b named) int { return strings.Compare(a.id, b.id) })
	paths := make([]string, len(all))
	for i, n := range all {
		paths[i] = n.path
	}
	return paths, nil
}
