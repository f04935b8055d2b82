package ruby

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// jsonWriter prints JSON as Ruby's own generator does (json 2.6).
type jsonWriter struct {
	m      *Env
	pretty bool
	nan    bool // NaN and Infinity are allowed
	max    int  // nesting, 0 for no bound
	dst    []byte
}

func objToJSON(m *Env, self Value, a []Value, _ *Proc) Value {
	if len(a) > 0 {
		m.unsupported("to_json with options", "use JSON.generate")
	}
	w := jsonWriter{m: m, max: 100}
	return w.run(self)
}

func (w *jsonWriter) run(v Value) Value {
	w.value(v, 1)
	return w.m.str(string(w.dst))
}

func (w *jsonWriter) value(v Value, depth int) {
	w.m.step()
	before := len(w.dst)
	switch v := v.(type) {
	case nil:
		w.dst = append(w.dst, "null"...)
	case bool:
		w.dst = strconv.AppendBool(w.dst, v)
	case int64:
		w.dst = strconv.AppendInt(w.dst, v, 10)
	case *big.Int:
		w.dst = v.Append(w.dst, 10)
	case float64:
		w.float(v)
	case *Str:
		w.string(v)
	case *Array:
		w.array(v, depth)
	case *Hash:
		w.hash(v, depth)
	default:
		w.string(w.m.toS(v))
	}
	w.m.charge(max(len(w.dst)-before, 0))
}

func (w *jsonWriter) float(f float64) {
	if (math.IsNaN(f) || math.IsInf(f, 0)) && !w.nan {
		w.m.raise("JSON::GeneratorError", "920: %s not allowed in JSON", formatFloat(f))
	}
	w.dst = append(w.dst, formatFloat(f)...)
}

func (w *jsonWriter) string(s *Str) {
	text := s.s
	if s.enc != utf8Enc && s.enc != asciiEnc && s.enc != binaryEnc {
		text = w.m.transcode(s.s, s.enc, utf8Enc, conversion{})
	}
	if !utf8.ValidString(text) {
		if s.enc == binaryEnc {
			w.m.raise("Encoding::UndefinedConversionError", "%s from ASCII-8BIT to UTF-8", byteText(text[firstHigh(text):firstHigh(text)+1]))
		}
		w.m.raise("JSON::GeneratorError", "source sequence is illegal/malformed utf-8")
	}
	if s.enc == binaryEnc && !isASCII(text) {
		w.m.raise("Encoding::UndefinedConversionError", "%s from ASCII-8BIT to UTF-8", byteText(text[firstHigh(text):firstHigh(text)+1]))
	}
	w.dst = appendJSONString(w.dst, text)
}

func firstHigh(s string) int {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return i
		}
	}
	return 0
}

func appendJSONString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := range len(s) {
		switch c := s[i]; c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, `\b`...)
		case '\f':
			dst = append(dst, `\f`...)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		default:
			if c < 0x20 {
				dst = append(dst, '\\', 'u', '0', '0', "0123456789abcdef"[c>>4], "0123456789abcdef"[c&15])
			} else {
				dst = append(dst, c)
			}
		}
	}
	return append(dst, '"')
}

func (w *jsonWriter) deeper(depth int) {
	if w.max > 0 && depth > w.max {
		w.m.raise("JSON::NestingError", "nesting of %d is too deep", depth)
	}
	if depth > maxNesting {
		panic(newException("SystemStackError", "stack level too deep"))
	}
}

// line begins a new line of pretty output.
func (w *jsonWriter) line(depth int) {
	if w.pretty {
		w.dst = append(w.dst, '\n')
		w.dst = append(w.dst, strings.Repeat("  ", depth)...)
	}
}

func (w *jsonWriter) array(a *Array, depth int) {
	w.deeper(depth)
	w.dst = append(w.dst, '[')
	for i, v := range a.v {
		if i > 0 {
			w.dst = append(w.dst, ',')
		}
		w.line(depth)
		w.value(v, depth+1)
	}
	if len(a.v) == 0 && w.pretty {
		w.dst = append(w.dst, '\n')
	}
	w.line(depth - 1)
	w.dst = append(w.dst, ']')
}

func (w *jsonWriter) hash(h *Hash, depth int) {
	w.deeper(depth)
	w.dst = append(w.dst, '{')
	first := true
	h.each(func(k, v Value) {
		if !first {
			w.dst = append(w.dst, ',')
		}
		first = false
		w.line(depth)
		w.string(w.m.toS(k))
		w.dst = append(w.dst, ':')
		if w.pretty {
			w.dst = append(w.dst, ' ')
		}
		w.value(v, depth+1)
	})
	w.line(depth - 1)
	w.dst = append(w.dst, '}')
}

// jsonClassMethods are JSON.parse and its like.
func jsonClassMethods() table {
	generate := func(pretty bool) fn {
		return func(m *Env, _ Value, a []Value, _ *Proc) Value {
			w := jsonWriter{m: m, pretty: pretty, max: 100}
			_, kw := m.keywords(a, "allow_nan", "max_nesting")
			if v, ok := kw.keyword("allow_nan"); ok {
				w.nan = truthy(v)
			}
			if v, ok := kw.keyword("max_nesting"); ok {
				w.max = int(m.int64(v))
			}
			if arg(a, 1) != nil && kw == nil {
				m.unsupported("JSON.generate with these options", "write them as keywords")
			}
			return w.run(a[0])
		}
	}
	parse := func(m *Env, _ Value, a []Value, _ *Proc) Value {
		_, kw := m.keywords(a, "symbolize_names", "allow_nan", "max_nesting", "create_additions")
		return m.parseJSON(a[0], kw, false)
	}
	return table{
		"generate":        {generate(false), 1, 2, true},
		"pretty_generate": {generate(true), 1, 1, true},
		"parse":           {parse, 1, 1, true},
		"parse!":          {parse, 1, 1, true},
		"dump": {func(m *Env, _ Value, a []Value, _ *Proc) Value {
			w := jsonWriter{m: m, nan: true}
			return w.run(a[0])
		}, 1, 1, false},
		"load": {func(m *Env, _ Value, a []Value, _ *Proc) Value {
			if a[0] == nil {
				return nil
			}
			return m.parseJSON(a[0], nil, true)
		}, 1, 1, false},
	}
}
