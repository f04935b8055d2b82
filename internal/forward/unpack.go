package forward

import (
	"bytes"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// unpackedAtOnce is up to how many bytes a message is unpacked into memory; a
// larger one is unpacked twice: to see that it is whole, and to be read.
const unpackedAtOnce = 4 << 20

// setPacked gives the message its entries. One whose entries can not be unpacked to
// their end is refused whole, before anything of it was taken.
func (m *Message) setPacked(packed []byte, limit int64) error {
	if m.compressed != "gzip" && m.compressed != "zstd" { // "text", or nothing
		m.entries.rest, m.entries.left = packed, -1
		return nil
	}
	if limit <= 0 {
		limit = 1 << 40
	}
	first, total, err := m.tryOut(packed, limit)
	switch {
	case err != nil:
		return &PackedError{m.Tag, fmt.Sprintf("%s entries are broken: %v", m.compressed, err)}
	case total > limit:
		return &PackedError{m.Tag, fmt.Sprintf("%s entries unpack to more than %d bytes", m.compressed, limit)}
	case total == int64(len(first)):
		m.entries.rest, m.entries.left = first, -1
		return nil
	}
	r, err := m.unpacker(packed)
	if err != nil {
		return &PackedError{m.Tag, fmt.Sprintf("%s entries are broken: %v", m.compressed, err)}
	}
	m.entries.stream = NewDecoder(r)
	return nil
}

// tryOut unpacks everything, or until it is more than the limit, and keeps the
// first part.
func (m *Message) tryOut(packed []byte, limit int64) (first []byte, total int64, err error) {
	r, err := m.unpacker(packed)
	if err != nil {
		return nil, 0, err
	}
	defer r.Close()
	first, err = io.ReadAll(io.LimitReader(r, min(limit+1, unpackedAtOnce)))
	if err != nil {
		return nil, 0, err
	}
	more, err := io.Copy(io.Discard, io.LimitReader(r, limit+1-int64(len(first))))
	return first, int64(len(first)) + more, err
}

// largestWindow bounds the memory that a zstd frame can ask for by its head alone.
const largestWindow = 32 << 20

func (m *Message) unpacker(packed []byte) (io.ReadCloser, error) {
	if m.compressed == "gzip" {
		return gzip.NewReader(bytes.NewReader(packed))
	}
	r, err := zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(largestWindow))
	if err != nil {
		return nil, err
	}
	return r.IOReadCloser(), nil
}
