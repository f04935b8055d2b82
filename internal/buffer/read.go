package buffer

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// bodies streams the events of a chunk's data frames between from and to. Each
// frame's checksum is verified when its last byte has been read; a frame that
// fails ends the stream with ErrCorrupt, never with io.EOF.
type bodies struct {
	f    File
	in   *bufio.Reader
	off  int64
	end  int64
	salt uint32

	left   int64 // bytes of the current frame that are still to be summed
	sum    uint32
	want   uint32
	events io.Reader // the current frame's events, unpacked; nil between frames
	gz     *gzip.Reader
	zs     *zstd.Decoder
	packed bool // hand out what is stored, do not unpack

	onDamage func()
}

func newBodies(f File, from, end int64, salt uint32, packed bool) *bodies {
	section := io.NewSectionReader(f, from, end-from)
	return &bodies{f: f, in: bufio.NewReaderSize(section, 64<<10), off: from, end: end, salt: salt, packed: packed}
}

// Read fills p with events, of as many frames as it takes: chunks that single
// requests filled have a frame for each event.
func (b *bodies) Read(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		if b.events == nil {
			if err = b.nextFrame(); err != nil {
				break
			}
		}
		var more int
		more, err = b.events.Read(p[n:])
		n += more
		if errors.Is(err, io.EOF) {
			err = b.finish()
		} else if err != nil {
			err = b.damaged(err)
		}
	}
	return n, err
}

func (b *bodies) nextFrame() error {
	if b.off >= b.end {
		return io.EOF
	}
	head, err := b.in.Peek(frameHead)
	if err != nil {
		return b.damaged(noEOF(err))
	}
	f := frame{
		kind: head[0], flags: head[1], off: b.off,
		length: binary.LittleEndian.Uint32(head[4:]), count: binary.LittleEndian.Uint32(head[8:]),
	}
	if f.kind != kindData || f.flags&^flagsKnown != 0 || binary.LittleEndian.Uint32(head[12:]) != b.salt ||
		f.end() > b.end || f.prefixLen() > int64(f.length) {
		return b.damaged(errors.New("no data frame"))
	}
	b.want = binary.LittleEndian.Uint32(head[16:])
	b.sum, b.left, b.off = startSum(head, f.off), int64(f.length), f.end()
	if _, err := b.in.Discard(frameHead); err != nil {
		return b.damaged(err)
	}
	if n := f.prefixLen(); n > 0 {
		if _, err := io.CopyN(io.Discard, summed{b}, n); err != nil {
			return b.damaged(err)
		}
	}
	return b.unpack(f.flags)
}

// noEOF keeps an end within a frame from passing for the end of the stream.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (b *bodies) unpack(flags byte) (err error) {
	b.events = summed{b}
	switch {
	case b.packed:
	case flags&flagGzip != 0:
		if b.gz == nil {
			b.gz, err = gzip.NewReader(summed{b})
		} else {
			err = b.gz.Reset(summed{b})
		}
		b.events = b.gz
	case flags&flagZstd != 0:
		if b.zs == nil {
			b.zs, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
		}
		if err == nil {
			err = b.zs.Reset(summed{b})
		}
		b.events = b.zs
	}
	if err != nil {
		return b.damaged(err)
	}
	return nil
}

// finish checks the frame that has just been read to its end.
func (b *bodies) finish() error {
	// What follows the packed events within the frame still counts.
	if b.left > 0 {
		if _, err := io.Copy(io.Discard, summed{b}); err != nil {
			return b.damaged(err)
		}
	}
	b.events = nil
	if b.sum != b.want {
		return b.damaged(errors.New("checksum differs"))
	}
	return nil
}

func (b *bodies) damaged(err error) error {
	if isDiskError(err) && !errors.Is(err, io.ErrUnexpectedEOF) { // the disk may recover
		return fmt.Errorf("read a chunk before offset %d: %w", b.off, err)
	}
	if b.onDamage != nil {
		b.onDamage()
	}
	return fmt.Errorf("%w before offset %d: %w", ErrCorrupt, b.off, err)
}

// Close lets go of the file.
func (b *bodies) Close() error {
	if b.zs != nil {
		b.zs.Close()
	}
	return b.f.Close()
}

// summed reads the current frame's body and sums it up.
type summed struct{ b *bodies }

func (s summed) Read(p []byte) (int, error) {
	if s.b.left == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > s.b.left {
		p = p[:s.b.left]
	}
	n, err := s.b.in.Read(p)
	s.b.sum = crc32.Update(s.b.sum, castagnoli, p[:n])
	s.b.left -= int64(n)
	if errors.Is(err, io.EOF) && s.b.left > 0 {
		err = io.ErrUnexpectedEOF
	} else if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}
