package cli

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// appendInspect writes a value as Ruby's inspect does, which is what stands in
// Fluentd's log lines: numbers, true and nil bare, text in quotes, lists in
// brackets, times bare with the fraction that they have.
func appendInspect(dst []byte, v slog.Value) []byte {
	switch v.Kind() {
	case slog.KindInt64, slog.KindUint64, slog.KindBool:
		return append(dst, v.String()...)
	case slog.KindFloat64:
		return appendFloat(dst, v.Float64())
	case slog.KindTime:
		return v.Time().AppendFormat(dst, "2006-01-02 15:04:05.999999999 -0700")
	case slog.KindAny:
		switch x := v.Any().(type) {
		case nil:
			return append(dst, "nil"...)
		case error:
			return inspectText(dst, x.Error())
		case []string:
			return inspectList(dst, x)
		case Bare:
			return append(dst, x...)
		}
	}
	return inspectText(dst, v.String())
}

// Bare is text that stands in a line without quotes, such as an event's time in the
// form that Fluentd prints.
type Bare string

func inspectList(dst []byte, list []string) []byte {
	dst = append(dst, '[')
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = inspectText(dst, s)
	}
	return append(dst, ']')
}

// appendFloat keeps the point, as Ruby does: 20.0.
func appendFloat(dst []byte, f float64) []byte {
	from := len(dst)
	dst = strconv.AppendFloat(dst, f, 'g', -1, 64)
	if !strings.ContainsAny(string(dst[from:]), ".eIN") {
		dst = append(dst, ".0"...)
	}
	return dst
}

// escapes are the letters that Ruby writes behind a backslash.
var escapes = map[rune]byte{'\a': 'a', '\b': 'b', '\t': 't', '\n': 'n', '\v': 'v', '\f': 'f', '\r': 'r', 0x1b: 'e', '"': '"', '\\': '\\'}

// inspectText quotes text: what can be printed stays as it is, bytes that are no
// UTF-8 become \xNN, and a # that Ruby would take for the start of an expression
// gets a backslash.
func inspectText(dst []byte, s string) []byte {
	dst = append(dst, '"')
	if isPlain(s) {
		return append(append(dst, s...), '"')
	}
	for i, size := 0, 0; i < len(s); i += size {
		var r rune
		r, size = utf8.DecodeRuneInString(s[i:])
		letter, escaped := escapes[r]
		switch {
		case r == utf8.RuneError && size == 1:
			dst = fmt.Appendf(dst, `\x%02X`, s[i])
		case escaped:
			dst = append(dst, '\\', letter)
		case r == '#' && i+1 < len(s) && strings.IndexByte("{$@", s[i+1]) >= 0:
			dst = append(dst, `\#`...)
		case r == 0x7f:
			dst = append(dst, `\x7F`...)
		case r == ' ' || unicode.IsPrint(r):
			dst = append(dst, s[i:i+size]...)
		case r > 0xffff:
			dst = fmt.Appendf(dst, `\u{%X}`, r)
		default:
			dst = fmt.Appendf(dst, `\u%04X`, r)
		}
	}
	return append(dst, '"')
}

// isPlain reports whether text needs no escape: nearly all of a log does not.
func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '#' {
			return false
		}
	}
	return true
}
