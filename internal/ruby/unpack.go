package ruby

import (
	"encoding/binary"
	"math"
	"math/big"
	"strings"
	"unicode/utf8"
)

func strUnpack(m *Env, self Value, a []Value, blk *Proc) Value {
	rest, kw := m.keywords(a, "offset")
	u := &unpacker{m: m, s: self.(*Str).s}
	if v, ok := kw.keyword("offset"); ok {
		n := m.int(v)
		if n < 0 || n > len(u.s) {
			m.raise("ArgumentError", "offset outside of string")
		}
		u.pos = n
	}
	for _, it := range m.packItems(m.text(rest[0]).s) {
		u.item(it)
	}
	if blk != nil {
		for _, v := range u.out {
			m.yield1(blk, v)
		}
		return nil
	}
	return m.array(u.out)
}

func strUnpack1(m *Env, self Value, a []Value, _ *Proc) Value {
	return m.elem(strUnpack(m, self, a, nil).(*Array), 0)
}

type unpacker struct {
	m   *Env
	s   string
	pos int
	out []Value
}

func (u *unpacker) add(v Value) {
	u.m.charge(16)
	u.out = append(u.out, v)
}

func (u *unpacker) item(it packItem) {
	if size, ok := intSizes[it.verb]; ok {
		u.each(it, size, func(b []byte) { u.add(u.integer(it, b)) })
		return
	}
	switch it.verb {
	case 'a', 'A', 'Z':
		u.text(it)
	case 'H', 'h', 'B', 'b':
		u.digits(it)
	case 'U':
		u.runes(it)
	case 'm':
		u.base64(it)
	case 'x':
		n := it.count
		if n < 0 {
			n = len(u.s) - u.pos
		}
		if n > len(u.s)-u.pos {
			u.m.raise("ArgumentError", "x outside of string")
		}
		u.pos += n
	case '@':
		if it.count < 0 || it.count > len(u.s) {
			u.m.raise("ArgumentError", "@ outside of string")
		}
		u.pos = it.count
	case 'D', 'd', 'E':
		u.each(it, 8, func(b []byte) { u.add(math.Float64frombits(binary.LittleEndian.Uint64(b))) })
	case 'G':
		u.each(it, 8, func(b []byte) { u.add(math.Float64frombits(binary.BigEndian.Uint64(b))) })
	case 'F', 'f', 'e':
		u.each(it, 4, func(b []byte) { u.add(float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))) })
	case 'g':
		u.each(it, 4, func(b []byte) { u.add(float64(math.Float32frombits(binary.BigEndian.Uint32(b)))) })
	default:
		u.m.unsupported("the unpack directive "+string(it.verb), "")
	}
}

func (u *unpacker) each(it packItem, size int, do func(b []byte)) {
	for n := it.count; n != 0; n-- {
		if u.pos+size > len(u.s) {
			if it.count > 0 {
				u.m.room(16, n)
				for ; n > 0; n-- {
					u.add(nil)
				}
			}
			return
		}
		do([]byte(u.s[u.pos : u.pos+size]))
		u.pos += size
	}
}

func (u *unpacker) integer(it packItem, b []byte) Value {
	var full [8]byte
	var n uint64
	if it.order() == binary.ByteOrder(binary.BigEndian) {
		copy(full[8-len(b):], b)
		n = binary.BigEndian.Uint64(full[:])
	} else {
		copy(full[:], b)
		n = binary.LittleEndian.Uint64(full[:])
	}
	if strings.IndexByte("csliqj", it.verb) >= 0 {
		shift := 64 - 8*len(b)
		return int64(n<<shift) >> shift
	}
	return u.m.norm(new(big.Int).SetUint64(n))
}

func (u *unpacker) text(it packItem) {
	rest := u.s[u.pos:]
	n := it.count
	if n < 0 || n > len(rest) {
		n = len(rest)
	}
	text := rest[:n]
	u.pos += n
	switch it.verb {
	case 'A':
		text = strings.TrimRight(text, " \x00")
	case 'Z':
		if i := strings.IndexByte(text, 0); i >= 0 {
			if it.count < 0 {
				u.pos -= n - i - 1
			}
			text = text[:i]
		}
	}
	u.add(u.m.strEnc(text, binaryEnc))
}

func (u *unpacker) digits(it packItem) {
	per := 2
	if it.verb == 'B' || it.verb == 'b' {
		per = 8
	}
	rest := u.s[u.pos:]
	n := it.count
	if n < 0 || n > len(rest)*per {
		n = len(rest) * per
	}
	u.m.room(1, n)
	used := (n + per - 1) / per
	u.pos += used
	var b strings.Builder
	for i := range n {
		c := rest[i/per]
		switch it.verb {
		case 'H':
			b.WriteByte("0123456789abcdef"[c>>(4*(1-i%2))&15])
		case 'h':
			b.WriteByte("0123456789abcdef"[c>>(4*(i%2))&15])
		case 'B':
			b.WriteByte('0' + c>>(7-i%8)&1)
		default:
			b.WriteByte('0' + c>>(i%8)&1)
		}
	}
	u.add(u.m.ascii(b.String()))
}

func (u *unpacker) runes(it packItem) {
	for n := it.count; n != 0 && u.pos < len(u.s); n-- {
		r, size := utf8.DecodeRuneInString(u.s[u.pos:])
		if r == utf8.RuneError && size <= 1 {
			u.m.raise("ArgumentError", "malformed UTF-8 character")
		}
		u.pos += size
		u.add(int64(r))
	}
}

func (u *unpacker) base64(it packItem) {
	rest := u.s[u.pos:]
	u.pos = len(u.s)
	if it.has && it.count == 0 {
		u.add(u.m.strict64(rest))
		return
	}
	u.add(u.m.strEnc(string(loose64(rest)), binaryEnc))
}
