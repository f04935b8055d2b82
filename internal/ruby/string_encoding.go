package ruby

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
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

// decodeTo is a string as UTF-8, and where the first mistake is, or -1.
func decodeTo(s string, enc encoding) (text string, bad int) {
	switch enc {
	case utf8Enc:
		for i := 0; i < len(s); {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				return s, i
			}
			i += n
		}
		return s, -1
	case asciiEnc, binaryEnc:
		for i := range len(s) {
			if s[i] >= utf8.RuneSelf {
				return s, i
			}
		}
		return s, -1
	case utf16leEnc, utf16beEnc:
		return decodeUTF16(s, enc)
	case utf32leEnc, utf32beEnc:
		return decodeUTF32(s, enc)
	}
	return decodeTable(s, enc)
}

func decodeTable(s string, enc encoding) (string, int) {
	var out []byte
	var err error
	switch enc {
	case sjisEnc:
		out, err = japanese.ShiftJIS.NewDecoder().Bytes([]byte(s))
	case eucjpEnc:
		out, err = japanese.EUCJP.NewDecoder().Bytes([]byte(s))
	default:
		out, err = tableOf(enc).NewDecoder().Bytes([]byte(s))
	}
	if err != nil || strings.ContainsRune(string(out), utf8.RuneError) {
		return string(out), 0
	}
	return string(out), -1
}

func tableOf(enc encoding) *charmap.Charmap {
	switch enc {
	case latin9Enc:
		return charmap.ISO8859_15
	case win1252Enc:
		return charmap.Windows1252
	}
	return charmap.ISO8859_1
}

func decodeUTF16(s string, enc encoding) (string, int) {
	var order binary.ByteOrder = binary.LittleEndian
	if enc == utf16beEnc {
		order = binary.BigEndian
	}
	var b strings.Builder
	for i := 0; i < len(s); i += 2 {
		if i+2 > len(s) {
			return b.String(), i
		}
		r := rune(order.Uint16([]byte(s[i : i+2])))
		if utf16.IsSurrogate(r) {
			if i+4 > len(s) {
				return b.String(), i
			}
			r = utf16.DecodeRune(r, rune(order.Uint16([]byte(s[i+2:i+4]))))
			if r == utf8.RuneError {
				return b.String(), i
			}
			i += 2
		}
		b.WriteRune(r)
	}
	return b.String(), -1
}

func decodeUTF32(s string, enc encoding) (string, int) {
	var order binary.ByteOrder = binary.LittleEndian
	if enc == utf32beEnc {
		order = binary.BigEndian
	}
	var b strings.Builder
	for i := 0; i < len(s); i += 4 {
		if i+4 > len(s) {
			return b.String(), i
		}
		r := order.Uint32([]byte(s[i : i+4]))
		if r > utf8.MaxRune || !utf8.ValidRune(rune(r)) {
			return b.String(), i
		}
		b.WriteRune(rune(r))
	}
	return b.String(), -1
}

// encodeRune is a character in an encoding; ok is false when it has none.
func encodeRune(dst []byte, r rune, enc encoding) ([]byte, bool) {
	switch enc {
	case utf8Enc:
		return utf8.AppendRune(dst, r), true
	case asciiEnc, binaryEnc:
		return append(dst, byte(r)), r < utf8.RuneSelf
	case utf16leEnc, utf16beEnc:
		units := utf16.AppendRune(nil, r)
		for _, u := range units {
			if enc == utf16leEnc {
				dst = binary.LittleEndian.AppendUint16(dst, u)
			} else {
				dst = binary.BigEndian.AppendUint16(dst, u)
			}
		}
		return dst, true
	case utf32leEnc:
		return binary.LittleEndian.AppendUint32(dst, uint32(r)), true
	case utf32beEnc:
		return binary.BigEndian.AppendUint32(dst, uint32(r)), true
	case sjisEnc, eucjpEnc:
		coder := japanese.ShiftJIS.NewEncoder()
		if enc == eucjpEnc {
			coder = japanese.EUCJP.NewEncoder()
		}
		out, err := coder.Bytes([]byte(string(r)))
		return append(dst, out...), err == nil
	}
	b, ok := tableOf(enc).EncodeRune(r)
	return append(dst, b), ok
}

