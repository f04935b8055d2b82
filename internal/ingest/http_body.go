package ingest

import (
	"bytes"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/klauspost/compress/gzip"
	"golang.org/x/sync/semaphore"
)

// memory bounds what the bodies of all requests under way may take together.
// A request takes its whole share once, before it reads, and never waits while
// it holds some: so no two can starve each other.
type memory struct {
	total int64
	sem   *semaphore.Weighted
}

func newMemory(total int64) *memory {
	return &memory{total: total, sem: semaphore.NewWeighted(total)}
}

// take waits for room for n bytes; a body larger than everything is taken alone.
func (m *memory) take(ctx context.Context, n int64) (int64, error) {
	n = min(max(n, 1), m.total)
	return n, m.sem.Acquire(ctx, n)
}

func (m *memory) release(n int64) {
	if n > 0 {
		m.sem.Release(n)
	}
}

// chunkedShare is what a body of unknown length is counted as.
const chunkedShare = 1 << 20

// readBody reads and unpacks the body into q, and says how much memory it holds.
func (in *inHTTP) readBody(r *http.Request, q *request) (held int64, err error) {
	if r.ContentLength > in.bodyLimit {
		return 0, &http.MaxBytesError{Limit: in.bodyLimit}
	}
	share := r.ContentLength
	if share < 0 {
		share = min(chunkedShare, in.bodyLimit)
	}
	encoding := r.Header.Get("Content-Encoding")
	if encoding == "gzip" || encoding == "deflate" {
		// What it unpacks to is not known before; audit events shrink to about a
		// tenth, and more than that is cut off by the limit on the whole.
		share = min(share*10, in.memory.total)
	}
	held, err = in.memory.take(r.Context(), share)
	if err != nil {
		return 0, err
	}
	if err := in.readAll(r, q); err != nil {
		return held, err
	}
	return held, in.unpack(encoding, q)
}

func (in *inHTTP) readAll(r *http.Request, q *request) error {
	var err error
	if r.ContentLength >= 0 {
		q.body, err = readExactly(r.Body, q.body, int(r.ContentLength))
	} else {
		q.body, err = readLimited(r.Body, q.body, in.bodyLimit)
	}
	return err
}

// readExactly reads n bytes without growing in steps.
func readExactly(src io.Reader, dst []byte, n int) ([]byte, error) {
	if cap(dst) < n {
		dst = make([]byte, n)
	}
	dst = dst[:n]
	_, err := io.ReadFull(src, dst)
	return dst, err
}

// readLimited reads to the end, and fails when there is more than limit.
func readLimited(src io.Reader, dst []byte, limit int64) ([]byte, error) {
	buf := bytes.NewBuffer(dst)
	n, err := buf.ReadFrom(io.LimitReader(src, limit+1))
	if err == nil && n > limit {
		err = &http.MaxBytesError{Limit: limit}
	}
	return buf.Bytes(), err
}

var gunzippers = sync.Pool{New: func() any { return new(gzip.Reader) }}

// unpack replaces a compressed body by what it holds. Only the exact words gzip
// and deflate count, as in Fluentd; with any other the bytes are taken as sent.
func (in *inHTTP) unpack(encoding string, q *request) error {
	switch encoding {
	case "gzip":
		zr := gunzippers.Get().(*gzip.Reader)
		defer gunzippers.Put(zr)
		if err := zr.Reset(bytes.NewReader(q.body)); err != nil {
			return &decodeError{err}
		}
		return in.unpackFrom(zr, q)
	case "deflate":
		zr, err := zlib.NewReader(bytes.NewReader(q.body))
		if err != nil {
			return &decodeError{err}
		}
		defer zr.Close()
		return in.unpackFrom(zr, q)
	}
	return nil
}

func (in *inHTTP) unpackFrom(src io.Reader, q *request) error {
	// The body must stay while it is read.
	out, err := readLimited(src, q.spare[:0], in.unzipped)
	if errors.As(err, new(*http.MaxBytesError)) {
		return &decodeError{fmt.Errorf("Decompressed data exceeds limit of %d bytes", in.unzipped)} //nolint:staticcheck // Fluentd's own words
	}
	if err != nil {
		return &decodeError{err}
	}
	q.spare, q.body = q.body[:0], out
	return nil
}
