package ruby

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// stringEncodingMethods are about encodings, and how a string is written.
func stringEncodingMethods() table {
	return table{
		"encoding":        {func(_ *Env, self Value, _ []Value, _ *Proc) Value { return encodingValue(self.(*Str).enc) }, 0, 0, false},
		"force_encoding":  {strForceEncoding, 1, 1, false},
		"valid_encoding?": {func(_ *Env, self Value, _ []Value, _ *Proc) Value { return self.(*Str).valid() }, 0, 0, false},
		"ascii_only?": {func(_ *Env, self Value, _ []Value, _ *Proc) Value {
			s := self.(*Str)
			return isASCII(s.s) && !s.enc.wide()
		}, 0, 0, false},
		"b":                  {func(m *Env, self Value, _ []Value, _ *Proc) Value { return m.strEnc(self.(*Str).s, binaryEnc) }, 0, 0, false},
		"scrub":              {strScrub, 0, 1, false},
		"scrub!":             {strSet(strScrub), 0, 1, false},
		"encode":             {strEncode, 0, 2, true},
		"encode!":            {strSet(strEncode), 0, 2, true},
		"unicode_normalize":  {strNormalize, 0, 1, false},
		"unicode_normalize!": {strSet(strNormalize), 0, 1, false},
		"unicode_normalized?": {func(m *Env, self Value, a []Value, _ *Proc) Value {
			return strNormalize(m, self, a, nil).(*Str).s == self.(*Str).s
		}, 0, 1, false},
		"dump":    {strDump, 0, 0, false},
		"undump":  {refused("undump", ""), 0, 0, false},
		"unpack":  {strUnpack, 1, 1, true},
		"unpack1": {strUnpack1, 1, 1, true},
	}
}

func encodingMethods() table {
	name := func(m *Env, self Value, _ []Value, _ *Proc) Value {
		return m.ascii(encoding(self.(encodingValue)).String())
	}
	return table{"name": {name, 0, 0, false}, "to_s": {name, 0, 0, false}}
}

// encodingArg is an encoding given by name or as an object.
func (m *Env) encodingArg(v Value) encoding {
	if e, ok := v.(encodingValue); ok {
		return encoding(e)
	}
	name := m.text(v).s
	e, ok := findEncoding(name)
	if !ok {
		if knownToRuby(name) {
			m.unsupported("the encoding "+name, "")
		}
		m.raise("ArgumentError", "unknown encoding name - %s", name)
	}
	return e
}

// knownToRuby tells names that Ruby may know; for the others it raises.
func knownToRuby(name string) bool {
	up := strings.ToUpper(name)
	for _, prefix := range []string{"ISO", "WINDOWS", "CP", "KOI8", "EUC", "UTF", "SHIFT", "SJIS", "BIG5", "GB", "MAC", "IBM", "ISO-2022", "TIS", "UCS", "EMACS", "STATELESS", "CESU", "LOCALE", "EXTERNAL", "INTERNAL", "FILESYSTEM", "CSWINDOWS", "HZ", "US", "ANSI"} {
		if strings.HasPrefix(up, prefix) {
			return true
		}
	}
	return false
}

func strForceEncoding(m *Env, self Value, a []Value, _ *Proc) Value {
	s := self.(*Str)
	enc := m.encodingArg(a[0])
	m.changeable(s)
	s.enc = enc
	return self
}

func strScrub(m *Env, self Value, a []Value, blk *Proc) Value {
	s := self.(*Str)
	if blk != nil && len(a) > 0 && a[0] != nil {
		m.raise("ArgumentError", "both of block and replacement given")
	}
	if s.valid() {
		return m.like(s.s, s)
	}
	if s.enc != utf8Enc {
		if s.enc == asciiEnc {
			return m.scrubASCII(s, a)
		}
		m.unsupported("scrub of a string in "+s.enc.String(), "")
	}
	with := "\ufffd"
	if len(a) > 0 && a[0] != nil {
		with = m.text(a[0]).s
	}
	var b strings.Builder
	for rest := s.s; rest != ""; {
		r, n := utf8.DecodeRuneInString(rest)
		if r != utf8.RuneError || n > 1 {
			b.WriteString(rest[:n])
			rest = rest[n:]
			continue
		}
		n = badRun(rest)
		if blk != nil {
			b.WriteString(m.text(m.yield1(blk, m.like(rest[:n], s))).s)
		} else {
			b.WriteString(with)
		}
		rest = rest[n:]
	}
	return m.like(b.String(), s)
}

