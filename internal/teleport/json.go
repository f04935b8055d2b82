package teleport

import (
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/structpb"
)

// AppendJSON appends a Struct as compact JSON text. Keys are sorted at every
// level, numbers are float64 as protobuf's JSON prints them ("1e+21",
// "9007199254740992"), `<>&` and non-ASCII stay as they are: what upstream's
// handler sends, less the blanks that protobuf puts in at random. A nil Struct
// is {}, a Value of no kind is null.
func AppendJSON(dst []byte, s *structpb.Struct) []byte {
	var room [64]string
	p := printer{keys: room[:0]}
	return p.object(dst, s)
}

// printer keeps the keys of all objects being printed in one stack, so that an
// event usually costs no allocation.
type printer struct{ keys []string }

func (p *printer) object(dst []byte, s *structpb.Struct) []byte {
	base := len(p.keys)
	for key := range s.GetFields() {
		p.keys = append(p.keys, key)
	}
	end := len(p.keys)
	slices.Sort(p.keys[base:end])
	dst = append(dst, '{')
	for i := base; i < end; i++ {
		if i > base {
			dst = append(dst, ',')
		}
		key := p.keys[i]
		dst = append(appendText(dst, key), ':')
		dst = p.value(dst, s.Fields[key])
	}
	p.keys = p.keys[:base]
	return append(dst, '}')
}

func (p *printer) value(dst []byte, v *structpb.Value) []byte {
	switch k := v.GetKind().(type) {
	case *structpb.Value_StringValue:
		return appendText(dst, k.StringValue)
	case *structpb.Value_NumberValue:
		return appendNumber(dst, k.NumberValue)
	case *structpb.Value_BoolValue:
		return strconv.AppendBool(dst, k.BoolValue)
	case *structpb.Value_StructValue:
		return p.object(dst, k.StructValue)
	case *structpb.Value_ListValue:
		return p.list(dst, k.ListValue)
	}
	return append(dst, "null"...)
}

func (p *printer) list(dst []byte, l *structpb.ListValue) []byte {
	dst = append(dst, '[')
	for i, v := range l.GetValues() {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = p.value(dst, v)
	}
	return append(dst, ']')
}

// appendNumber prints as encoding/json does: plain digits from 1e-6 up to
// 1e21, else an exponent without a leading zero. JSON has no word for the
// others; protobuf's is a string.
func appendNumber(dst []byte, n float64) []byte {
	switch {
	case math.IsNaN(n):
		return append(dst, `"NaN"`...)
	case math.IsInf(n, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(n, -1):
		return append(dst, `"-Infinity"`...)
	}
	if n == math.Trunc(n) && math.Abs(n) < 1<<53 && (n != 0 || !math.Signbit(n)) {
		return strconv.AppendInt(dst, int64(n), 10)
	}
	abs := math.Abs(n)
	if abs == 0 || (abs >= 1e-6 && abs < 1e21) {
		return strconv.AppendFloat(dst, n, 'f', -1, 64)
	}
	dst = strconv.AppendFloat(dst, n, 'e', -1, 64)
	if end := len(dst); end >= 4 && dst[end-4] == 'e' && dst[end-3] == '-' && dst[end-2] == '0' {
		dst[end-2] = dst[end-1]
		dst = dst[:end-1]
	}
	return dst
}

const hexDigits = "0123456789abcdef"

// appendText quotes s. Only what JSON requires is escaped; bytes that are no
// UTF-8 (a gRPC string never holds any) become U+FFFD.
func appendText(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				dst = append(append(dst, s[start:i]...), "\uFFFD"...)
				start = i + 1
			}
			i += size
			continue
		}
		dst = appendEscape(append(dst, s[start:i]...), c)
		i++
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}
