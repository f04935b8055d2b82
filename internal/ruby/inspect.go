package ruby

import (
	"math/big"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// toS is Ruby's to_s.
func (m *Env) toS(v Value) *Str {
	switch v := v.(type) {
	case nil:
		return m.ascii("")
	case *Str:
		return v
	case Sym:
		return m.strEnc(string(v), symEnc(string(v)))
	case *Time:
		return m.ascii(v.String())
	case *Match:
		return m.strEnc(v.str[v.loc[0]:v.loc[1]], v.enc)
	case *Exception:
		return m.exceptionText(v)
	case *date:
		return m.ascii(v.String())
	case *uriValue:
		return m.str(v.String())
	case *ipAddr:
		return m.str(v.text())
	case encodingValue:
		return m.ascii(encoding(v).String())
	case eventTime:
		return m.ascii(strconv.FormatInt(v.Sec, 10))
	case *enumerator:
		m.unsupported("to_s of an enumerator (an address)", "use to_a")
	case *Range:
		j := joiner{m: m, start: len(m.buf)}
		lo := m.toS(v.lo)
		j.text(lo.s, lo.enc)
		j.text(dots(v.excl), asciiEnc)
		hi := m.toS(v.hi)
		j.text(hi.s, hi.enc)
		return j.done()
	case *Regexp:
		return m.str(v.text())
	}
	return m.inspectStr(v)
}

func symEnc(s string) encoding {
	if isASCII(s) {
		return asciiEnc
	}
	return utf8Enc
}

func dots(excl bool) string {
	if excl {
		return "..."
	}
	return ".."
}

// inspectStr is Ruby's inspect, as a string.
func (m *Env) inspectStr(v Value) *Str {
	text := m.inspect(v)
	if strings.IndexByte(text, '"') >= 0 {
		return m.strEnc(text, binaryEnc)
	}
	return m.ascii(text)
}

// inspect is Ruby's inspect as Ruby 3.1 prints it.
func (m *Env) inspect(v Value) string {
	// Not in the scratch: inspecting some values inspects others.
	return string(m.appendInspect(nil, v, nil))
}

// above is the chain of lists that are being inspected, to know one that holds
// itself.
type above struct {
	v     Value
	next  *above
	depth int
}

// under puts one more list on the chain.
func (a *above) under(v Value) *above {
	if a == nil {
		return &above{v, nil, 1}
	}
	if a.depth > maxNesting {
		panic(newException("SystemStackError", "stack level too deep"))
	}
	return &above{v, a, a.depth + 1}
}

func (a *above) has(v Value) bool {
	for ; a != nil; a = a.next {
		if a.v == v {
			return true
		}
	}
	return false
}

func (m *Env) appendInspect(dst []byte, v Value, up *above) []byte {
	m.step()
	switch v := v.(type) {
	case nil:
		return append(dst, "nil"...)
	case bool:
		return strconv.AppendBool(dst, v)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case *big.Int:
		return v.Append(dst, 10)
	case float64:
		return append(dst, formatFloat(v)...)
	case *Str:
		m.room(6, len(v.s))
		m.charge(len(v.s))
		return appendInspectStr(dst, v)
	case Sym:
		return appendInspectSym(dst, string(v))
	case *Array:
		return m.appendInspectArray(dst, v, up)
	case *Hash:
		return m.appendInspectHash(dst, v, up)
	case *Range:
		if v.lo != nil || v.hi == nil {
			dst = m.appendInspect(dst, v.lo, up)
		}
		dst = append(dst, dots(v.excl)...)
		if v.hi != nil || v.lo == nil {
			dst = m.appendInspect(dst, v.hi, up)
		}
		return dst
	case *Regexp:
		return append(append(append(append(dst, '/'), regexpSource(v.src)...), '/'), v.flags...)
	}
	return append(dst, m.inspectRare(v)...)
}

func (m *Env) inspectRare(v Value) string {
	switch v := v.(type) {
	case *Time:
		return v.inspect()
	case *Class:
		return v.name
	case *Exception:
		text := m.exceptionText(v).s
		if text == "" {
			return v.class.name
		}
		return "#<" + v.class.name + ": " + text + ">"
	case *Match:
		return m.inspectMatch(v)
	case encodingValue:
		return "#<Encoding:" + encoding(v).String() + ">"
	case *date:
		return v.inspect()
	case *uriValue:
		return "#<" + v.class() + " " + v.String() + ">"
	case *ipAddr:
		return v.inspect()
	case *enumerator:
		return m.inspectEnum(v)
	case eventTime:
		return m.newTime(v.Std().In(m.loc())).inspect()
	}
	// What Ruby prints here holds an address.
	m.unsupported("inspect of "+className(v), "")
	return ""
}

func (m *Env) appendInspectArray(dst []byte, a *Array, up *above) []byte {
	if up.has(a) {
		return append(dst, "[...]"...)
	}
	here := up.under(a)
	dst = append(dst, '[')
	for i, e := range a.v {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = m.appendInspect(dst, e, here)
	}
	return append(dst, ']')
}

func (m *Env) appendInspectHash(dst []byte, h *Hash, up *above) []byte {
	if up.has(h) {
		return append(dst, "{...}"...)
	}
	here := up.under(h)
	dst = append(dst, '{')
	first := true
	h.each(func(k, v Value) {
		if !first {
			dst = append(dst, ", "...)
		}
		first = false
		dst = append(m.appendInspect(dst, k, here), "=>"...)
		dst = m.appendInspect(dst, v, here)
	})
	return append(dst, '}')
}

const upperHex = "0123456789ABCDEF"

var inspectEscapes = [128]byte{'\a': 'a', '\b': 'b', '\t': 't', '\n': 'n', '\v': 'v', '\f': 'f', '\r': 'r', 0x1b: 'e', '"': '"', '\\': '\\'}

// appendInspectStr writes a string in quotes. Characters beyond ASCII are
// escaped, as they are in Fluentd's workers.
func appendInspectStr(dst []byte, s *Str) []byte {
	dst = append(dst, '"')
	if s.enc.wide() || s.enc.multibyte() {
		text, _ := decodeTo(s.s, s.enc)
		return append(appendEscaped(dst, text, utf8Enc, false), '"')
	}
	return append(appendEscaped(dst, s.s, s.enc, s.enc == utf8Enc), '"')
}

// appendEscaped writes text with Ruby's escapes. unicode chooses \u0000 over \x00
// for control characters.
func appendEscaped(dst []byte, s string, enc encoding, unicodeForm bool) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			i++
			switch {
			case inspectEscapes[c] != 0:
				dst = append(dst, '\\', inspectEscapes[c])
			case c == '#' && i < len(s) && (s[i] == '{' || s[i] == '$' || s[i] == '@'):
				dst = append(dst, '\\', '#')
			case c >= 0x20 && c < 0x7f:
				dst = append(dst, c)
			case unicodeForm:
				dst = append(dst, '\\', 'u', '0', '0', upperHex[c>>4], upperHex[c&15])
			default:
				dst = append(dst, '\\', 'x', upperHex[c>>4], upperHex[c&15])
			}
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if enc != utf8Enc || r == utf8.RuneError && n == 1 {
			dst = append(dst, '\\', 'x', upperHex[c>>4], upperHex[c&15])
			i++
			continue
		}
		dst = appendUnicodeEscape(dst, r)
		i += n
	}
	return dst
}