func (m *Env) scrubASCII(s *Str, a []Value) Value {
	with := "?"
	if len(a) > 0 && a[0] != nil {
		with = m.text(a[0]).s
	}
	var b strings.Builder
	for i := range len(s.s) {
		if s.s[i] < utf8.RuneSelf {
			b.WriteByte(s.s[i])
		} else {
			b.WriteString(with)
		}
	}
	return m.like(b.String(), s)
}

// badRun is how many bytes count as one mistake: a character that broke off
// counts whole.
func badRun(s string) int {
	c := s[0]
	want := 0
	switch {
	case c >= 0xc2 && c < 0xe0:
		want = 2
	case c >= 0xe0 && c < 0xf0:
		want = 3
	case c >= 0xf0 && c < 0xf5:
		want = 4
	default:
		return 1
	}
	n := 1
	for n < want && n < len(s) && s[n]&0xc0 == 0x80 {
		if n == 1 && !secondOK(c, s[1]) {
			break
		}
		n++
	}
	return n
}

// secondOK tells whether a byte may stand second behind a leading byte.
func secondOK(lead, c byte) bool {
	switch lead {
	case 0xe0:
		return c >= 0xa0
	case 0xed:
		return c < 0xa0
	case 0xf0:
		return c >= 0x90
	case 0xf4:
		return c < 0x90
	}
	return true
}

func strNormalize(m *Env, self Value, a []Value, _ *Proc) Value {
	s := self.(*Str)
	form := "nfc"
	if len(a) > 0 {
		form = m.toS(a[0]).s
	}
	if s.enc == asciiEnc {
		return m.like(s.s, s)
	}
	if s.enc != utf8Enc {
		m.raise("Encoding::CompatibilityError", "Unicode Normalization not appropriate for %s", s.enc)
	}
	m.needValid(s)
	forms := map[string]norm.Form{"nfc": norm.NFC, "nfd": norm.NFD, "nfkc": norm.NFKC, "nfkd": norm.NFKD}
	f, ok := forms[form]
	if !ok {
		m.raise("ArgumentError", "Invalid normalization form %s.", form)
	}
	return m.like(f.String(s.s), s)
}

func strDump(m *Env, self Value, _ []Value, _ *Proc) Value {
	s := self.(*Str)
	m.walkable(s)
	dst := []byte{'"'}
	for i := 0; i < len(s.s); {
		c := s.s[i]
		r, n := utf8.DecodeRuneInString(s.s[i:])
		switch {
		case c >= utf8.RuneSelf && s.enc == utf8Enc && (r != utf8.RuneError || n > 1):
			dst = appendUnicodeEscape(dst, r)
			i += n
			continue
		case c == 0x1b:
			dst = append(dst, `\e`...)
		default:
			dst = appendEscapedDump(dst, s.s[i:])
		}
		i++
	}
	return m.like(string(append(dst, '"')), s)
}

func appendEscapedDump(dst []byte, s string) []byte {
	c := s[0]
	switch {
	case c < utf8.RuneSelf && inspectEscapes[c] != 0:
		return append(dst, '\\', inspectEscapes[c])
	case c == '#' && len(s) > 1 && strings.IndexByte("{$@", s[1]) >= 0:
		return append(dst, '\\', '#')
	case c >= 0x20 && c < 0x7f:
		return append(dst, c)
	}
	return append(dst, '\\', 'x', upperHex[c>>4], upperHex[c&15])
}
