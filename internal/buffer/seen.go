package buffer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"github.com/tinylib/msgp/msgp"

	"github.com/sluicelog/sluice/internal/event"
)

// Seen files remember ids longer than chunks live. Before a chunk is queued its
// ids go into <prefix>seen-<n>.ids, fsynced; so a start needs these files and the
// staged chunks, and reads no queued one. Each process begins files of its own,
// at most seenLimit long, and a file is removed whole when nothing in it has to
// be remembered any more.
//
// They are rows of frames like chunks (docs/format/chunk.md): kind I holds ids of
// one origin, kind G how far a source has got. Each file begins with what is
// known of all sources.
const (
	seenLimit  = 4 << 20
	seenSuffix = ".ids"
	idsPerSeen = 32 << 10 // in one frame
)

// seenFiles may be locked by who holds index.mu, never the other way round: an
// fsync of a seen file must not hold up requests that only look ids up.
type seenFiles struct {
	b *Buffer

	mu     sync.Mutex
	files  []*seenFile // ascending
	writer *seenWriter // of the last file, while it takes more
	closed bool
	ending sync.WaitGroup // files that are full and being closed
}

// seenWriter appends to a seen file. Those who append at the same time share an
// fsync.
type seenWriter struct {
	file   File
	salt   uint32
	off    int64 // guarded by seenFiles.mu
	syncMu sync.Mutex
	synced int64
	failed error
}

// progress is what a source has said; a copy, so that files can be written and
// removed without index.mu.
type progress map[uint64]struct{ start, forget uint64 }

// settled reports whether a source will never again send what it sent in a
// generation.
func (p progress) settled(from origin) bool {
	s, known := p[from.source]
	return !known || from.generation < s.forget
}

// progress copies what is known of the sources.
func (x *index) progress() progress {
	x.mu.Lock()
	defer x.mu.Unlock()
	p := progress{}
	for hash, s := range x.sources {
		p[hash] = struct{ start, forget uint64 }{s.start, s.forget}
	}
	return p
}

// seenFile is what has to be known of a file to remove it.
type seenFile struct {
	n      uint64
	path   string
	newest map[uint64]uint64 // generation by source; source 0: Unix time of the newest id
	others int               // ids without a source
	unread bool              // it is not known yet what is in it
}

// note keeps what has to pass before the file can go.
func (f *seenFile) note(from origin, at uint64, n int) {
	if from.source == 0 {
		f.newest[0] = max(f.newest[0], at)
		f.others += n
		return
	}
	f.newest[from.source] = max(f.newest[from.source], from.generation)
}

// keepIDs writes the ids of a chunk into a seen file, durably, unless they are
// there already. c.io is held.
func (b *Buffer) keepIDs(c *Chunk) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.keepIDsBefore(c.dataEnd)
}

// keepIDsBefore keeps the ids of what stands before end. c.io and c.mu are held:
// the chunk takes no data any more, so nobody waits.
func (c *Chunk) keepIDsBefore(end int64) error {
	if !c.ids || c.idsKept || !c.b.durable() {
		return nil
	}
	byOrigin, err := c.b.readIDs(c.path, end)
	if err != nil {
		return fmt.Errorf("read the ids of chunk %s: %w", c.id, err)
	}
	if err := c.b.index.files.putIDs(c.b.index.progress(), byOrigin); err != nil {
		return fmt.Errorf("keep the ids of chunk %s: %w", c.id, err)
	}
	c.idsKept = true
	return nil
}

func (b *Buffer) keepIDsOf(c *Chunk) error {
	c.io.Lock()
	defer c.io.Unlock()
	return b.keepIDs(c)
}