func appendUnicodeEscape(dst []byte, r rune) []byte {
	if r < 0x10000 {
		return append(dst, '\\', 'u', upperHex[r>>12], upperHex[r>>8&15], upperHex[r>>4&15], upperHex[r&15])
	}
	dst = append(dst, `\u{`...)
	start := len(dst)
	dst = strconv.AppendUint(dst, uint64(r), 16)
	for i := start; i < len(dst); i++ {
		if dst[i] >= 'a' {
			dst[i] -= 32
		}
	}
	return append(dst, '}')
}

func appendInspectSym(dst []byte, s string) []byte {
	dst = append(dst, ':')
	if isPlainSymbol(s) {
		return append(dst, s...)
	}
	return appendInspectStr(dst, &Str{s: s, enc: symEnc(s)})
}

// isPlainSymbol tells a symbol that needs no quotes.
func isPlainSymbol(s string) bool {
	switch s {
	case "[]", "[]=", "<=>", "===", "==", "=~", "!=", "!~", "**", "+@", "-@", "<<", ">>", "<=", ">=", "+", "-", "*", "/", "%", "<", ">", "!", "&", "|", "^", "~", "`":
		return true
	case "":
		return false
	}
	for len(s) > 1 && (s[0] == '@' || s[0] == '$') {
		s = s[1:]
	}
	for i := range len(s) {
		c := s[i]
		letter := c == '_' || unicode.IsLetter(rune(c)) && c < utf8.RuneSelf
		digit := i > 0 && '0' <= c && c <= '9'
		suffix := i > 0 && i == len(s)-1 && (c == '?' || c == '!' || c == '=')
		if !letter && !digit && !suffix {
			return false
		}
	}
	return true
}
