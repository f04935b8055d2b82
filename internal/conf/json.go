package conf

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Pair is one entry of a hash. Value is nil, bool, int64, *big.Int, float64,
// string, []any or, for a hash within the hash, []Pair.
type Pair struct {
	Key   string
	Value any
}

// jsonDepth is how deep arrays and hashes may lie in one another, as in Ruby's
// JSON.parse.
const jsonDepth = 100

// jsonReader reads one JSON value as Ruby's JSON.parse does, and besides, where
// comments is set, # to the end of the line as white space.
type jsonReader struct {
	text     string
	pos      int
	depth    int
	comments bool
}

// value reads what begins at the position, behind white space. On an error the
// position is where it is.
func (r *jsonReader) value() (any, error) {
	r.space()
	switch c := r.peek(); {
	case c == '[' || c == '{':
		return r.nested(c)
	case c == '"':
		return r.str()
	case c == '-' || isDigit(c):
		return r.number()
	case r.word("null"):
		return nil, nil
	case r.word("true"):
		return true, nil
	case r.word("false"):
		return false, nil
	}
	return nil, r.unexpected("a value")
}

func (r *jsonReader) nested(open byte) (any, error) {
	if r.depth++; r.depth > jsonDepth {
		return nil, fmt.Errorf("arrays and hashes are nested more than %d deep", jsonDepth)
	}
	defer func() { r.depth-- }()
	r.pos++
	if open == '[' {
		return r.array()
	}
	return r.hash()
}

func (r *jsonReader) array() (any, error) {
	list := []any{}
	for r.space(); r.peek() != ']'; r.space() {
		if len(list) > 0 && !r.comma() {
			return nil, r.unexpected("a comma or ]")
		}
		v, err := r.value()
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	r.pos++
	return list, nil
}

// hash reads from behind the { on. Keys need double quotes, and no comma may stand
// before the }.
func (r *jsonReader) hash() (any, error) {
	pairs, index := []Pair{}, map[string]int{}
	for r.space(); r.peek() != '}'; r.space() {
		if len(pairs) > 0 && !r.comma() {
			return nil, r.unexpected("a comma or }")
		}
		if r.space(); r.peek() != '"' {
			return nil, r.unexpected(`a key in double quotes`)
		}
		key, err := r.str()
		if err != nil {
			return nil, err
		}
		if r.space(); r.peek() != ':' {
			return nil, r.unexpected("a colon")
		}
		r.pos++
		v, err := r.value()
		if err != nil {
			return nil, err
		}
		// A key that comes again: the last value at the first one's place.
		if i, seen := index[key]; seen {
			pairs[i].Value = v
			continue
		}
		index[key] = len(pairs)
		pairs = append(pairs, Pair{key, v})
	}
	r.pos++
	return pairs, nil
}

func (r *jsonReader) comma() bool {
	if r.peek() != ',' {
		return false
	}
	r.pos++
	return true
}

// number keeps integers of any size; what has a point or an exponent is a float,
// whose text is not kept (1.50 is 1.5), as in Ruby.
func (r *jsonReader) number() (any, error) {
	start := r.pos
	r.skipByte("-")
	whole := r.digits()
	leadingZero := len(whole) > 1 && whole[0] == '0'
	isFloat := r.skipByte(".")
	fraction := !isFloat || r.digits() != ""
	if r.skipByte("eE") {
		isFloat = true
		r.skipByte("+-")
		fraction = r.digits() != "" && fraction
	}
	text := r.text[start:r.pos]
	if whole == "" || leadingZero || !fraction {
		r.pos = start
		return nil, fmt.Errorf("%q is no JSON number", text)
	}
	if isFloat {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil { // Ruby goes on with Infinity, which no JSON can say
			return nil, fmt.Errorf("the number %s is too large", text)
		}
		return f, nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, nil
	}
	n, _ := new(big.Int).SetString(text, 10)
	return n, nil
}

func (r *jsonReader) digits() string {
	start := r.pos
	for isDigit(r.peek()) {
		r.pos++
	}
	return r.text[start:r.pos]
}

func (r *jsonReader) skipByte(any string) bool {
	if c := r.peek(); c == 0 || strings.IndexByte(any, c) < 0 {
		return false
	}
	r.pos++
	return true
}

func (r *jsonReader) peek() byte {
	if r.pos < len(r.text) {
		return r.text[r.pos]
	}
	return 0
}

func (r *jsonReader) word(w string) bool {
	if !strings.HasPrefix(r.text[r.pos:], w) {
		return false
	}
	r.pos += len(w)
	return true
}

// space skips white space and comments.
func (r *jsonReader) space() {
	for r.pos < len(r.text) {
		n := spaceLen(r.text[r.pos:], r.comments)
		if n == 0 {
			return
		}
		r.pos += n
	}
}

// spaceLen is the length of the white space or comment with which s begins.
func spaceLen(s string, hashComments bool) int {
	switch {
	case strings.IndexByte(" \t\r\n", s[0]) >= 0:
		return 1
	case s[0] == '#' && hashComments, strings.HasPrefix(s, "//"):
		if i := strings.IndexByte(s, '\n'); i >= 0 {
			return i
		}
		return len(s)
	case strings.HasPrefix(s, "/*"):
		if i := strings.Index(s[2:], "*/"); i >= 0 {
			return i + 4
		}
	}
	return 0
}

// errJSONEnd is the commonest mistake: a bracket that is not closed.
var errJSONEnd = errors.New("the text ends within it")

func (r *jsonReader) unexpected(want string) error {
	if r.pos >= len(r.text) {
		return errJSONEnd
	}
	c, _ := utf8.DecodeRuneInString(r.text[r.pos:])
	return fmt.Errorf("%s is expected, not %q", want, c)
}

// jsonEnd is the offset after the bracket that closes the one with which s
// begins, -1 when there is none. What stands between need be no JSON.
func jsonEnd(s string) int {
	depth := 0
	for i := 0; i < len(s); {
		switch s[i] {
		case '[', '{':
			depth++
		case ']', '}':
			if depth--; depth == 0 {
				return i + 1
			}
		case '"':
			i += quotedLen(s[i:])
			continue
		}
		i += max(1, spaceLen(s[i:], true))
	}
	return -1
}

// quotedLen is the length of the double-quoted text with which s begins, up to
// the end of s when it is not closed.
func quotedLen(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(s)
}
