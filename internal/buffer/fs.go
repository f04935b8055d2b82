package buffer

import (
	"errors"
	"io"
	"io/fs"
)

// FS is the disk as a buffer sees it. There are three: the real one, the memory
// of a memory buffer, and the one of package crashfs, which loses what was not
// synced. Names are full paths. Errors are those of package os, so that
// errors.Is(err, fs.ErrNotExist) and IsNoSpace hold.
type FS interface {
	Open(name string, flag int, perm fs.FileMode) (File, error)
	ReadDir(name string) ([]Entry, error) // sorted by name
	Stat(name string) (Entry, error)
	Rename(from, to string) error
	Remove(name string) error
	Mkdir(name string, perm fs.FileMode) error
	// SyncDir makes the names in a folder durable: what was created, renamed and
	// removed before the call.
	SyncDir(name string) error
	// Lock takes a lock that ends with the process; ErrLocked when it is taken.
	Lock(name string) (io.Closer, error)
	// Free is how many bytes of the volume are free for us, and its size.
	Free(name string) (free, total int64, err error)
}

// Entry is a name in a folder.
type Entry struct {
	Name string
	Dir  bool
	Size int64 // only from Stat
}

// File is an open file.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// WriteBoth writes head and body one behind the other, as one write.
	WriteBoth(head, body []byte, off int64) (int, error)
	Size() (int64, error)
	Truncate(size int64) error
	// Allocate makes the file at least off+n long, with blocks that are reserved
	// and read as zeros; errors.ErrUnsupported where the volume cannot.
	Allocate(off, n int64) error
	// Sync makes durable what was written before the call. After it failed, what
	// the file reads may no longer be what the disk holds.
	Sync() error
	// DropCache forgets pages that are not waiting to be written, so that reads
	// show what the disk holds.
	DropCache() error
}

// IsNoSpace reports whether err says that the disk, or a quota, is full.
func IsNoSpace(err error) bool {
	for _, full := range noSpace {
		if errors.Is(err, full) {
			return true
		}
	}
	return false
}
