package buffer

import (
	"fmt"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/sluicelog/sluice/internal/event"
)

// remainder is what of a group is still to be written.
type remainder struct {
	body     []byte
	ends     []int
	ids      []event.ID
	base     int // offset in the group of body's first byte
	compress string
	prefix   []byte
}

// newRemainder begins with all events of the group that keep says are new; a nil
// keep means all.
func newRemainder(g *Group, keep *kept, compress string) *remainder {
	r := &remainder{body: g.Body, ends: g.Ends, compress: compress}
	if keep != nil {
		r.body, r.ends, r.ids = keep.body, keep.ends, keep.ids
	}
	return r
}

func (r *remainder) events() int { return len(r.ends) }

// within is how many of the first n events fit into limit bytes.
func (r *remainder) within(n int, limit int64) int {
	if n == len(r.ends) && int64(len(r.body)) <= limit {
		return n
	}
	// Packed events are counted as if they were not: a chunk gets a little less
	// than it could hold, never more.
	lo, hi := 0, n
	for lo < hi {
		mid := (lo + hi + 1) / 2
		if int64(r.ends[mid-1]-r.base) <= limit {
			lo = mid
		} else {
			hi = mid - 1
		}
	}
	return lo
}

// piece is the first n events as one frame.
func (r *remainder) piece(n int, from origin) (piece, error) {
	p := piece{body: r.body[:r.ends[n-1]-r.base], events: n}
	if len(r.ids) > 0 {
		p.prefix, p.flags = appendPrefix(r.prefix[:0], from, r.ids[:n])
		r.prefix = p.prefix
	}
	var err error
	switch r.compress {
	case "gzip":
		p.body, err = packGzip(p.body)
		p.flags |= flagGzip
	case "zstd":
		p.body = packZstd(p.body)
		p.flags |= flagZstd
	}
	if err != nil {
		return p, fmt.Errorf("pack events: %w", err)
	}
	return p, nil
}

// took drops the first n events and returns their ids.
func (r *remainder) took(n int) (ids []event.ID) {
	end := r.ends[n-1]
	r.body, r.ends, r.base = r.body[end-r.base:], r.ends[n:], end
	if len(r.ids) > 0 {
		ids, r.ids = r.ids[:n:n], r.ids[n:]
	}
	return ids
}

var gzips = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}

// packGzip makes one gzip member, without a time, so that the same events always
// give the same bytes.
func packGzip(body []byte) ([]byte, error) {
	z := gzips.Get().(*gzip.Writer)
	defer gzips.Put(z)
	var out appender
	z.Reset(&out)
	if _, err := z.Write(body); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return out, nil
}

type appender []byte

func (a *appender) Write(p []byte) (int, error) {
	*a = append(*a, p...)
	return len(p), nil
}

var zstds = sync.Pool{New: func() any {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		panic("buffer: " + err.Error()) // the options are constants
	}
	return z
}}

func packZstd(body []byte) []byte {
	z := zstds.Get().(*zstd.Encoder)
	defer zstds.Put(z)
	return z.EncodeAll(body, make([]byte, 0, len(body)/2))
}
