package ruby

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
)

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
