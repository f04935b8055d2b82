package event

import (
	"math"
	"math/big"
	"strconv"
)

// AppendJSON appends a value as Fluentd (Oj in compat mode) prints it: no
// spaces; `\" \\ \b \f \n \r \t` and `\u00XX` below 0x20 are the only escapes;
// bytes that are no UTF-8 stay as they are; floats always have a point or an
// exponent with one; Infinity and NaN as these words; a Time as its seconds.
func AppendJSON(dst []byte, v any) []byte { return appendJSON(dst, v, 0) }

// maxPrintDepth is far beyond MaxDepth. Only a value that holds itself is
// deeper; it ends in null instead of ending the program.
const maxPrintDepth = 4 * MaxDepth

func appendJSON(dst []byte, v any, depth int) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...)
	case bool:
		return strconv.AppendBool(dst, v)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case string:
		return appendQuoted(dst, v)
	case float64:
		return appendFloat(dst, v)
	case *Record:
		return appendRecord(dst, v, depth)
	case []any:
		return appendArray(dst, v, depth)
	case *big.Int:
		return v.Append(dst, 10)
	case Binary:
		return appendQuoted(dst, text(v))
	case Time:
		return strconv.AppendInt(dst, v.Sec, 10)
	}
	return appendJSON(dst, canonicalValue(v), depth)
}

func appendRecord(dst []byte, r *Record, depth int) []byte {
	switch {
	case r == nil || depth > maxPrintDepth:
		return append(dst, "null"...)
	case r.edit.text != nil:
		return appendEdited(dst, r.unedited(), r.edit)
	case r.raw != nil:
		return append(dst, r.raw...)
	case r.text != "":
		return append(dst, r.text...)
	}
	dst = append(dst, '{')
	first := true
	for i := range r.fields {
		f := &r.fields[i]
		if f.state == deleted {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		if f.text != "" {
			dst = append(dst, f.text...)
			continue
		}
		dst = append(appendQuoted(dst, f.key), ':')
		dst = appendJSON(dst, f.val, depth+1)
	}
	return append(dst, '}')
}

func appendArray(dst []byte, a []any, depth int) []byte {
	if depth > maxPrintDepth {
		return append(dst, "null"...)
	}
	dst = append(dst, '[')
	for i, v := range a {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendJSON(dst, v, depth+1)
	}
	return append(dst, ']')
}

// escapes tells what a byte becomes within a string: 0 itself, 'u' \u00XX, else
// a backslash and that letter.
var escapes = func() (t [256]byte) {
	for c := range 0x20 {
		t[c] = 'u'
	}
	for esc, c := range plainEscapes {
		if c != 0 && c != '/' {
			t[c] = byte(esc)
		}
	}
	return t
}()

const hexDigits = "0123456789abcdef"

// appendQuoted appends text in double quotes.
func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	run := 0
	for i := 0; i < len(s); i++ {
		if escapes[s[i]] == 0 {
			continue
		}
		dst = appendEscaped(append(dst, s[run:i]...), s[i])
		run = i + 1
	}
	return append(append(dst, s[run:]...), '"')
}

// appendEscaped appends one byte of a string, escaped if it must be.
func appendEscaped(dst []byte, c byte) []byte {
	switch e := escapes[c]; e {
	case 0:
		return append(dst, c)
	case 'u':
		return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
	default:
		return append(dst, '\\', e)
	}
}

// appendFloat prints a float as Oj does: those without fraction that fit a
// 64-bit integer with all their digits, the others as Ruby's to_s.
func appendFloat(dst []byte, f float64) []byte {
	if f == math.Trunc(f) && -(1<<63) <= f && f < 1<<63 {
		return append(strconv.AppendInt(dst, int64(f), 10), '.', '0')
	}
	return appendRubyFloat(dst, f)
}

// appendRubyFloat is Ruby's Float#to_s: the shortest digits that read back the
// same, with an exponent of at least two digits below 1e-4 and from 1e16 on.
func appendRubyFloat(dst []byte, f float64) []byte {
	switch abs := math.Abs(f); {
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	case abs != 0 && (abs < 1e-4 || abs >= 1e16):
		return appendExponent(dst, f)
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
	for _, c := range dst[start:] {
		if c == '.' {
			return dst
		}
	}
	return append(dst, '.', '0')
}

// appendExponent writes 1.0e+21 where Go would write 1e+21.
func appendExponent(dst []byte, f float64) []byte {
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
	for i := start; i < len(dst); i++ {
		switch dst[i] {
		case '.':
			return dst
		case 'e':
			tail := string(dst[i:])
			return append(append(dst[:i], '.', '0'), tail...)
		}
	}
	return dst
}
