//go:build unix && !linux

package buffer

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// noSpace is what a write answers when the volume, a quota or a file size limit
// is exhausted.
var noSpace = []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG}

// Disk is the real file system, for development away from Linux: it allocates
// nothing ahead, keeps its cache, and does not know how much is free.
func Disk() FS { return disk{} }

type disk struct{}

func (disk) Open(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := os.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return diskFile{f}, nil
}

func (disk) ReadDir(name string) ([]Entry, error) {
	list, err := os.ReadDir(name)
	if err != nil {
		return nil, err
	}
	entries := make([]Entry, len(list))
	for i, e := range list {
		entries[i] = Entry{Name: e.Name(), Dir: e.IsDir()}
	}
	return entries, nil
}

func (disk) Stat(name string) (Entry, error) {
	info, err := os.Stat(name)
	if err != nil {
		return Entry{}, err
	}
	return Entry{Name: info.Name(), Dir: info.IsDir(), Size: info.Size()}, nil
}

func (disk) Rename(from, to string) error              { return os.Rename(from, to) }
func (disk) Remove(name string) error                  { return os.Remove(name) }
func (disk) Mkdir(name string, perm fs.FileMode) error { return os.Mkdir(name, perm) }

func (disk) SyncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (disk) Lock(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(ErrLocked, f.Close())
	}
	return f, nil
}

func (disk) Free(string) (free, total int64, err error) { return 0, 0, errors.ErrUnsupported }

type diskFile struct{ *os.File }

func (f diskFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (f diskFile) WriteBoth(head, body []byte, off int64) (int, error) {
	n, err := f.WriteAt(head, off)
	if err != nil {
		return n, err
	}
	m, err := f.WriteAt(body, off+int64(n))
	return n + m, err
}

func (f diskFile) Allocate(int64, int64) error { return errors.ErrUnsupported }
func (f diskFile) DropCache() error            { return nil }
