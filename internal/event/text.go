package event

import (
	"math/big"
	"strconv"
	"time"
	"unicode/utf8"
)

// Text is Ruby's to_s of a value: text as it is, null as nothing, an object or
// array as Ruby 3.1 inspects it (`{"x"=>1}`, `[1, "a", nil]`), a Time as its
// seconds.
func Text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case Binary:
		return string(v)
	}
	return string(AppendText(nil, v))
}

// AppendText appends Text(v).
func AppendText(dst []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return dst
	case string:
		return append(dst, v...)
	case Binary:
		return append(dst, v...)
	case Time:
		return strconv.AppendInt(dst, v.Sec, 10)
	}
	return appendInspect(dst, v, 0)
}

// Inspect is Ruby's inspect of a value: as Text, but text stands in quotes and
// null is nil. What is not ASCII is written \u00E9, as Fluentd does when it runs
// without a UTF-8 locale.
func Inspect(v any) string { return string(appendInspect(nil, v, 0)) }

func appendInspect(dst []byte, v any, depth int) []byte {
	if depth > maxPrintDepth {
		return append(dst, "nil"...)
	}
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
		return appendRubyFloat(dst, v)
	case string:
		return appendInspectString(dst, v)
	case Binary:
		return appendInspectBinary(dst, v)
	case Time:
		return v.Std().In(time.Local).AppendFormat(dst, "2006-01-02 15:04:05.000000000 -0700")
	case []any:
		dst = append(dst, '[')
		for i, e := range v {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = appendInspect(dst, e, depth+1)
		}
		return append(dst, ']')
	case *Record:
		return appendInspectRecord(dst, v, depth)
	}
	return appendInspect(dst, canonicalValue(v), depth)
}

func appendInspectRecord(dst []byte, r *Record, depth int) []byte {
	dst = append(dst, '{')
	first := true
	for k, e := range r.All() {
		if !first {
			dst = append(dst, ", "...)
		}
		first = false
		dst = append(appendInspectString(dst, k), "=>"...)
		dst = appendInspect(dst, e, depth+1)
	}
	return append(dst, '}')
}

// inspectEscapes are the letters that Ruby's inspect has for control characters.
var inspectEscapes = [128]byte{'\a': 'a', '\b': 'b', '\t': 't', '\n': 'n', '\v': 'v', '\f': 'f', '\r': 'r', 0x1b: 'e', '"': '"', '\\': '\\'}

// appendInspectASCII writes one ASCII character of a string; rest is what follows.
// It says whether it knew the character.
func appendInspectASCII(dst []byte, c byte, rest string) ([]byte, bool) {
	switch {
	case inspectEscapes[c] != 0:
		return append(dst, '\\', inspectEscapes[c]), true
	case c == '#' && rest != "" && (rest[0] == '{' || rest[0] == '$' || rest[0] == '@'):
		return append(dst, '\\', '#'), true
	case 0x20 <= c && c < 0x7f:
		return append(dst, c), true
	}
	return dst, false
}

const upperHex = "0123456789ABCDEF"

func appendInspectString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			i++
			var ok bool
			if dst, ok = appendInspectASCII(dst, c, s[i:]); ok {
				continue
			}
			if c == 0x7f {
				dst = append(dst, `\x7F`...)
			} else {
				dst = append(dst, '\\', 'u', '0', '0', upperHex[c>>4], upperHex[c&15])
			}
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n <= 1:
			dst = append(dst, '\\', 'x', upperHex[s[i]>>4], upperHex[s[i]&15])
		case r < 0x10000:
			dst = append(dst, '\\', 'u', upperHex[r>>12], upperHex[r>>8&15], upperHex[r>>4&15], upperHex[r&15])
		default:
			dst = append(appendUpperHex(append(dst, `\u{`...), uint64(r)), '}')
		}
		i += n
	}
	return append(dst, '"')
}

func appendUpperHex(dst []byte, u uint64) []byte {
	start := len(dst)
	dst = strconv.AppendUint(dst, u, 16)
	for i, c := range dst[start:] {
		if c >= 'a' {
			dst[start+i] = c - 32
		}
	}
	return dst
}

// appendInspectBinary writes a byte string: what is not printable ASCII is \xE9.
func appendInspectBinary(dst []byte, b Binary) []byte {
	dst = append(dst, '"')
	for i, c := range b {
		if c < utf8.RuneSelf {
			var ok bool
			if dst, ok = appendInspectASCII(dst, c, text(b[i+1:])); ok {
				continue
			}
		}
		dst = append(dst, '\\', 'x', upperHex[c>>4], upperHex[c&15])
	}
	return append(dst, '"')
}
