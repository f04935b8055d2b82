package ruby

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"math/big"
	"strings"
	"unicode/utf8"
)

// packItem is one letter of a pack template: its count is -1 for *, and has says
// whether one was written.
type packItem struct {
	verb  byte
	count int
	has   bool
	big   bool // big-endian
}

// packItems reads a template such as "Nn*a10".
func (m *Env) packItems(t string) []packItem {
	var items []packItem
	for i := 0; i < len(t); {
		c := t[i]
		i++
		if strings.IndexByte(rubySpace+"\x00", c) >= 0 {
			continue
		}
		if c == '#' {
			for i < len(t) && t[i] != '\n' {
				i++
			}
			continue
		}
		if !isAlnum(c) && c != '@' {
			m.unsupported("the pack directive "+string(c), "")
		}
		it := packItem{verb: c, count: 1}
		for i < len(t) && strings.IndexByte("_!<>", t[i]) >= 0 {
			if strings.IndexByte("sSiIlLqQjJ", c) < 0 {
				m.raise("ArgumentError", "'%c' allowed only after types sSiIlLqQjJ", t[i])
			}
			switch t[i] {
			case '>':
				it.big = true
			case '_', '!':
				if c == 'l' || c == 'L' {
					it.verb = c - 'l' + 'q'
				}
			}
			i++
		}
		if i < len(t) && t[i] == '*' {
			it.count, it.has = -1, true
			i++
		} else if i < len(t) && isDigitByte(t[i]) {
			it.count, it.has = 0, true
			for i < len(t) && isDigitByte(t[i]) {
				it.count = min(it.count*10+int(t[i]-'0'), 1<<30)
				i++
			}
		}
		items = append(items, it)
	}
	return items
}

// intSizes are the bytes of the integer directives.
var intSizes = map[byte]int{'C': 1, 'c': 1, 'S': 2, 's': 2, 'L': 4, 'l': 4, 'I': 4, 'i': 4, 'Q': 8, 'q': 8, 'J': 8, 'j': 8, 'n': 2, 'N': 4, 'v': 2, 'V': 4}

