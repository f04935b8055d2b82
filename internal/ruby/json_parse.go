package ruby

import (
	"math/big"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonReader reads JSON as Ruby's own parser does (json 2.6): comments are
// skipped, NaN is refused, and messages are its own.
type jsonReader struct {
	m       *Env
	s       string
	pos     int
	symbols bool
	nan     bool
	max     int
}

func (m *Env) parseJSON(v Value, kw *Hash, lenient bool) Value {
	if v == nil {
		m.raise("TypeError", "no implicit conversion of nil into String")
	}
	s := m.text(v)
	text := s.s
	if s.enc.wide() {
		text = m.transcode(s.s, s.enc, utf8Enc, conversion{})
	}
	r := &jsonReader{m: m, s: text, max: 100, nan: lenient}
	if lenient {
		r.max = maxNesting
	}
	if v, ok := kw.keyword("symbolize_names"); ok {
		r.symbols = truthy(v)
	}
	if v, ok := kw.keyword("allow_nan"); ok {
		r.nan = truthy(v)
	}
	if v, ok := kw.keyword("max_nesting"); ok && v != nil {
		if r.max = 0; truthy(v) {
			r.max = m.int(v)
		}
	}
	r.blanks()
	if r.pos >= len(r.s) {
		if lenient && strings.TrimSpace(r.s) == "" {
			return nil
		}
		r.unexpected(r.pos)
	}
	out := r.value(1)
	r.blanks()
	if r.pos < len(r.s) {
		r.unexpected(r.pos)
	}
	return out
}

func (r *jsonReader) unexpected(at int) {
	r.m.raise("JSON::ParserError", "%d: unexpected token at '%s'", 859, r.s[min(at, len(r.s)):])
}

// blanks skips white space and comments.
func (r *jsonReader) blanks() {
	for r.pos < len(r.s) {
		switch c := r.s[r.pos]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			r.pos++
		case strings.HasPrefix(r.s[r.pos:], "/*"):
			end := strings.Index(r.s[r.pos+2:], "*/")
			if end < 0 {
				r.unexpected(r.pos)
			}
			r.pos += end + 4
		case strings.HasPrefix(r.s[r.pos:], "//"):
			end := strings.IndexByte(r.s[r.pos:], '\n')
			if end < 0 {
				r.unexpected(r.pos)
			}
			r.pos += end + 1
		default:
			return
		}
	}
}

func (r *jsonReader) value(depth int) Value {
	r.m.step()
	if r.pos >= len(r.s) {
		r.unexpected(r.pos)
	}
	switch c := r.s[r.pos]; {
	case c == '{':
		return r.object(depth)
	case c == '[':
		return r.array(depth)
	case c == '"':
		return r.m.str(r.string())
	case c == '-' || '0' <= c && c <= '9':
		return r.number()
	}
	for _, word := range []struct {
		text string
		v    Value
	}{{"null", nil}, {"true", true}, {"false", false}} {
		if strings.HasPrefix(r.s[r.pos:], word.text) {
			r.pos += len(word.text)
			return word.v
		}
	}
	return r.special()
}

// special reads NaN and Infinity, where they are allowed.
func (r *jsonReader) special() Value {
	for text, v := range map[string]float64{"NaN": nan, "Infinity": infinity, "-Infinity": -infinity} {
		if strings.HasPrefix(r.s[r.pos:], text) {
			if !r.nan {
				r.unexpected(r.pos)
			}
			r.pos += len(text)
			return v
		}
	}
	r.unexpected(r.pos)
	return nil
}

func (r *jsonReader) deeper(depth int) {
	if r.max > 0 && depth > r.max || depth > maxNesting {
		r.m.raise("JSON::NestingError", "nesting of %d is too deep", depth)
	}
}

func (r *jsonReader) array(depth int) Value {
	r.deeper(depth)
	start := r.pos
	r.pos++
	var out []Value
	for first := true; ; first = false {
		r.blanks()
		if r.pos >= len(r.s) {
			r.unexpected(start)
		}
		if r.s[r.pos] == ']' && first {
			break
		}
		out = append(out, r.value(depth+1))
		r.m.charge(16)
		r.blanks()
		if r.pos >= len(r.s) {
			r.unexpected(start)
		}
		if r.s[r.pos] == ']' {
			break
		}
		if r.s[r.pos] != ',' {
			r.unexpected(r.pos)
		}
		r.pos++
	}
	r.pos++
	return r.m.array(out)
}

