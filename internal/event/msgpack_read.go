package event

import (
	"errors"
	"fmt"
	"io"
	"math"
)

// Lead bytes of the msgpack format (github.com/msgpack/msgpack, spec.md).
const (
	mNil, mNever, mFalse, mTrue = 0xc0, 0xc1, 0xc2, 0xc3
	mBin8, mBin32               = 0xc4, 0xc6
	mExt8, mExt16, mExt32       = 0xc7, 0xc8, 0xc9
	mFloat32, mFloat64          = 0xca, 0xcb
	mUint8, mUint64             = 0xcc, 0xcf
	mInt8, mInt64               = 0xd0, 0xd3
	mFixExt1, mFixExt8          = 0xd4, 0xd7
	mFixExt16                   = 0xd8
	mStr8, mStr32               = 0xd9, 0xdb
	mArray16, mArray32          = 0xdc, 0xdd
	mMap16, mMap32              = 0xde, 0xdf
	mFixMap, mFixArray, mFixStr = 0x80, 0x90, 0xa0
)

var (
	errMsgpackByte = errors.New("malformed msgpack: invalid byte")
	errMsgpackExt  = errors.New("malformed msgpack: unknown extension type")
	// errMsgpackShort can be cured by more bytes.
	errMsgpackShort = fmt.Errorf("malformed msgpack: %w", io.ErrUnexpectedEOF)
)

// ReadMsgpack reads one value and returns what follows it. Nothing of b is kept.
// Map keys that are no text become text. Errors: io.ErrUnexpectedEOF when b ends
// within the value (a stream may have more), ErrTooDeep, or that it is no msgpack.
func ReadMsgpack(b []byte) (v any, rest []byte, err error) {
	rest, err = SkipMsgpack(b)
	if err != nil {
		return nil, b, err
	}
	// One copy, from which all text is cut. All lengths in it are true, since
	// skipping has walked over every value.
	r := msgpackReader{s: string(b[:len(b)-len(rest)])}
	v = r.value(0)
	if r.err != nil {
		return nil, b, r.err
	}
	return v, rest, nil
}

// msgpackReader reads text that SkipMsgpack has walked over. After the first
// error what it gives has no meaning.
type msgpackReader struct {
	s    string
	err  error
	keys int // map keys that are being read, one within the other
}

// take is the next n bytes.
func (r *msgpackReader) take(n uint64) string {
	s := r.s[:n]
	r.s = r.s[n:]
	return s
}

func (r *msgpackReader) value(depth int) any {
	if r.err != nil {
		return nil
	}
	h, _ := msgpackHead(r.s)
	c := r.s[0]
	if h.values > 0 || c < mFixStr && c >= mFixMap || c >= mArray16 && c <= mMap32 {
		return r.nested(h, depth)
	}
	body := r.take(h.size)
	switch {
	case c < mFixMap:
		return int64(c)
	case c >= 0xe0:
		return int64(int8(c))
	case c < mNil:
		return body[1:]
	case c >= mStr8:
		return body[1+msgpackShapes[c-mNil].length:]
	}
	return r.scalar(c, body)
}

// scalar is a value with a lead byte from nil to fixext16.
func (r *msgpackReader) scalar(c byte, body string) any {
	switch {
	case c == mNil:
		return nil
	case c <= mTrue:
		return c == mTrue
	case c <= mBin32:
		return Binary(body[1+msgpackShapes[c-mNil].length:])
	case c == mFloat32:
		return float64(math.Float32frombits(uint32(bigEndian(body[1:]))))
	case c == mFloat64:
		return math.Float64frombits(bigEndian(body[1:]))
	case c >= mUint8 && c <= mUint64:
		return unsigned(bigEndian(body[1:]))
	case c >= mInt8 && c <= mInt64:
		// Shifted up and down again, so that the sign is carried.
		bits := 64 - 8*(len(body)-1)
		return int64(bigEndian(body[1:])<<bits) >> bits
	}
	return r.ext(body)
}

// ext is the only extension that Fluentd knows, as fixext8 or ext8.
func (r *msgpackReader) ext(body string) any {
	n := len(body) - 8
	if fix := body[0] == mFixExt8; !fix && (body[0] != mExt8 || n != 3) || body[n-1] != eventTimeExt {
		r.err = errMsgpackExt
		return nil
	}
	return Time{Sec: int64(bigEndian(body[n : n+4])), Nsec: int32(bigEndian(body[n+4:]) & math.MaxInt32)}
}

// firstRoom is for how many elements room is made before any was read. That many
// there are, but a small one each, so room for all at every level would multiply.
const firstRoom = 64

func (r *msgpackReader) nested(h head, depth int) any {
	// A key that is no text is printed, its texts in quotes. A key within it would be
	// printed again, and each time twice as long: a few bytes could fill the memory.
	if depth >= MaxDepth || r.keys > 1 {
		r.err = ErrTooDeep
		return nil
	}
	r.take(h.size)
	if h.isMap {
		return r.record(h.values/2, depth+1)
	}
	out := make([]any, 0, min(h.values, firstRoom))
	for range h.values {
		out = append(out, r.value(depth+1))
	}
	return out
}

func (r *msgpackReader) record(n uint64, depth int) *Record {
	out := &Record{split: true, fields: make([]field, 0, min(n, firstRoom))}
	for range n {
		r.keys++
		k := r.value(depth)
		r.keys--
		key, isText := k.(string)
		if !isText {
			key = Text(k)
		}
		out.Set(key, r.value(depth))
		if r.err != nil {
			break
		}
	}
	return out
}