func (it packItem) order() binary.ByteOrder {
	if it.big || it.verb == 'n' || it.verb == 'N' {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

func arrPack(m *Env, self Value, a []Value, _ *Proc) Value {
	p := &packer{m: m, args: self.(*Array).v, enc: asciiEnc}
	for i, it := range m.packItems(m.text(a[0]).s) {
		if it.verb == 'U' && i == 0 {
			p.enc, p.utf8 = utf8Enc, true
		}
		p.item(it)
		m.room(1, len(p.out))
	}
	return m.strEnc(string(p.out), p.enc)
}

type packer struct {
	m    *Env
	args []Value
	out  []byte
	enc  encoding
	utf8 bool
}

func (p *packer) take() Value {
	if len(p.args) == 0 {
		p.m.raise("ArgumentError", "too few arguments")
	}
	v := p.args[0]
	p.args = p.args[1:]
	return v
}

// binary marks the result as bytes.
func (p *packer) binary() {
	if !p.utf8 {
		p.enc = binaryEnc
	}
}

func (p *packer) item(it packItem) {
	if size, ok := intSizes[it.verb]; ok {
		p.binary()
		p.each(it, func(v Value) { p.integer(v, size, it.order()) })
		return
	}
	switch it.verb {
	case 'a', 'A', 'Z':
		p.binary()
		p.text(it)
	case 'H', 'h':
		p.binary()
		p.hexText(it)
	case 'B', 'b':
		p.binary()
		p.bitText(it)
	case 'U':
		if !p.utf8 {
			p.enc = binaryEnc
		}
		p.each(it, func(v Value) {
			n := p.m.int64(v)
			if n < 0 || n > utf8.MaxRune {
				p.m.raise("RangeError", "pack(U): value out of range")
			}
			p.out = utf8.AppendRune(p.out, rune(n))
		})
	case 'm':
		p.base64(it)
	case 'x':
		p.binary()
		p.m.room(1, max(it.count, 0))
		p.out = append(p.out, make([]byte, max(it.count, 0))...)
	case 'D', 'd', 'F', 'f', 'E', 'e', 'G', 'g':
		p.binary()
		p.each(it, func(v Value) { p.float(it.verb, v) })
	default:
		p.m.unsupported("the pack directive "+string(it.verb), "")
	}
}

func (p *packer) each(it packItem, do func(v Value)) {
	n := it.count
	if n < 0 {
		n = len(p.args)
	}
	for range n {
		p.m.step()
		do(p.take())
	}
}

func (p *packer) integer(v Value, size int, order binary.ByteOrder) {
	if v == nil {
		p.m.raise("TypeError", "no implicit conversion of nil into Integer")
	}
	n := bigOf(p.m.integer(v))
	low := new(big.Int).And(n, new(big.Int).SetUint64(math.MaxUint64)).Uint64()
	var buf [8]byte
	if order == binary.ByteOrder(binary.BigEndian) {
		binary.BigEndian.PutUint64(buf[:], low)
		p.out = append(p.out, buf[8-size:]...)
		return
	}
	binary.LittleEndian.PutUint64(buf[:], low)
	p.out = append(p.out, buf[:size]...)
}

func (p *packer) float(verb byte, v Value) {
	f, ok := floatOf(v)
	if !ok {
		p.m.raise("TypeError", "can't convert %s into Float", nouned(v))
	}
	switch verb {
	case 'G':
		p.out = binary.BigEndian.AppendUint64(p.out, math.Float64bits(f))
	case 'D', 'd', 'E':
		p.out = binary.LittleEndian.AppendUint64(p.out, math.Float64bits(f))
	case 'g':
		p.out = binary.BigEndian.AppendUint32(p.out, math.Float32bits(float32(f)))
	default:
		p.out = binary.LittleEndian.AppendUint32(p.out, math.Float32bits(float32(f)))
	}
}

func (p *packer) string() string {
	v := p.take()
	if v == nil {
		return ""
	}
	return p.m.text(v).s
}

func (p *packer) text(it packItem) {
	s := p.string()
	n := it.count
	if n < 0 {
		n = len(s)
		if it.verb == 'Z' {
			n++
		}
	}
	p.m.room(1, n)
	pad := byte(0)
	if it.verb == 'A' {
		pad = ' '
	}
	for i := range n {
		if i < len(s) {
			p.out = append(p.out, s[i])
		} else {
			p.out = append(p.out, pad)
		}
	}
}

func (p *packer) hexText(it packItem) {
	s := p.string()
	n := it.count
	if n < 0 {
		n = len(s)
	}
	p.m.room(1, n)
	var acc byte
	for i := range n {
		var v byte
		if i < len(s) {
			if c := s[i]; isAlnum(c) && c > '9' {
				v = c&7 + 9
			} else {
				v = c & 15
			}
		}
		high := i%2 == 0
		if it.verb == 'h' {
			high = !high
		}
		if high {
			acc |= v << 4
		} else {
			acc |= v & 15
		}
		if i%2 == 1 || i == n-1 {
			p.out = append(p.out, acc)
			acc = 0
		}
	}
}

func (p *packer) bitText(it packItem) {
	s := p.string()
	n := it.count
	if n < 0 {
		n = len(s)
	}
	p.m.room(1, n)
	var acc byte
	for i := range n {
		var v byte
		if i < len(s) {
			v = s[i] & 1
		}
		if it.verb == 'B' {
			acc |= v << (7 - i%8)
		} else {
			acc |= v << (i % 8)
		}
		if i%8 == 7 || i == n-1 {
			p.out = append(p.out, acc)
			acc = 0
		}
	}
}

func (p *packer) base64(it packItem) {
	s := p.string()
	if it.has && it.count == 0 {
		p.out = append(p.out, base64.StdEncoding.EncodeToString([]byte(s))...)
		return
	}
	if it.has && it.count > 2 {
		p.m.unsupported("the pack directive m with a count", "use m0")
	}
	p.out = append(p.out, lines64([]byte(s))...)
}