// readIDs reads the ids back from a chunk's file: keeping them in memory would
// cost 16 bytes for every event that is staged.
func (b *Buffer) readIDs(path string, end int64) (map[origin][]event.ID, error) {
	f, err := b.fs.Open(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	ids := map[origin][]event.ID{}
	for s := newScanner(f, end, false); ; {
		fr, err := s.next()
		if errors.Is(err, io.EOF) {
			return ids, nil
		}
		if err == nil && fr.kind == kindData {
			err = s.ids(fr, func(o origin, id event.ID) {
				if id != (event.ID{}) {
					ids[o] = append(ids[o], id)
				}
			})
		}
		if err != nil {
			return nil, err
		}
	}
}

// putIDs appends ids and returns when they are durable.
func (s *seenFiles) putIDs(p progress, byOrigin map[origin][]event.ID) error {
	now := uint64(s.b.now().Unix())
	s.mu.Lock()
	var err error
	for from, ids := range byOrigin {
		if from.source != 0 && p.settled(from) {
			continue
		}
		for part := range slices.Chunk(ids, idsPerSeen) {
			body := binary.LittleEndian.AppendUint64(from.append(nil), now)
			for _, id := range part {
				body = append(body, id[:]...)
			}
			if err == nil {
				err = s.append(p, frame{kind: kindIDs, count: uint32(len(part))}, body)
			}
			if err == nil {
				s.files[len(s.files)-1].note(from, now, len(part))
			}
		}
	}
	return s.unlockAndSync(err)
}

// putSource makes durable how far a source has got.
func (s *seenFiles) putSource(p progress, hash, start, forget uint64) error {
	if !s.b.durable() {
		return nil
	}
	s.mu.Lock()
	return s.unlockAndSync(s.append(p, frame{kind: kindSource, count: 1}, sourceRecord(hash, start, forget)))
}

func sourceRecord(hash, start, forget uint64) []byte {
	b := binary.LittleEndian.AppendUint64(nil, hash)
	b = binary.LittleEndian.AppendUint64(b, start)
	return binary.LittleEndian.AppendUint64(b, forget)
}

// unlockAndSync ends an append. s.mu is held and let go.
func (s *seenFiles) unlockAndSync(err error) error {
	w := s.writer
	if err != nil || w == nil {
		s.mu.Unlock()
		return err
	}
	mine := w.off
	s.mu.Unlock()
	w.syncMu.Lock()
	defer w.syncMu.Unlock()
	if w.failed != nil || w.synced >= mine {
		return w.failed
	}
	s.mu.Lock()
	all := w.off // others may have appended meanwhile
	s.mu.Unlock()
	if err := w.file.Sync(); err != nil {
		// The file gets nothing more, and is never synced again.
		w.failed = err
		s.mu.Lock()
		if s.writer == w {
			s.writer = nil
			_ = w.file.Close()
		}
		s.mu.Unlock()
		return err
	}
	w.synced = all
	return nil
}

// append writes a frame into the open file, or into a new one. s.mu is held.
func (s *seenFiles) append(p progress, f frame, body []byte) error {
	if s.closed {
		return ErrClosed
	}
	if w := s.writer; w != nil && w.off >= seenLimit {
		s.finish(w)
		s.dropOld(p)
	}
	if s.writer == nil {
		if err := s.create(p); err != nil {
			return err
		}
	}
	w := s.writer
	f.off = w.off
	b := appendFrame(nil, f, w.salt, body)
	if _, err := w.file.WriteAt(b, w.off); err != nil {
		s.finish(w)
		return writeError(err)
	}
	w.off += int64(len(b))
	return nil
}

// finish closes a file that takes no more. Whoever has appended to it may still
// be about to sync it. s.mu is held.
func (s *seenFiles) finish(w *seenWriter) {
	s.writer = nil
	s.ending.Go(func() {
		w.syncMu.Lock()
		defer w.syncMu.Unlock()
		if w.failed == nil && w.synced < w.off {
			w.failed = w.file.Sync()
			w.synced = w.off
		}
		_ = w.file.Close()
	})
}

// create begins a file: a head, and what is known of all sources, so that older
// files can go. s.mu is held.
func (s *seenFiles) create(p progress) error {
	n := uint64(0)
	if len(s.files) > 0 {
		n = s.files[len(s.files)-1].n
	}
	var file File
	var path string
	for file == nil { // another process may have taken the number, in a hand-over
		n++
		path = filepath.Join(s.b.dir, s.b.prefix+"seen-"+strconv.FormatUint(n, 10)+seenSuffix)
		f, err := s.b.fs.Open(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, s.b.filePerm)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return writeError(err)
		}
		if err == nil {
			file = f
		}
	}
	salt := rand.Uint32()
	b := appendFrame(nil, frame{kind: kindHead}, salt, seenFileHead())
	for hash, src := range p {
		b = appendFrame(b, frame{kind: kindSource, count: 1, off: int64(len(b))}, salt, sourceRecord(hash, src.start, src.forget))
	}
	_, err := file.WriteAt(b, 0)
	if err == nil {
		err = file.Sync()
	}
	if err == nil {
		err = s.b.fs.SyncDir(s.b.dir)
	}
	if err != nil {
		_ = errors.Join(file.Close(), s.b.fs.Remove(path)) // nothing relies on it
		return writeError(err)
	}
	s.files = append(s.files, &seenFile{n: n, path: path, newest: map[uint64]uint64{}})
	s.writer = &seenWriter{file: file, salt: salt, off: int64(len(b)), synced: int64(len(b))}
	return nil
}

func seenFileHead() []byte {
	b := msgp.AppendMapHeader(nil, 2)
	b = msgp.AppendInt(msgp.AppendString(b, "v"), formatVersion)
	return msgp.AppendString(msgp.AppendString(b, "kind"), "seen")
}

// dropOld removes the files in which nothing has to be remembered, but for the
// last one of this process, which holds what is known of the sources. s.mu is
// held.
func (s *seenFiles) dropOld(p progress) {
	if s.writer == nil && len(s.files) == 0 {
		return
	}
	oldest := uint64(max(s.b.now().Add(-s.b.config().DedupWindow).Unix(), 0))
	last := s.files[len(s.files)-1]
	keep, younger := []*seenFile{last}, last.others
	for _, f := range slices.Backward(s.files[:len(s.files)-1]) {
		needed := f.unread || f.others > 0 && f.newest[0] >= oldest && younger < s.b.config().DedupMaxKeys
		for hash, generation := range f.newest {
			needed = needed || hash != 0 && !p.settled(origin{hash, generation})
		}
		younger += f.others
		if needed || s.b.fs.Remove(f.path) != nil {
			keep = append(keep, f)
		}
	}
	slices.Reverse(keep)
	s.files = keep
}

// close lets go of the open file.
func (x *index) close() {
	s := &x.files
	s.mu.Lock()
	s.closed = true
	if s.writer != nil {
		s.finish(s.writer)
	}
	s.mu.Unlock()
	s.ending.Wait()
}
