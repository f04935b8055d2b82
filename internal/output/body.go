package output

import (
	"bufio"
	"bytes"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/sluicelog/sluice/internal/event"
)

// chunk is what an output needs of a *buffer.Chunk.
type chunk interface {
	ID() event.ChunkID
	Meta() event.Meta
	Events() int
	Open() (io.ReadCloser, error)
	OpenStored() (r io.ReadCloser, compress string, err error)
	Note() (map[string]string, bool)
	SetNote(map[string]string) error
}

// body is a chunk's events as they leave: as they are, or packed. It is the same
// bytes each time it is opened, so that an attempt can be compared with the one
// before it, and so that its length can be told before it is sent.
type body struct {
	chunk    chunk
	compress string // text, gzip or zstd
	again    bool   // pack anew what the buffer has packed the same way already
	array    bool   // the events end in commas and become one JSON array
}

func (b body) open() (io.ReadCloser, error) {
	if b.compress == "" || b.compress == "text" {
		return b.plain()
	}
	if !b.again && !b.array {
		r, stored, err := b.chunk.OpenStored()
		if err != nil || stored == b.compress {
			return r, err
		}
		if err := r.Close(); err != nil {
			return nil, err
		}
	}
	r, err := b.plain()
	if err != nil {
		return nil, err
	}
	return newPacked(r, b.compress)
}

func (b body) plain() (io.ReadCloser, error) {
	r, err := b.chunk.Open()
	if err != nil || !b.array {
		return r, err
	}
	return &struct {
		io.Reader
		io.Closer
	}{io.MultiReader(strings.NewReader("["), lessComma{bufio.NewReader(r)}, strings.NewReader("]")), r}, nil
}

// lessComma is what it reads without the comma at the end.
type lessComma struct{ *bufio.Reader }

func (l lessComma) Read(dst []byte) (int, error) {
	n, err := l.Reader.Read(dst)
	if n > 0 && dst[n-1] == ',' {
		if _, end := l.Peek(1); end == io.EOF { //nolint:errorlint // bufio returns it bare
			n--
		}
	}
	return n, err
}

// size reads the body once and counts: what a receiver must know beforehand is
// never taken from somewhere else than the bytes themselves.
func (b body) size() (int64, error) {
	r, err := b.open()
	if err != nil {
		return 0, err
	}
	defer r.Close()
	return io.Copy(io.Discard, r)
}

// packed packs what it reads, as it is read.
type packed struct {
	src   io.ReadCloser
	w     io.WriteCloser // into out
	out   bytes.Buffer
	in    [32 << 10]byte
	ended bool
}

func newPacked(src io.ReadCloser, compress string) (io.ReadCloser, error) {
	p := &packed{src: src}
	if compress == "gzip" {
		p.w = gzip.NewWriter(&p.out)
		return p, nil
	}
	w, err := zstd.NewWriter(&p.out, zstd.WithEncoderConcurrency(1))
	p.w = w
	return p, err
}

// Read implements io.Reader.
func (p *packed) Read(dst []byte) (int, error) {
	for p.out.Len() == 0 {
		if p.ended {
			return 0, io.EOF
		}
		n, err := p.src.Read(p.in[:])
		if n > 0 {
			if _, err := p.w.Write(p.in[:n]); err != nil {
				return 0, err
			}
		}
		switch {
		case err == io.EOF: //nolint:errorlint // readers return it bare
			p.ended = true
			if err := p.w.Close(); err != nil {
				return 0, err
			}
		case err != nil:
			return 0, err
		}
	}
	return p.out.Read(dst)
}

// Close implements io.Closer. What was not read is given up.
func (p *packed) Close() error {
	_ = p.w.Close()
	return p.src.Close()
}
