package ruby

import (
	"strings"
	"unicode/utf8"
)

// encoding is the encoding of a string.
type encoding uint8

const (
	utf8Enc encoding = iota
	binaryEnc
	asciiEnc
	latin1Enc
	latin9Enc
	win1252Enc
	sjisEnc
	eucjpEnc
	utf16leEnc
	utf16beEnc
	utf32leEnc
	utf32beEnc
)

var encodingNames = []string{
	"UTF-8", "ASCII-8BIT", "US-ASCII", "ISO-8859-1", "ISO-8859-15", "Windows-1252", "Shift_JIS", "EUC-JP",
	"UTF-16LE", "UTF-16BE", "UTF-32LE", "UTF-32BE",
}

// encodingValue is an Encoding object.
type encodingValue encoding

func (e encoding) String() string { return encodingNames[e] }

// wide tells encodings in which ASCII is not one byte: such strings can only be
// measured and converted here.
func (e encoding) wide() bool { return e >= utf16leEnc }

// multibyte tells encodings, other than UTF-8, whose characters this package
// cannot walk.
func (e encoding) multibyte() bool { return e == sjisEnc || e == eucjpEnc }

// findEncoding finds an encoding by its name or an alias.
func findEncoding(name string) (encoding, bool) {
	switch strings.ToUpper(name) {
	case "UTF-8", "UTF8", "CP65001":
		return utf8Enc, strings.ToUpper(name) != "UTF8"
	case "ASCII-8BIT", "BINARY":
		return binaryEnc, true
	case "US-ASCII", "ASCII", "ANSI_X3.4-1968", "646":
		return asciiEnc, true
	case "ISO-8859-1", "ISO8859-1":
		return latin1Enc, true
	case "ISO-8859-15", "ISO8859-15":
		return latin9Enc, true
	case "WINDOWS-1252", "CP1252":
		return win1252Enc, true
	case "SHIFT_JIS":
		return sjisEnc, true
	case "EUC-JP", "EUCJP":
		return eucjpEnc, true
	case "UTF-16LE":
		return utf16leEnc, true
	case "UTF-16BE", "UCS-2BE":
		return utf16beEnc, true
	case "UTF-32LE", "UCS-4LE":
		return utf32leEnc, true
	case "UTF-32BE", "UCS-4BE":
		return utf32beEnc, true
	}
	return 0, false
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// single tells whether each byte of s is a character.
func (s *Str) single() bool {
	return s.enc != utf8Enc && !s.enc.wide() && !s.enc.multibyte() || isASCII(s.s) && !s.enc.wide()
}

// charLen is the number of bytes of the character that s begins with; a byte
// that belongs to none counts as one.
func charLen(s string) int {
	_, n := utf8.DecodeRuneInString(s)
	if n > 1 || s[0] < 0xc2 {
		return n
	}
	return brokenLen(s)
}

// brokenLen is how Ruby walks over bytes that are no UTF-8: one at a time.
func brokenLen(string) int { return 1 }

// wideWidth refuses what this package cannot do with a string in an encoding
// whose characters it does not walk.
func (m *Env) walkable(s *Str) {
	if (s.enc.wide() || s.enc.multibyte()) && s.s != "" {
		m.unsupported("this method of a string in "+s.enc.String(), "convert it first: encode(\"UTF-8\")")
	}
}

// chars is the number of characters.
func (m *Env) chars(s *Str) int {
	switch {
	case s.single():
		return len(s.s)
	case s.enc.wide():
		return wideLen(s.s, s.enc)
	}
	m.walkable(s)
	n := 0
	for rest := s.s; rest != ""; n++ {
		rest = rest[charLen(rest):]
	}
	return n
}

func wideLen(s string, enc encoding) int {
	if enc == utf32beEnc || enc == utf32leEnc {
		return (len(s) + 3) / 4
	}
	n := 0
	for i := 0; i < len(s); n++ {
		hi := byte(0)
		if enc == utf16beEnc {
			hi = s[i]
		} else if i+1 < len(s) {
			hi = s[i+1]
		}
		if hi >= 0xd8 && hi < 0xdc && i+4 <= len(s) {
			i += 4
		} else {
			i += 2
		}
	}
	return n
}

// byteOff is where the n-th character begins; ok is false past the end.
func (m *Env) byteOff(s *Str, n int) (off int, ok bool) {
	if s.single() {
		return n, n <= len(s.s)
	}
	m.walkable(s)
	for ; n > 0; n-- {
		if off >= len(s.s) {
			return off, false
		}
		off += charLen(s.s[off:])
	}
	return off, true
}

// charOff is the number of characters before a byte offset.
func (m *Env) charOff(s *Str, off int) int {
	if s.single() {
		return off
	}
	return m.chars(&Str{s: s.s[:off], enc: s.enc})
}

// eachChar cuts a string into characters.
func (m *Env) eachChar(s *Str, do func(c string)) {
	m.walkable(s)
	for rest := s.s; rest != ""; {
		n := 1
		if s.enc == utf8Enc {
			n = charLen(rest)
		}
		do(rest[:n])
		rest = rest[n:]
	}
}

// valid tells whether the bytes are of the string's encoding.
func (s *Str) valid() bool {
	switch s.enc {
	case utf8Enc:
		return utf8.ValidString(s.s)
	case asciiEnc:
		return isASCII(s.s)
	case utf16leEnc, utf16beEnc, utf32leEnc, utf32beEnc, sjisEnc, eucjpEnc:
		_, bad := decodeTo(s.s, s.enc)
		return bad < 0
	}
	return true
}

// needValid raises when a string's bytes are not of its encoding.
func (m *Env) needValid(s *Str) {
	if !s.valid() {
		m.raise("ArgumentError", "invalid byte sequence in %s", s.enc)
	}
}

// common is the encoding of two strings put together; it raises when there is
// none.
func (m *Env) common(a, b *Str) encoding {
	enc, ok := compatible(a, b)
	if !ok {
		m.raise("Encoding::CompatibilityError", "incompatible character encodings: %s and %s", a.enc, b.enc)
	}
	return enc
}

func compatible(a, b *Str) (encoding, bool) {
	switch {
	case a.enc == b.enc || b.s == "":
		if a.s == "" && b.s == "" {
			return a.enc, true
		}
		return a.enc, true
	case a.s == "":
		if !a.enc.wide() && !b.enc.wide() && isASCII(b.s) {
			return a.enc, true
		}
		return b.enc, true
	case a.enc.wide() || b.enc.wide():
		return 0, false
	case isASCII(b.s):
		return a.enc, true
	case isASCII(a.s):
		return b.enc, true
	}
	return 0, false
}

// joiner puts strings together in the machine's scratch.
type joiner struct {
	m     *Env
	start int
	enc   encoding
	begun bool
	odd   bool // something in it is not ASCII
}

func (j *joiner) text(s string, enc encoding) {
	ascii := isASCII(s) && !enc.wide()
	switch {
	case !j.begun:
		j.enc, j.begun = enc, true
	case enc == j.enc || s == "" || ascii && !j.enc.wide():
	case !j.odd && !enc.wide() && !j.enc.wide():
		j.enc = enc
	case len(j.m.buf) == j.start:
		j.enc = enc
	default:
		j.m.raise("Encoding::CompatibilityError", "incompatible character encodings: %s and %s", j.enc, enc)
	}
	j.odd = j.odd || !ascii
	j.m.charge(len(s))
	j.m.buf = append(j.m.buf, s...)
}

// done is the whole as a string; the scratch is as before.
func (j *joiner) done() *Str {
	s := string(j.m.buf[j.start:])
	j.m.buf = j.m.buf[:j.start]
	return j.m.strEnc(s, j.enc)
}
