package forward

import (
	"encoding/binary"
	"fmt"
)

// frame finds the end of one msgpack value in bytes that arrive bit by bit. It
// looks at each byte once: what is missing is a number of values and a number of
// bytes, and that is all its state.
type frame struct {
	values int64 // values still to begin
	skip   int64 // bytes of the present value still to pass over
	pos    int
	last   int // where the value's last element begins; -1: that is not known yet
}

// maxValues keeps the count from running over.
const maxValues = 1 << 40

func newFrame() *frame { return &frame{values: 1, last: -1} }

// more implements finder.
func (f *frame) more(b []byte) (done bool, err error) {
	for {
		if f.skip > 0 {
			n := min(f.skip, int64(len(b)-f.pos))
			f.pos, f.skip = f.pos+int(n), f.skip-n
			if f.skip > 0 {
				return false, nil
			}
		}
		if f.values == 0 {
			return true, nil
		}
		// One value is left to begin, and its whole is what the array ends with.
		if f.values == 1 && f.pos > 0 && f.last < 0 {
			f.last = f.pos
		}
		if f.pos >= len(b) {
			return false, nil
		}
		ok, err := f.head(b[f.pos:])
		if err != nil || !ok {
			return false, err
		}
		if f.values > maxValues {
			return false, fmt.Errorf("%w: it announces more values than anybody sends", ErrMalformed)
		}
	}
}

// need implements finder: a length that is announced counts before its bytes are
// there.
func (f *frame) need() int64 { return int64(f.pos) + f.skip + f.values }

// at implements finder.
func (f *frame) at() int { return f.pos }

// drop implements finder.
func (f *frame) drop(b []byte) []byte {
	b, f.pos = b[f.pos:], 0
	f.last = min(f.last, 0)
	return b
}

// end implements finder.
func (f *frame) end(b []byte) []byte {
	if f.last < 0 {
		return nil
	}
	return b[f.last:f.pos]
}

// head takes the head of one value, when all of it is there.
func (f *frame) head(b []byte) (ok bool, err error) {
	c := b[0]
	switch {
	case c < 0x80 || c >= 0xe0: // small integers
		return f.take(1, 0, 0), nil
	case c < 0x90: // fixmap
		return f.take(1, 0, 2*int64(c&15)), nil
	case c < 0xa0: // fixarray
		return f.take(1, 0, int64(c&15)), nil
	case c < 0xc0: // fixstr
		return f.take(1, int64(c&31), 0), nil
	case c == 0xc1:
		return false, fmt.Errorf("%w: byte c1 is never used", ErrMalformed)
	}
	k := kinds[c-0xc0]
	if len(b) < 1+k.lengthBytes {
		return false, nil
	}
	n := int64(0)
	switch k.lengthBytes {
	case 1:
		n = int64(b[1])
	case 2:
		n = int64(binary.BigEndian.Uint16(b[1:]))
	case 4:
		n = int64(binary.BigEndian.Uint32(b[1:]))
	}
	return f.take(1+k.lengthBytes, k.fixed+n*k.bytesPer, n*k.valuesPer), nil
}

func (f *frame) take(head int, skip, values int64) bool {
	f.pos += head
	f.skip = skip
	f.values += values - 1
	return true
}

// kind says what follows a head byte: a length of so many bytes, a fixed number
// of bytes, and per unit of length so many bytes or values.
type kind struct {
	lengthBytes         int
	fixed               int64
	bytesPer, valuesPer int64
}

// kinds is the table for head bytes c0 to df, as the msgpack specification has
// them.
var kinds = [32]kind{
	0x00: {}, 0x01: {}, 0x02: {}, 0x03: {}, // nil, (unused), false, true
	0x04: {lengthBytes: 1, bytesPer: 1}, 0x05: {lengthBytes: 2, bytesPer: 1}, 0x06: {lengthBytes: 4, bytesPer: 1}, // bin
	0x07: {lengthBytes: 1, fixed: 1, bytesPer: 1}, 0x08: {lengthBytes: 2, fixed: 1, bytesPer: 1}, 0x09: {lengthBytes: 4, fixed: 1, bytesPer: 1}, // ext
	0x0a: {fixed: 4}, 0x0b: {fixed: 8}, // float
	0x0c: {fixed: 1}, 0x0d: {fixed: 2}, 0x0e: {fixed: 4}, 0x0f: {fixed: 8}, // uint
	0x10: {fixed: 1}, 0x11: {fixed: 2}, 0x12: {fixed: 4}, 0x13: {fixed: 8}, // int
	0x14: {fixed: 2}, 0x15: {fixed: 3}, 0x16: {fixed: 5}, 0x17: {fixed: 9}, 0x18: {fixed: 17}, // fixext
	0x19: {lengthBytes: 1, bytesPer: 1}, 0x1a: {lengthBytes: 2, bytesPer: 1}, 0x1b: {lengthBytes: 4, bytesPer: 1}, // str
	0x1c: {lengthBytes: 2, valuesPer: 1}, 0x1d: {lengthBytes: 4, valuesPer: 1}, // array
	0x1e: {lengthBytes: 2, valuesPer: 2}, 0x1f: {lengthBytes: 4, valuesPer: 2}, // map
}
