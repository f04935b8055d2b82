package ingest

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
)

// readBody reads and unpacks the body into q, within the time that body_timeout
// gives. q.loan holds the memory for it.
func (in *inHTTP) readBody(w http.ResponseWriter, r *http.Request, q *request) error {
	if r.ContentLength > in.bodyLimit {
		return &http.MaxBytesError{Limit: in.bodyLimit}
	}
	encoding := r.Header.Get("Content-Encoding")
	if encoding != "gzip" && encoding != "deflate" {
		encoding = "" // only these exact words count, as in Fluentd
	}
	if err := q.loan.take(r.Context(), in.share(r.ContentLength, encoding)); err != nil {
		return err
	}
	if err := in.readAll(w, r, q); err != nil {
		return err
	}
	if encoding == "" {
		return nil
	}
	return in.memory.work(shrinks*int64(len(q.body)), func() error { return in.unpack(encoding, q) })
}

const (
	chunkedShare = 64 << 10 // what a body of unknown length is first counted as
	shrinks      = 10       // audit events shrink to about a tenth
)

// share is what a request asks for before it reads.
func (in *inHTTP) share(length int64, encoding string) int64 {
	if length < 0 {
		length = min(chunkedShare, in.bodyLimit)
	}
	if encoding != "" {
		length += min(shrinks*length, in.unzipped)
	}
	return min(length, in.memory.total)
}

func (in *inHTTP) readAll(w http.ResponseWriter, r *http.Request, q *request) (err error) {
	src := &pacer{src: r.Body, clock: http.NewResponseController(w), began: time.Now(), most: in.bodyTimeout, grace: in.headerTimeout, rate: in.minRate}
	if r.ContentLength >= 0 {
		q.body, err = readExactly(src, q.body, int(r.ContentLength))
	} else {
		q.body, err = q.readLimited(src, q.body, in.bodyLimit)
	}
	src.stop(err)
	return err
}

// readExactly reads n bytes without growing in steps.
func readExactly(src io.Reader, dst []byte, n int) ([]byte, error) {
	if cap(dst) < n {
		dst = make([]byte, n)
	}
	dst = dst[:n]
	if _, err := io.ReadFull(src, dst); err != nil {
		return dst, &bodyError{err}
	}
	return dst, nil
}

// readLimited reads to the end, growing the loan with what it reads, beside what is
// held already. More than limit is a MaxBytesError. It reads into pieces, so that
// nothing is held twice of a body that turns out to be too large.
func (q *request) readLimited(src io.Reader, dst []byte, limit int64) ([]byte, error) {
	pieces, total := [][]byte{dst[:0]}, int64(0)
	for {
		last := &pieces[len(pieces)-1]
		if len(*last) == cap(*last) {
			room := min(max(2*int64(cap(*last)), 4<<10), maxPiece, limit+1-total)
			if err := q.loan.grow(min(total+room, q.loan.memory.total)); err != nil {
				return dst, err
			}
			pieces = append(pieces, make([]byte, 0, room))
			continue
		}
		n, err := src.Read((*last)[len(*last):cap(*last)])
		*last = (*last)[:len(*last)+n]
		total += int64(n)
		switch {
		case total > limit:
			return dst, &http.MaxBytesError{Limit: limit}
		case errors.Is(err, io.EOF):
			return q.join(pieces, total)
		case err != nil:
			return dst, &bodyError{err}
		}
	}
}

// maxPiece is how much a body of unknown length grows at once.
const maxPiece = 256 << 10

func (q *request) join(pieces [][]byte, total int64) ([]byte, error) {
	if len(pieces) == 1 {
		return pieces[0], nil
	}
	if len(pieces[0]) == 0 && len(pieces) == 2 {
		return pieces[1], nil
	}
	// Twice for a moment; more than everything it may be when nobody else has any.
	if err := q.loan.grow(min(2*total, q.loan.memory.total)); err != nil {
		return pieces[0], err
	}
	all := make([]byte, 0, total)
	for _, p := range pieces {
		all = append(all, p...)
	}
	q.loan.shrink(total)
	return all, nil
}

// bodyError is a body that did not come whole: the client is gone or too slow, or
// the body is shorter than it says.
type bodyError struct{ err error }

func (e *bodyError) Error() string { return "read body: " + e.err.Error() }
func (e *bodyError) Unwrap() error { return e.err }

var gunzippers = sync.Pool{New: func() any { return new(gzip.Reader) }}

// unpack replaces a compressed body by what it holds.
func (in *inHTTP) unpack(encoding string, q *request) error {
	switch encoding {
	case "gzip":
		zr := gunzippers.Get().(*gzip.Reader)
		defer gunzippers.Put(zr)
		return in.unpackFrom(q, func() (io.Reader, error) { return zr, zr.Reset(bytes.NewReader(q.body)) })
	case "deflate":
		return in.unpackFrom(q, func() (io.Reader, error) { return zlib.NewReader(bytes.NewReader(q.body)) })
	}
	return nil
}

// unpackFrom unpacks twice: first to see how much it is, so that no bomb is ever
// held, and nothing grows in steps.
func (in *inHTTP) unpackFrom(q *request, open func() (io.Reader, error)) error {
	size, err := in.unpackedSize(open)
	if err != nil {
		return err
	}
	beside := int64(cap(q.body))
	if err := q.loan.grow(beside + size); err != nil {
		return err
	}
	src, err := open()
	if err != nil {
		return &decodeError{err}
	}
	out, err := readExactly(src, q.spare, int(size))
	if err != nil {
		return &decodeError{err}
	}
	q.spare, q.body = q.body[:0], out // the body had to stay while it was read
	return nil
}

func (in *inHTTP) unpackedSize(open func() (io.Reader, error)) (int64, error) {
	src, err := open()
	if err != nil {
		return 0, &decodeError{err}
	}
	size, err := io.Copy(io.Discard, io.LimitReader(src, in.unzipped+1))
	switch {
	case err != nil:
		return 0, &decodeError{err}
	case size > in.unzipped:
		return 0, &decodeError{fmt.Errorf("Decompressed data exceeds limit of %d bytes", in.unzipped)} //nolint:staticcheck // Fluentd's own words
	}
	return size, nil
}
