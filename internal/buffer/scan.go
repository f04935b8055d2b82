package buffer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/sluicelog/sluice/internal/event"
)

// tornError says where a file stops making sense.
type tornError struct {
	off    int64
	reason string
}

func (e *tornError) Error() string { return fmt.Sprintf("%s at offset %d", e.reason, e.off) }
func (e *tornError) Unwrap() error { return ErrCorrupt }

// scanner walks the frames of a file. It reads through a window, so a file of
// any size, and a frame that claims any length, costs the same memory.
type scanner struct {
	r    io.ReaderAt
	size int64
	off  int64 // of the next frame
	salt uint32
	// verify checks bodies. Without it a frame's head is believed when its length
	// fits, which is only good for files that this process wrote.
	verify bool

	win    []byte // bytes of the file from winOff
	winOff int64
	buf    []byte
}

const scanWindow = 64 << 10

func newScanner(r io.ReaderAt, size int64, verify bool) *scanner {
	return &scanner{r: r, size: size, verify: verify}
}

// reset starts over on another file.
func (s *scanner) reset(r io.ReaderAt, size int64) {
	s.r, s.size, s.off, s.salt, s.win, s.winOff = r, size, 0, 0, nil, 0
}

// at returns up to n bytes at off; fewer only at the end of the file. The bytes
// are good until the next call. n is at most scanWindow.
func (s *scanner) at(off int64, n int) ([]byte, error) {
	n = int(min(int64(n), max(s.size-off, 0)))
	if skip := off - s.winOff; skip >= 0 && skip+int64(n) <= int64(len(s.win)) {
		return s.win[skip : skip+int64(n)], nil
	}
	want := int(min(scanWindow, s.size-off))
	if want > len(s.buf) {
		s.buf = make([]byte, want)
	}
	got, err := s.r.ReadAt(s.buf[:want], off)
	s.win, s.winOff = s.buf[:got], off
	if got < n {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("read a chunk: %w", err)
	}
	return s.win[:n], nil
}

// next returns the next frame. io.EOF: the file ends here, exactly or in zeros.
// A *tornError: what stands here is no frame. Other errors are the disk's.
func (s *scanner) next() (frame, error) {
	head, err := s.at(s.off, frameHead)
	if err != nil {
		return frame{}, err
	}
	if len(head) < frameHead || head[0] == 0 {
		return frame{}, s.tail()
	}
	f := frame{
		kind: head[0], flags: head[1], off: s.off,
		length: binary.LittleEndian.Uint32(head[4:]), count: binary.LittleEndian.Uint32(head[8:]),
	}
	salt, want := binary.LittleEndian.Uint32(head[12:]), binary.LittleEndian.Uint32(head[16:])
	if s.off == 0 {
		s.salt = salt
	}
	switch {
	case head[2] != 0 || head[3] != 0 || salt != s.salt:
		return frame{}, &tornError{s.off, "no frame"}
	case f.length > maxFrame || f.end() > s.size:
		return frame{}, &tornError{s.off, "frame longer than the file"}
	case f.kind == kindData && f.prefixLen() > int64(f.length):
		return frame{}, &tornError{s.off, "frame with more ids than bytes"}
	}
	if s.verify {
		sum, err := s.sum(startSum(head, s.off), f)
		if err != nil {
			return frame{}, err
		}
		if sum != want {
			return frame{}, &tornError{s.off, "checksum differs"}
		}
	}
	s.off = f.end()
	return f, nil
}

func (s *scanner) sum(sum uint32, f frame) (uint32, error) {
	for off := f.bodyOff(); off < f.end(); {
		b, err := s.at(off, int(min(scanWindow, f.end()-off)))
		if err != nil {
			return 0, err
		}
		sum = crc32.Update(sum, castagnoli, b)
		off += int64(len(b))
	}
	return sum, nil
}

// tail tells zeros, which end a file, from anything else.
func (s *scanner) tail() error {
	for off := s.off; off < s.size; {
		b, err := s.at(off, int(min(scanWindow, s.size-off)))
		if err != nil {
			return err
		}
		for _, c := range b {
			if c != 0 {
				return &tornError{s.off, "no frame"}
			}
		}
		off += int64(len(b))
	}
	return io.EOF
}

