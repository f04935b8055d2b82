package event

import "slices"

// CompactRecord is the hot path: it checks that b is one JSON object (RFC 8259),
// and appends it without white space. It does so only when the result is byte
// for byte what AppendJSON(ParseJSON(b)) would print; otherwise, and for
// anything malformed, ok is false, dst comes back as it was, and the general
// reader decides. It allocates nothing but what dst needs.
//
// Refused although valid: exponents, -0, floats whose shortest form differs,
// surrogate pairs as escapes, escapes in keys that Fluentd would not write,
// a key twice in one object, comments, and more than 64 levels.
func CompactRecord(dst, b []byte) (out []byte, ok bool) {
	c := compactor{b: b, dst: dst}
	i := c.spaces(0)
	if i >= len(b) || b[i] != '{' || len(b) > maxCompact {
		return dst, false
	}
	end := c.record(i)
	if end < 0 || c.spaces(end) != len(b) {
		return dst, false
	}
	return c.dst, true
}

// CanonicalRecord is CompactRecord without a copy where none is needed: a record
// over the text as it lies in b when it is compact, over other text else. key is the
// field that will be asked for first: where it is gets noted on the way.
func CanonicalRecord(b []byte, key string) (r *Record, ok bool) {
	c := compactor{b: b, want: key}
	start := c.spaces(0)
	if start >= len(b) || b[start] != '{' || len(b) > maxCompact {
		return nil, false
	}
	end := c.check(start)
	if end < 0 || c.spaces(end) != len(b) {
		return nil, false
	}
	return &Record{raw: c.canonical(start, end), sought: c.found}, true
}

// CanonicalArray is CanonicalRecord for an array of objects, such as a handler's
// batch. The records lie in one slice, and their texts in b where they are
// compact, so that a batch costs a few allocations whatever it holds.
func CanonicalArray(b []byte, key string) (records []Record, ok bool) {
	c := compactor{b: b, want: key}
	i := c.spaces(0)
	if i >= len(b) || b[i] != '[' || len(b) > maxCompact {
		return nil, false
	}
	for first := true; ; first = false {
		i = c.spaces(i + 1)
		if first && i < len(b) && b[i] == ']' {
			break
		}
		if i >= len(b) || b[i] != '{' {
			return nil, false
		}
		start := i
		if i = c.check(start); i < 0 {
			return nil, false
		}
		if first {
			records = make([]Record, 0, min((len(b)-start)/(i-start+1)+1, maxFirstBatch))
		}
		records = append(records, Record{raw: c.canonical(start, i), sought: c.found})
		if i = c.spaces(i); i >= len(b) {
			return nil, false
		}
		if b[i] == ']' {
			break
		}
		if b[i] != ',' {
			return nil, false
		}
	}
	if c.spaces(i+1) != len(b) {
		return nil, false
	}
	return records, true
}

// maxFirstBatch is for how many records room is made when only the first one has
// been seen: it may be much shorter than the others.
const maxFirstBatch = 128

const (
	maxCompactDepth = 64
	maxCompact      = 1 << 31 // places in the text are kept in 32 bits
)

// compactor walks over the text. Its methods take a place in b and return the
// place behind what they checked, or a negative number to refuse.
type compactor struct {
	b    []byte
	dst  []byte
	run  int // b[run:] up to the present place is good but not yet copied
	from int // where the present record begins in dst, if it has to be copied
	id   uint32
	keys keySet

	want  string // a key of the record whose place is noted
	found int    // what Record.sought shall be
}

// refused is what the methods return when the general reader must decide.
const refused = -1

// record walks over the object that opens at i and copies it.
func (c *compactor) record(i int) int {
	end := c.check(i)
	if end >= 0 {
		c.dst = append(c.dst, c.b[c.run:end]...)
	}
	return end
}

// check walks over the object that opens at i; what lies behind c.run remains to
// be copied.
func (c *compactor) check(i int) int {
	c.run, c.from, c.found = i, len(c.dst), 0
	c.keys.reset()
	end := c.object(i+1, 1)
	c.keys.release()
	return end
}

// canonical is the text of the record from start to end, which has been checked:
// where it lies in b if nothing had to be left out, else in dst, with what remains
// to be copied.
func (c *compactor) canonical(start, end int) []byte {
	if c.run == start {
		return c.b[start:end:end]
	}
	c.dst = append(c.dst, c.b[c.run:end]...)
	if c.from == 0 {
		// The records behind this one mostly need a copy too; none gets longer.
		c.dst = slices.Grow(c.dst, len(c.b)-end)
	}
	return c.dst[c.from:len(c.dst):len(c.dst)]
}

// spaces is the place behind white space that lies outside of the record.
func (c *compactor) spaces(i int) int {
	for i < len(c.b) && isSpace(c.b[i]) {
		i++
	}
	return i
}

func isSpace(b byte) bool { return b == ' ' || b == '\n' || b == '\t' || b == '\r' }

// token is the next byte that is no white space, which is left out, and its
// place; at the end of the text the byte is 0.
func (c *compactor) token(i int) (byte, int) {
	if i < len(c.b) && c.b[i] > ' ' {
		return c.b[i], i
	}
	return c.tokenAfterSpace(i)
}

func (c *compactor) tokenAfterSpace(i int) (byte, int) {
	end := c.spaces(i)
	if end > i {
		c.dst = append(c.dst, c.b[c.run:i]...)
		c.run = end
	}
	if end >= len(c.b) {
		return 0, end
	}
	return c.b[end], end
}

// object walks over the fields of an object, from behind its brace.
func (c *compactor) object(i, depth int) int {
	if depth > maxCompactDepth {
		return refused
	}
	c.id++
	id := c.id
	b, i := c.token(i)
	if b == '}' {
		return i + 1
	}
	for {
		if b != '"' {
			return refused
		}
		if depth == 1 && c.wanted(i+1) {
			// Before the quote there is the comma, or the brace.
			c.found = len(c.dst) - c.from + i - c.run - 1
		}
		if i = c.key(i+1, id); i < 0 {
			return refused
		}
		if b, i = c.token(i); b != ':' {
			return refused
		}
		if i = c.value(i+1, depth); i < 0 {
			return refused
		}
		b, i = c.token(i)
		if b == '}' {
			return i + 1
		}
		if b != ',' {
			return refused
		}
		b, i = c.token(i + 1)
	}
}

// wanted tells whether the key that begins at i is the one to be noted.
func (c *compactor) wanted(i int) bool {
	end := i + len(c.want)
	return end < len(c.b) && c.b[end] == '"' && string(c.b[i:end]) == c.want
}

// array walks over the elements of an array, from behind its bracket.
func (c *compactor) array(i, depth int) int {
	if depth > maxCompactDepth {
		return refused
	}
	b, i := c.token(i)
	if b == ']' {
		return i + 1
	}
	for {
		if i = c.value(i, depth); i < 0 {
			return refused
		}
		b, i = c.token(i)
		if b == ']' {
			return i + 1
		}
		if b != ',' {
			return refused
		}
		i++
	}
}

func (c *compactor) value(i, depth int) int {
	b, i := c.token(i)
	switch b {
	case '"':
		return c.string(i + 1)
	case '{':
		return c.object(i+1, depth+1)
	case '[':
		return c.array(i+1, depth+1)
	case 't':
		return c.word(i, "true")
	case 'f':
		return c.word(i, "false")
	case 'n':
		return c.word(i, "null")
	}
	return c.number(i)
}

func (c *compactor) word(i int, w string) int {
	if len(c.b)-i >= len(w) && string(c.b[i:i+len(w)]) == w {
		return i + len(w)
	}
	return refused
}
