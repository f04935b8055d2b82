package event

import (
	"iter"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// cutter goes through the fields of an object's canonical text without decoding
// anything. It never reads beyond the text, and stops where the text is not
// what it should be.
type cutter struct {
	s     string
	begin int // the key's opening quote
	quote int // behind the key's closing quote
	colon int // where the value begins
	end   int // behind the value; 0 before the first field
}

func (c *cutter) next() bool {
	s, i := c.s, c.end
	if i == 0 {
		if len(s) < 2 || s[0] != '{' {
			return false
		}
	} else if i >= len(s) || s[i] != ',' {
		return false
	}
	i++
	if i >= len(s) || s[i] != '"' {
		return false
	}
	c.begin = i
	c.quote = stringEnd(s, i)
	c.colon = c.quote + 1
	if c.colon >= len(s) || s[c.quote] != ':' {
		return false
	}
	c.end = valueEnd(s, c.colon)
	return c.end > c.colon
}

// is tells whether the present field has this key.
func (c *cutter) is(key string) bool {
	k := c.s[c.begin+1 : c.quote-1]
	if len(k) == len(key) {
		return k == key && strings.IndexByte(k, '\\') < 0
	}
	// An escape is longer than what it stands for.
	return len(k) > len(key) && strings.IndexByte(k, '\\') >= 0 && unquoteCanonical(k) == key
}

// cut fills the fields from the text of an object, which is ours.
func (r *Record) cut(s string) {
	// Room for all fields, though nested values and text have commas too.
	r.fields = make([]field, 0, min(strings.Count(s, ",")+2, len(s)/24+4))
	for c := (cutter{s: s}); c.next(); {
		key := s[c.begin+1 : c.quote-1]
		if strings.IndexByte(key, '\\') >= 0 {
			key = unquoteCanonical(key)
		}
		r.fields = append(r.fields, field{key: key, text: s[c.begin:c.end], colon: uint32(c.colon - c.begin)})
	}
	r.live = len(r.fields)
}

// stringEnd is the place behind the closing quote of the string that opens at i,
// or len(s)+1 when there is none.
func stringEnd(s string, i int) int {
	for from := i + 1; ; {
		q := strings.IndexByte(s[from:], '"')
		if q < 0 {
			return len(s) + 1
		}
		q += from
		back := q
		for back > from && s[back-1] == '\\' {
			back--
		}
		if (q-back)%2 == 0 {
			return q + 1
		}
		from = q + 1
	}
}

// valueEnd is the place behind the value that begins at i, or 0 when it has no end.
func valueEnd(s string, i int) int {
	switch s[i] {
	case '"':
		if end := stringEnd(s, i); end <= len(s) {
			return end
		}
		return 0
	case '{', '[':
		return nestedEnd(s, i)
	}
	for i < len(s) && s[i] != ',' && s[i] != '}' && s[i] != ']' {
		i++
	}
	return i
}

func nestedEnd(s string, i int) int {
	for depth := 0; i < len(s); i++ {
		switch s[i] {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		case '"':
			i = stringEnd(s, i) - 1
		}
	}
	return 0
}

// decodeText is the value of a canonical JSON text that is ours. Objects stay
// text.
func decodeText(s string) any {
	if s == "" {
		return nil
	}
	switch s[0] {
	case '{':
		return &Record{text: s}
	case '[':
		return decodeElements(s)
	case '"':
		if len(s) < 2 {
			return ""
		}
		return unquoteCanonical(s[1 : len(s)-1])
	case 'n':
		return nil
	case 't':
		return true
	case 'f':
		return false
	case 'N':
		return math.NaN()
	case 'I':
		return math.Inf(1)
	}
	if s == "-Infinity" {
		return math.Inf(-1)
	}
	return decodeNumber(s)
}

// decodeNumber reads the text of an integer or float; it knows already that it
// is one.
func decodeNumber(s string) any {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n
	}
	if strings.ContainsAny(s, ".eE") {
		// Out of range is no error here: it is Infinity, as Oj reads it.
		f, _ := strconv.ParseFloat(s, 64)
		return f
	}
	if n, ok := new(big.Int).SetString(s, 10); ok {
		return n
	}
	return nil
}

// elements are the texts of an array's elements.
func elements(s string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := 1; i < len(s) && s[i] != ']'; i++ {
			end := valueEnd(s, i)
			if end <= i || !yield(s[i:end]) {
				return
			}
			i = end
		}
	}
}

func decodeElements(s string) []any {
	out := []any{}
	for e := range elements(s) {
		out = append(out, decodeText(e))
	}
	return out
}

// unquoteCanonical undoes the few escapes that canonical text has. Text without
// any is returned as it is.
func unquoteCanonical(s string) string {
	i := strings.IndexByte(s, '\\')
	if i < 0 {
		return s
	}
	out := make([]byte, 0, len(s))
	for {
		out = append(out, s[:i]...)
		s = s[i:]
		if len(s) < 2 {
			break
		}
		n := 2
		switch c := s[1]; c {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			if len(s) >= 6 {
				u, _ := strconv.ParseUint(s[2:6], 16, 8)
				out = append(out, byte(u))
				n = 6
			}
		default:
			out = append(out, c)
		}
		s = s[n:]
		if i = strings.IndexByte(s, '\\'); i < 0 {
			return string(append(out, s...))
		}
	}
	return string(out)
}
