package buffer

import (
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// memory is the disk of a memory buffer: the same chunks, frames and queue, in
// files that live in this process and that nothing makes durable. It knows just
// what a buffer does: files grow at their end, and folders need not be made.
type memory struct {
	mu    sync.Mutex
	files map[string]*memoryFile
}

func newMemory() *memory { return &memory{files: map[string]*memoryFile{}} }

func (m *memory) Open(name string, flag int, _ fs.FileMode) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, there := m.files[name]
	switch {
	case there && flag&os.O_EXCL != 0:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrExist}
	case !there && flag&os.O_CREATE == 0:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	case !there:
		f = &memoryFile{}
		m.files[name] = f
	}
	return f, nil
}

func (m *memory) ReadDir(dir string) ([]Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var entries []Entry
	for name := range m.files {
		if filepath.Dir(name) == dir {
			entries = append(entries, Entry{Name: filepath.Base(name)})
		}
	}
	slices.SortFunc(entries, byName)
	return entries, nil
}

func (m *memory) Stat(name string) (Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, there := m.files[name]
	if !there {
		return Entry{}, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
	}
	size, err := f.Size()
	return Entry{Name: filepath.Base(name), Size: size}, err
}

func (m *memory) Rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, there := m.files[from]
	if !there {
		return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
	}
	delete(m.files, from)
	m.files[to] = f
	return nil
}

func (m *memory) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, there := m.files[name]; !there {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	delete(m.files, name)
	return nil
}

func (m *memory) Mkdir(string, fs.FileMode) error          { return nil }
func (m *memory) SyncDir(string) error                     { return nil }
func (m *memory) Lock(string) (io.Closer, error)           { return io.NopCloser(nil), nil }
func (m *memory) Free(string) (free, total int64, _ error) { return math.MaxInt64, math.MaxInt64, nil }

// memoryFile is the pieces that were written, in order: appending copies an event
// once and never moves it again.
type memoryFile struct {
	mu     sync.RWMutex
	pieces [][]byte
	ends   []int64 // where each piece ends
}

func (f *memoryFile) size() int64 {
	if len(f.ends) == 0 {
		return 0
	}
	return f.ends[len(f.ends)-1]
}

func (f *memoryFile) Size() (int64, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.size(), nil
}

func (f *memoryFile) ReadAt(p []byte, off int64) (int, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	done := 0
	i, _ := slices.BinarySearch(f.ends, off+1)
	for ; i < len(f.pieces) && done < len(p); i++ {
		begin := f.ends[i] - int64(len(f.pieces[i]))
		done += copy(p[done:], f.pieces[i][off+int64(done)-begin:])
	}
	if done < len(p) {
		return done, io.EOF
	}
	return done, nil
}

var errMemoryWrite = errors.New("a file in memory only grows at its end")

func (f *memoryFile) WriteAt(p []byte, off int64) (int, error) { return f.WriteBoth(p, nil, off) }

func (f *memoryFile) WriteBoth(head, body []byte, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if off != f.size() {
		return 0, errMemoryWrite
	}
	piece := make([]byte, len(head)+len(body))
	copy(piece[copy(piece, head):], body)
	f.pieces = append(f.pieces, piece)
	f.ends = append(f.ends, off+int64(len(piece)))
	return len(piece), nil
}

func (f *memoryFile) Truncate(size int64) error {
	if n, _ := f.Size(); n != size {
		return errMemoryWrite
	}
	return nil
}

func (f *memoryFile) Allocate(int64, int64) error { return nil }
func (f *memoryFile) Sync() error                 { return nil }
func (f *memoryFile) DropCache() error            { return nil }
func (f *memoryFile) Close() error                { return nil }
