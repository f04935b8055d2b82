package buffer

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluicelog/sluice/internal/event"
)

// load reads the files of earlier processes; entries is the folder.
func (x *index) load(entries []Entry) error {
	s := &x.files
	prefix := s.b.prefix + "seen-"
	s.mu.Lock()
	for _, e := range entries {
		digits, ok := strings.CutPrefix(strings.TrimSuffix(e.Name, seenSuffix), prefix)
		n, err := strconv.ParseUint(digits, 10, 64)
		known := slices.ContainsFunc(s.files, func(f *seenFile) bool { return f.n == n })
		if !ok || err != nil || known || !strings.HasSuffix(e.Name, seenSuffix) {
			continue
		}
		s.files = append(s.files, &seenFile{n: n, path: filepath.Join(s.b.dir, e.Name), unread: true})
	}
	slices.SortFunc(s.files, func(a, b *seenFile) int { return cmp.Compare(a.n, b.n) })
	s.mu.Unlock()
	return x.loadAgain()
}

// loadAgain reads what has not been read yet.
func (x *index) loadAgain() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := &x.files
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, f := range s.files {
		if !f.unread {
			continue
		}
		f.newest, f.others = map[uint64]uint64{}, 0
		if err := x.read(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("read %s: %w", filepath.Base(f.path), err))
			continue
		}
		f.unread = false
	}
	x.unreadFiles = errors.Join(errs...)
	return x.unreadFiles
}

// unread reports whether files of ids wait to be read.
func (x *index) unread() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.unreadFiles != nil
}

// setUnknown says why there are staged chunks whose ids are not known; nil: there
// are none.
func (x *index) setUnknown(why error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.unreadChunks = why
}

// ready is an error while the index does not know all that the buffer has. x.mu is
// held.
func (x *index) ready() error {
	if why := cmp.Or(x.unreadChunks, x.unreadFiles); why != nil {
		return &notReadyError{why}
	}
	return nil
}

// read takes in one file. A torn end was never relied on; damage before it loses
// ids, which may let an event in twice but loses none.
func (x *index) read(f *seenFile) error {
	file, err := x.b.fs.Open(f.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	size, err := file.Size()
	if err != nil {
		return err
	}
	// As with staged chunks: only what the disk holds counts.
	_ = file.Sync()
	if err := file.DropCache(); err != nil {
		return err
	}
	for s := newScanner(file, size, true); ; {
		fr, err := s.next()
		if err == nil {
			err = x.readFrame(f, s, fr)
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, new(*tornError)):
			x.b.log.Warn("ids of delivered events end early", "path", f.path, "error", err)
			return nil
		default:
			return err
		}
	}
}

func (x *index) readFrame(f *seenFile, s *scanner, fr frame) error {
	switch fr.kind {
	case kindIDs:
		return x.readIDs(f, s, fr)
	case kindSource:
		b, err := s.body(fr, 24)
		if err != nil {
			return err
		}
		if len(b) == 24 {
			src := x.source(binary.LittleEndian.Uint64(b))
			src.start = max(src.start, binary.LittleEndian.Uint64(b[8:]))
			if forget := binary.LittleEndian.Uint64(b[16:]); forget > src.forget {
				src.forgetBelow(forget)
			}
		}
	}
	return nil
}

const seenHead = originSize + 8 // origin and Unix time, before the ids

func (x *index) readIDs(f *seenFile, s *scanner, fr frame) error {
	b, err := s.body(fr, seenHead+idsPerSeen*int64(len(event.ID{})))
	if err != nil {
		return err
	}
	if len(b) != seenHead+int(fr.count)*len(event.ID{}) {
		return &tornError{fr.off, "ids that do not fit their frame"}
	}
	from, at := readOrigin(b), binary.LittleEndian.Uint64(b[originSize:])
	f.note(from, at, int(fr.count))
	if from.source == 0 && x.b.now().Sub(time.Unix(int64(at), 0)) > x.b.config().DedupWindow {
		return nil
	}
	for ids := b[seenHead:]; len(ids) > 0; ids = ids[len(event.ID{}):] {
		x.add(from, event.ID(ids[:len(event.ID{})]))
	}
	return nil
}