// body reads the body of a short frame (head, seal, note). The bytes are copied.
func (s *scanner) body(f frame, limit int64) ([]byte, error) {
	if int64(f.length) > limit {
		return nil, &tornError{f.off, "frame too long for its kind"}
	}
	out := make([]byte, 0, f.length)
	for off := f.bodyOff(); off < f.end(); {
		b, err := s.at(off, int(min(scanWindow, f.end()-off)))
		if err != nil {
			return nil, err
		}
		out = append(out, b...)
		off += int64(len(b))
	}
	return out, nil
}

// ids calls yield with the frame's origin and each event id; none when the frame
// carries none.
func (s *scanner) ids(f frame, yield func(origin, event.ID)) error {
	if f.flags&flagIDs == 0 {
		return nil
	}
	off, from := f.bodyOff(), origin{}
	if f.flags&flagOrigin != 0 {
		b, err := s.at(off, originSize)
		if err != nil {
			return err
		}
		from = readOrigin(b)
		off += originSize
	}
	for range f.count {
		b, err := s.at(off, len(event.ID{}))
		if err != nil {
			return err
		}
		yield(from, event.ID(b))
		off += int64(len(event.ID{}))
	}
	return nil
}

// The longest bodies that a reader takes into memory.
const (
	maxHead = 16 << 20 // tags and fields that key a chunk come from clients
	maxNote = 1 << 20
)

// survey is what a scan finds in a chunk file.
type survey struct {
	head    header
	totals  totals
	dataEnd int64 // behind the last good data frame
	sealed  bool
	end     int64 // behind the last good frame: where a note goes
	note    map[string]string
	hasIDs  bool
	packing byte       // as bits
	torn    *tornError // nil: the file ends as it should
}

// scanChunk reads a whole chunk file. onData, when not nil, is called for each
// good data frame. An error is the disk's; damage is told in survey.torn, and
// errHead or errNewVersion when the file is no chunk that can be read.
func scanChunk(s *scanner, onData func(frame) error) (survey, error) {
	var v survey
	f, err := s.next()
	if err != nil || f.kind != kindHead {
		return v, headError(err)
	}
	b, err := s.body(f, maxHead)
	if err != nil {
		return v, headError(err)
	}
	if v.head, err = decodeHeader(b); err != nil {
		return v, err
	}
	v.head.salt = s.salt
	v.dataEnd, v.end = f.end(), f.end()
	for {
		f, err := s.next()
		if err == nil {
			err = v.take(s, f, onData)
		}
		switch torn := (*tornError)(nil); {
		case err == nil:
			v.end = f.end()
		case errors.Is(err, io.EOF):
			return v, nil
		case errors.As(err, &torn):
			v.torn = torn
			return v, nil
		default:
			return v, err
		}
	}
}

// headError keeps the disk's errors, and calls everything else no head.
func headError(err error) error {
	if err == nil || errors.Is(err, io.EOF) || errors.As(err, new(*tornError)) {
		return errHead
	}
	return err
}

func (v *survey) take(s *scanner, f frame, onData func(frame) error) error {
	switch {
	case f.kind == kindData && !v.sealed:
		if f.flags&^flagsKnown != 0 {
			return &tornError{f.off, "frame with unknown flags"}
		}
		v.totals.events += int64(f.count)
		v.totals.bytes += int64(f.length) - f.prefixLen()
		v.hasIDs = v.hasIDs || f.flags&flagIDs != 0
		v.packing |= packingOf(f.flags)
		v.dataEnd = f.end()
		if onData != nil {
			return onData(f)
		}
		return nil
	case f.kind == kindSeal && !v.sealed:
		b, err := s.body(f, 16)
		if err != nil {
			return err
		}
		if t, ok := decodeTotals(b); !ok || t != v.totals {
			return &tornError{f.off, "totals differ"}
		}
		v.sealed = true
		return nil
	case f.kind == kindNote && v.sealed:
		b, err := s.body(f, maxNote)
		if err != nil {
			return err
		}
		note, err := decodeNote(b)
		if err != nil {
			return &tornError{f.off, "note that cannot be read"}
		}
		v.note = note
		return nil
	}
	return &tornError{f.off, "frame out of place"}
}