func (r *jsonReader) object(depth int) Value {
	r.deeper(depth)
	start := r.pos
	r.pos++
	h := r.m.newHash()
	for first := true; ; first = false {
		r.blanks()
		if r.pos < len(r.s) && r.s[r.pos] == '}' && first {
			break
		}
		if r.pos >= len(r.s) || r.s[r.pos] != '"' {
			r.m.raise("JSON::ParserError", "expected object key, got '%s' at line %d column %d", r.near(), r.line(), r.col())
		}
		k := r.string()
		r.blanks()
		if r.pos >= len(r.s) || r.s[r.pos] != ':' {
			r.unexpected(start)
		}
		r.pos++
		r.blanks()
		v := r.value(depth + 1)
		if r.symbols {
			r.m.hashSet(h, Sym(k), v)
		} else {
			r.m.hashSet(h, r.m.str(k), v)
		}
		r.blanks()
		if r.pos < len(r.s) && r.s[r.pos] == '}' {
			break
		}
		if r.pos >= len(r.s) || r.s[r.pos] != ',' {
			r.unexpected(start)
		}
		r.pos++
	}
	r.pos++
	return h
}

func (r *jsonReader) near() string { return r.s[r.pos:] }
func (r *jsonReader) line() int    { return strings.Count(r.s[:r.pos], "\n") + 1 }
func (r *jsonReader) col() int     { return r.pos - strings.LastIndexByte(r.s[:r.pos], '\n') }

func (r *jsonReader) string() string {
	start := r.pos
	r.pos++
	var b []byte
	for {
		if r.pos >= len(r.s) {
			r.unexpected(start)
		}
		c := r.s[r.pos]
		switch {
		case c == '"':
			r.pos++
			return string(b)
		case c == '\\':
			b = r.escape(b, start)
		case c < 0x20:
			r.unexpected(start)
		default:
			b = append(b, c)
			r.pos++
		}
	}
}

func (r *jsonReader) escape(b []byte, start int) []byte {
	if r.pos+1 >= len(r.s) {
		r.unexpected(start)
	}
	c := r.s[r.pos+1]
	r.pos += 2
	switch c {
	case 'b':
		return append(b, '\b')
	case 'f':
		return append(b, '\f')
	case 'n':
		return append(b, '\n')
	case 'r':
		return append(b, '\r')
	case 't':
		return append(b, '\t')
	case 'u':
		return r.unicode(b, start)
	}
	if c < 0x20 {
		r.unexpected(start)
	}
	return append(b, c)
}

func (r *jsonReader) unicode(b []byte, start int) []byte {
	u, ok := r.hex4(r.pos)
	if !ok {
		r.unexpected(start)
	}
	r.pos += 4
	if utf16.IsSurrogate(u) {
		if strings.HasPrefix(r.s[r.pos:], `\u`) {
			if low, ok := r.hex4(r.pos + 2); ok {
				if full := utf16.DecodeRune(u, low); full != utf8.RuneError {
					r.pos += 6
					return utf8.AppendRune(b, full)
				}
			}
		}
		r.m.unsupported("half of a surrogate pair in JSON text", "")
	}
	return utf8.AppendRune(b, u)
}

func (r *jsonReader) hex4(at int) (rune, bool) {
	if at+4 > len(r.s) {
		return 0, false
	}
	n, err := strconv.ParseUint(r.s[at:at+4], 16, 32)
	return rune(n), err == nil
}

func (r *jsonReader) number() Value {
	start := r.pos
	i := r.pos
	if r.s[i] == '-' {
		i++
		if strings.HasPrefix(r.s[i:], "Infinity") {
			return r.special()
		}
	}
	from := i
	for i < len(r.s) && isDigitByte(r.s[i]) {
		i++
	}
	if i == from || r.s[from] == '0' && i > from+1 {
		r.unexpected(start)
	}
	end, float := i, false
	if i+1 < len(r.s) && r.s[i] == '.' && isDigitByte(r.s[i+1]) {
		float = true
		for i++; i < len(r.s) && isDigitByte(r.s[i]); {
			i++
		}
		end = i
	}
	if i < len(r.s) && (r.s[i] == 'e' || r.s[i] == 'E') {
		j := i + 1
		if j < len(r.s) && (r.s[j] == '+' || r.s[j] == '-') {
			j++
		}
		if j < len(r.s) && isDigitByte(r.s[j]) {
			float = true
			for j < len(r.s) && isDigitByte(r.s[j]) {
				j++
			}
			end = j
		}
	}
	r.pos = end
	text := r.s[start:end]
	if float {
		f, _ := strconv.ParseFloat(text, 64)
		return f
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n
	}
	if len(text) > maxBits/4 {
		panic(&LimitError{"large a number"})
	}
	n, _ := new(big.Int).SetString(text, 10)
	return r.m.norm(n)
}
