package output

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// fileTarget writes chunks into files: each chunk behind what the file holds, or
// into a file of its own, the first that is not there yet. What is written is
// synced before write returns, since the chunk is removed then.
//
// The place is noted in the chunk before its first byte is written. A file of its
// own is made first, and so is the chunk's for certain: an attempt after a crash
// fills the same file again. Where chunks share a file, such an attempt cuts off
// what the crash has torn, and writes the whole chunk; when the crash came behind
// the last byte its events are there twice, never not at all.
type fileTarget struct {
	append   bool
	compress string // text, gzip or zstd
	again    bool   // see body
	// name is the i-th name for a chunk's file; append needs only name(path, 0).
	name func(path string, i int) string
}

// The permissions are Fluentd's for what it writes; the umask narrows them.
const (
	filePermission = 0o644
	dirPermission  = 0o755
)

// Keys of the note.
const (
	noteFile   = "file"
	noteOffset = "offset"
)

func (t *fileTarget) write(c chunk, path string) error {
	if err := makeDirs(filepath.Dir(path)); err != nil {
		return err
	}
	b := body{chunk: c, compress: t.compress, again: t.again}
	if t.append {
		return t.appendTo(t.name(path, 0), b)
	}
	f, err := t.own(c, path)
	if err != nil {
		return err
	}
	if err := errors.Join(fill(f, 0, b), f.Close()); err != nil {
		return err
	}
	return syncDir(filepath.Dir(f.Name()))
}

// own opens the chunk's file: the one that an earlier attempt has made, else the
// first that is not there.
func (t *fileTarget) own(c chunk, path string) (*os.File, error) {
	note, _ := c.Note()
	if place := note[noteFile]; place != "" && note[noteOffset] == "" {
		f, err := os.OpenFile(place, os.O_RDWR, 0)
		if !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
	}
	for i := 0; ; i++ {
		f, err := os.OpenFile(t.name(path, i), os.O_RDWR|os.O_CREATE|os.O_EXCL, filePermission)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := noteAt(c, f.Name(), ""); err != nil {
			return nil, errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
		return f, nil
	}
}

func (t *fileTarget) appendTo(path string, b body) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, filePermission)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := lockFile(f); err != nil {
		return err
	}
	if err := t.cutTorn(f, b); err != nil {
		return err
	}
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if err := noteAt(b.chunk, path, strconv.FormatInt(end, 10)); err != nil {
		return err
	}
	if err := fill(f, end, b); err != nil || end > 0 {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// cutTorn cuts off what a crash has left of an earlier attempt at the end of the
// file. Nothing is cut that could be another chunk's: of lines only what breaks
// off within one, of packed data only what breaks off within the pack.
func (t *fileTarget) cutTorn(f *os.File, b body) error {
	note, _ := b.chunk.Note()
	off, err := strconv.ParseInt(note[noteOffset], 10, 64)
	if err != nil || note[noteFile] != f.Name() {
		return nil //nolint:nilerr // there was no attempt
	}
	torn, err := brokenOff(f, off, b)
	if err != nil || !torn {
		return err
	}
	return f.Truncate(off)
}

// brokenOff reports whether the file from off on holds the beginning of the body
// and ends where no whole chunk could end.
func brokenOff(f *os.File, off int64, b body) (bool, error) {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil || size <= off {
		return false, err
	}
	r, err := b.open()
	if err != nil {
		return false, err
	}
	defer r.Close()
	start := &prefix{want: io.NewSectionReader(f, off, size-off), same: true}
	n, err := io.Copy(start, r)
	if err != nil || !start.same || n <= size-off {
		return false, err
	}
	lines := b.compress == "" || b.compress == "text"
	return !lines || start.last == '\n' && start.ended != '\n', nil
}

// prefix compares what is written to it with what it reads, up to the end of that.
type prefix struct {
	want  io.Reader
	same  bool
	ended byte // the last byte that was compared
	last  byte // the last byte that was written
	buf   [32 << 10]byte
}

func (p *prefix) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0 && p.same; {
		part := rest[:min(len(rest), len(p.buf))]
		n, err := io.ReadFull(p.want, p.buf[:len(part)])
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF { //nolint:errorlint // ReadFull returns them bare
			return 0, err
		}
		p.same = bytes.Equal(p.buf[:n], part[:n])
		if n > 0 {
			p.ended = part[n-1]
		}
		rest = rest[len(part):]
	}
	if len(b) > 0 {
		p.last = b[len(b)-1]
	}
	return len(b), nil
}

// noteAt notes the place beside what another output may have noted.
func noteAt(c chunk, place, off string) error {
	old, _ := c.Note()
	note := map[string]string{}
	maps.Copy(note, old)
	note[noteFile] = place
	delete(note, noteOffset)
	if off != "" {
		note[noteOffset] = off
	}
	return c.SetNote(note)
}

// fill makes the body the file's content from off on, durably. After an error the
// file ends at off.
func fill(f *os.File, off int64, b body) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Truncate(off))
		}
	}()
	r, err := b.open()
	if err != nil {
		return err
	}
	defer r.Close()
	if _, err := f.Seek(off, io.SeekStart); err != nil {
		return err
	}
	n, err := io.Copy(f, r)
	if err != nil {
		return err
	}
	if err := f.Truncate(off + n); err != nil {
		return err
	}
	return syncFile(f)
}

func syncFile(f *os.File) error {
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", f.Name(), err)
	}
	return nil
}

// lockFile keeps other writers of the file away, of this process or another,
// until it is closed.
func lockFile(f *os.File) error {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX) //nolint:gosec // a descriptor fits
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// makeDirs makes a folder and those above it, and syncs each one's parent up to
// the first that existed: a power cut must not take away the folder of a file that
// was delivered.
func makeDirs(dir string) error {
	var made []string
	for at := dir; ; at = filepath.Dir(at) {
		_, err := os.Stat(at)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) || at == filepath.Dir(at) {
			return err
		}
		made = append(made, at)
	}
	if len(made) == 0 {
		return nil
	}
	if err := os.MkdirAll(dir, dirPermission); err != nil {
		return err
	}
	for _, at := range made {
		if err := syncDir(filepath.Dir(at)); err != nil {
			return err
		}
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return syncFile(d)
}

// writable says why nothing can be written to a path: the first of the folders
// above it that is there does not let us.
func writable(path string) error {
	if unix.Access(path, unix.W_OK) == nil {
		return nil
	}
	if _, err := os.Lstat(path); err == nil {
		return unix.EACCES
	}
	for at := filepath.Dir(path); ; at = filepath.Dir(at) {
		e, err := os.Stat(at)
		switch {
		case err == nil && !e.IsDir():
			return unix.ENOTDIR
		case err == nil:
			return unix.Access(at, unix.W_OK)
		case !errors.Is(err, fs.ErrNotExist), at == filepath.Dir(at):
			return err
		}
	}
}