// conversion is how encode treats what it cannot convert.
type conversion struct {
	invalid, undef bool // replace, instead of raising
	with           *string
}

func (m *Env) conversion(kw *Hash) conversion {
	var c conversion
	for _, name := range []string{"invalid", "undef"} {
		v, ok := kw.keyword(name)
		if !ok || v == nil {
			continue
		}
		if m.name(v) != "replace" {
			m.raise("ArgumentError", "unknown value for %s character option", map[string]string{"invalid": "invalid", "undef": "undefined"}[name])
		}
		if name == "invalid" {
			c.invalid = true
		} else {
			c.undef = true
		}
	}
	if v, ok := kw.keyword("replace"); ok && v != nil {
		c.with = &m.text(v).s
	}
	for _, name := range []string{"universal_newline", "crlf_newline", "cr_newline", "newline", "xml", "fallback"} {
		if v, ok := kw.keyword(name); ok && truthy(v) {
			m.unsupported("the option "+name+": of encode", "use gsub")
		}
	}
	return c
}

func strEncode(m *Env, self Value, a []Value, _ *Proc) Value {
	s := self.(*Str)
	rest, kw := m.keywords(a, "invalid", "undef", "replace", "universal_newline", "crlf_newline", "cr_newline", "newline", "xml", "fallback")
	opt := m.conversion(kw)
	from, to := s.enc, binaryEnc // the default internal encoding of a worker
	if len(rest) > 1 && rest[1] == nil {
		rest = rest[:1]
	}
	for _, v := range rest {
		if _, ok := v.(encodingValue); !ok {
			m.text(v)
		}
	}
	if len(rest) > 0 {
		to = m.converted(rest, rest[0], from)
	}
	if len(rest) > 1 {
		from = m.converted(rest, rest[1], from)
	}
	if len(rest) == 0 && !isASCII(s.s) {
		// To the default encoding, bytes: what is not ASCII becomes a question mark.
		opt.invalid, opt.undef = true, true
		return m.strEnc(m.transcode(s.s, from, asciiEnc, opt), to)
	}
	if from == to {
		if opt.invalid && !(&Str{s: s.s, enc: from}).valid() {
			return strScrub(m, m.strEnc(s.s, from), replacementArg(m, opt, to), nil)
		}
		return m.strEnc(s.s, to)
	}
	if isASCII(s.s) && !from.wide() && !to.wide() {
		return m.strEnc(s.s, to)
	}
	return m.strEnc(m.transcode(s.s, from, to, opt), to)
}

// converted is an encoding argument of encode.
func (m *Env) converted(args []Value, v Value, from encoding) encoding {
	if s, ok := v.(*Str); ok {
		if _, ok := findEncoding(s.s); !ok && !knownToRuby(s.s) {
			name := from.String()
			if len(args) > 1 {
				name = m.toS(args[1]).s
			}
			m.raise("Encoding::ConverterNotFoundError", "code converter not found (%s to %s)", name, m.toS(args[0]).s)
		}
	}
	return m.encodingArg(v)
}

func replacementArg(m *Env, c conversion, to encoding) []Value {
	switch {
	case c.with != nil:
		return []Value{m.str(*c.with)}
	case to == utf8Enc:
		return []Value{m.str("\ufffd")}
	}
	return []Value{m.str("?")}
}

