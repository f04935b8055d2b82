package event

// SkipMsgpack returns what follows the first value of b, without reading more of
// it than lengths. It does not recurse, so depth does not matter. The errors are
// those of ReadMsgpack.
func SkipMsgpack(b []byte) (rest []byte, err error) {
	for open := uint64(1); open > 0; open-- {
		if len(b) > 0 && b[0] == mNever {
			return b, errMsgpackByte
		}
		h, ok := msgpackHead(text(b))
		if !ok || h.size > uint64(len(b)) {
			return b, errMsgpackShort
		}
		b = b[h.size:]
		if open += h.values; open > uint64(len(b))+1 {
			return b, errMsgpackShort
		}
	}
	return b, nil
}

// CountMsgpack counts the values in b, those within others too, and how many of them
// are maps, up to the first fault: what reading b will take is known before.
func CountMsgpack(b []byte) (values, maps int) {
	for len(b) > 0 {
		h, ok := msgpackHead(text(b))
		if !ok || b[0] == mNever || h.size > uint64(len(b)) {
			break
		}
		b = b[h.size:]
		values++
		if h.isMap {
			maps++
		}
	}
	return values, maps
}

// head is what the first bytes of a value say.
type head struct {
	size   uint64 // bytes of the value itself, without the values within it
	values uint64 // values within it: elements, or keys and values
	isMap  bool
}

// msgpackHead reads the head of a value; ok is false when b is too short for it.
func msgpackHead(b string) (h head, ok bool) {
	if len(b) == 0 {
		return head{}, false
	}
	c := b[0]
	switch {
	case c < mFixMap || c >= 0xe0:
		return head{size: 1}, true
	case c < mFixArray:
		return head{size: 1, values: uint64(c&15) * 2, isMap: true}, true
	case c < mFixStr:
		return head{size: 1, values: uint64(c & 15)}, true
	case c < mNil:
		return head{size: 1 + uint64(c&31)}, true
	}
	shape := msgpackShapes[c-mNil]
	if len(b) < 1+shape.length {
		return head{}, false
	}
	n := bigEndian(b[1 : 1+shape.length])
	h = head{size: 1 + uint64(shape.length) + uint64(shape.fixed)}
	switch {
	case c >= mMap16:
		h.values, h.isMap = 2*n, true
	case c >= mArray16:
		h.values = n
	default:
		h.size += n
	}
	return h, true
}

// shape is how a value with a lead byte from 0xc0 to 0xdf is laid out.
type shape struct{ length, fixed int }

var msgpackShapes = [32]shape{
	{}, {}, {}, {}, // nil, never used, false, true
	{1, 0}, {2, 0}, {4, 0}, // bin
	{1, 1}, {2, 1}, {4, 1}, // ext: the type is a byte more
	{0, 4}, {0, 8}, // float
	{0, 1}, {0, 2}, {0, 4}, {0, 8}, // uint
	{0, 1}, {0, 2}, {0, 4}, {0, 8}, // int
	{0, 2}, {0, 3}, {0, 5}, {0, 9}, {0, 17}, // fixext
	{1, 0}, {2, 0}, {4, 0}, // str
	{2, 0}, {4, 0}, {2, 0}, {4, 0}, // array, map
}

// bigEndian is the number that up to eight bytes stand for.
func bigEndian(b string) (n uint64) {
	for i := range len(b) {
		n = n<<8 | uint64(b[i])
	}
	return n
}
