package event

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/tinylib/msgp/msgp"
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
func ReadMsgpack(b []byte) (v any, rest []byte, err error) { return readMsgpack(b, 0) }

func readMsgpack(b []byte, depth int) (any, []byte, error) {
	if len(b) == 0 {
		return nil, b, errMsgpackShort
	}
	switch c := b[0]; {
	case c < mFixMap:
		return int64(c), b[1:], nil
	case c >= 0xe0:
		return int64(int8(c)), b[1:], nil
	case c >= mFixStr && c < mNil || c >= mStr8 && c <= mStr32:
		s, rest, err := msgp.ReadStringBytes(b)
		return either(s, rest, err, b)
	case c < mFixStr || c >= mArray16:
		return readMsgpackNested(b, depth)
	}
	return readMsgpackScalar(b)
}

// either is a value that a reader of msgp gave, or our error in place of its own.
func either[T any](v T, rest []byte, err error, b []byte) (any, []byte, error) {
	if err != nil {
		return nil, b, errMsgpackShort
	}
	return v, rest, nil
}

func readMsgpackScalar(b []byte) (any, []byte, error) {
	switch c := b[0]; {
	case c == mNil:
		return nil, b[1:], nil
	case c == mNever:
		return nil, b, errMsgpackByte
	case c <= mTrue:
		return c == mTrue, b[1:], nil
	case c <= mBin32:
		v, rest, err := msgp.ReadBytesBytes(b, nil)
		return either(Binary(v), rest, err, b)
	case c == mFloat32:
		v, rest, err := msgp.ReadFloat32Bytes(b)
		return either(float64(v), rest, err, b)
	case c == mFloat64:
		v, rest, err := msgp.ReadFloat64Bytes(b)
		return either(v, rest, err, b)
	case c >= mUint8 && c <= mUint64:
		u, rest, err := msgp.ReadUint64Bytes(b)
		return either(unsigned(u), rest, err, b)
	case c >= mInt8 && c <= mInt64:
		v, rest, err := msgp.ReadInt64Bytes(b)
		return either(v, rest, err, b)
	}
	return readMsgpackExt(b)
}

// readMsgpackExt reads the only extension that Fluentd knows, as fixext8 or ext8.
func readMsgpackExt(b []byte) (any, []byte, error) {
	h, ok := msgpackHead(b)
	if !ok || uint64(len(b)) < h.size {
		return nil, b, errMsgpackShort
	}
	body := b[:h.size]
	if h.size < 10 || body[h.size-9] != eventTimeExt || (b[0] != mFixExt8 && b[0] != mExt8) || h.size > 11 {
		return nil, b, errMsgpackExt
	}
	body = body[h.size-8:]
	t := Time{Sec: int64(binary.BigEndian.Uint32(body)), Nsec: int32(binary.BigEndian.Uint32(body[4:]) & math.MaxInt32)}
	return t, b[h.size:], nil
}

// firstRoom is for how many elements room is made before any was read: the
// length in the header may lie.
const firstRoom = 64

func readMsgpackNested(b []byte, depth int) (any, []byte, error) {
	if depth >= MaxDepth {
		return nil, b, ErrTooDeep
	}
	h, ok := msgpackHead(b)
	// Every value has a byte at least.
	if !ok || h.values > uint64(len(b)) {
		return nil, b, errMsgpackShort
	}
	rest := b[h.size:]
	if h.isMap {
		return readMsgpackMap(rest, int(h.values/2), depth+1)
	}
	out := make([]any, 0, min(h.values, firstRoom))
	for range h.values {
		v, after, err := readMsgpack(rest, depth+1)
		if err != nil {
			return nil, b, err
		}
		out, rest = append(out, v), after
	}
	return out, rest, nil
}

func readMsgpackMap(b []byte, n, depth int) (any, []byte, error) {
	r := &Record{split: true, fields: make([]field, 0, min(n, firstRoom))}
	rest := b
	for range n {
		k, after, err := readMsgpack(rest, depth)
		if err != nil {
			return nil, b, err
		}
		v, after, err := readMsgpack(after, depth)
		if err != nil {
			return nil, b, err
		}
		key, isText := k.(string)
		if !isText {
			key = Text(k)
		}
		r.Set(key, v)
		rest = after
	}
	return r, rest, nil
}