func (m *Env) transcode(s string, from, to encoding, opt conversion) string {
	with := "?"
	if to == utf8Enc || to.wide() {
		with = "\ufffd"
	}
	if opt.with != nil {
		with = *opt.with
	}
	var out []byte
	put := func(text string) {
		for _, r := range text {
			out, _ = encodeRune(out, r, to)
		}
	}
	for s != "" {
		r, n, bad := nextRune(s, from)
		switch {
		case bad && from == binaryEnc:
			if !opt.undef {
				m.raise("Encoding::UndefinedConversionError", "%s from ASCII-8BIT to %s", byteText(s[:1]), viaUTF8(from, to))
			}
			put(with)
		case bad:
			if !opt.invalid {
				m.invalidBytes(s, n, from)
			}
			put(with)
		default:
			next, ok := encodeRune(out, r, to)
			if ok {
				out = next
			} else {
				if !opt.undef {
					m.raise("Encoding::UndefinedConversionError", "%s from %s", undefinedText(r, s[:n], from), route(from, to))
				}
				put(with)
			}
		}
		s = s[n:]
	}
	return string(out)
}

func byteText(s string) string {
	text := `"`
	for i := range len(s) {
		text += fmt.Sprintf(`\x%02X`, s[i])
	}
	return text + `"`
}

func viaUTF8(_, to encoding) string {
	if to == utf8Enc {
		return "UTF-8"
	}
	return "UTF-8 to " + to.String()
}

func undefinedText(r rune, raw string, from encoding) string {
	if from == utf8Enc || from.wide() {
		return fmt.Sprintf("U+%04X", r)
	}
	return fmt.Sprintf("U+%04X", r)
}

// route is how Ruby converts: by way of UTF-8.
func route(from, to encoding) string {
	switch {
	case from == utf8Enc:
		return "UTF-8 to " + to.String()
	case to == utf8Enc:
		return from.String() + " to UTF-8"
	}
	return "UTF-8 to " + to.String()
}

// nextRune is the first character of a string, its length, and whether it is none.
func nextRune(s string, enc encoding) (r rune, n int, bad bool) {
	switch enc {
	case utf8Enc:
		r, n = utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && n <= 1 {
			return 0, badRun(s), true
		}
		return r, n, false
	case asciiEnc, binaryEnc:
		return rune(s[0]), 1, s[0] >= utf8.RuneSelf
	case utf16leEnc, utf16beEnc:
		n = min(2, len(s))
		if len(s) >= 4 {
			if text, b := decodeUTF16(s[:4], enc); b < 0 && utf8.RuneCountInString(text) == 1 {
				n = 4
			}
		}
		text, b := decodeUTF16(s[:n], enc)
		r, _ = utf8.DecodeRuneInString(text)
		return r, n, b >= 0
	case utf32leEnc, utf32beEnc:
		n = min(4, len(s))
		text, b := decodeUTF32(s[:n], enc)
		r, _ = utf8.DecodeRuneInString(text)
		return r, n, b >= 0
	}
	for n = 1; n <= min(3, len(s)); n++ {
		if text, b := decodeTable(s[:n], enc); b < 0 {
			r, _ = utf8.DecodeRuneInString(text)
			return r, n, false
		}
	}
	return 0, 1, true
}

func (m *Env) invalidBytes(s string, n int, from encoding) {
	text := byteText(s[:n])
	switch {
	case from == utf8Enc && n < len(s) && badLead(s[0]):
		m.raise("Encoding::InvalidByteSequenceError", "%s followed by %s on %s", text, byteOrChar(s[n:n+1]), from)
	case from == utf8Enc && n == len(s) && badLead(s[0]):
		m.raise("Encoding::InvalidByteSequenceError", "incomplete %s on %s", text, from)
	}
	m.raise("Encoding::InvalidByteSequenceError", "%s on %s", text, from)
}

func badLead(c byte) bool { return c >= 0xc2 && c < 0xf5 }

func byteOrChar(s string) string {
	if s[0] < utf8.RuneSelf {
		return `"` + s + `"`
	}
	return byteText(s)
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
