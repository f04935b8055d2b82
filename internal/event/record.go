package event

import "iter"

// Record is a map from text to values that keeps the order of its keys. It is
// lazy in three levels: the whole as canonical JSON text; split into fields
// whose values are still text; fields decoded one by one as they are asked for.
//
// A Record is not safe for concurrent use, not even for reading: reading may
// split or decode it.
type Record struct {
	raw    []byte // level one, text that may change: somebody else's (RawRecord), or
	owned  bool   // ... ours to edit
	text   string // level one, text that never changes
	edit   edit   // level one, a change that the text does not have yet
	sought int    // level one, behind what the field lies that was found last; 0: none
	split  bool   // levels two and three: fields counts, raw and text are gone

	fields []field
	live   int              // fields that are not deleted
	index  map[string]int32 // key → place in fields; nil until a large record is searched
	scans  uint8            // what was done on level one
	finds  uint8            // lookups made in a large record without index
}

// field is one key and its value. Deleted fields stay as gaps, so that the index
// holds and deleting many is not quadratic.
type field struct {
	key   string
	text  string // canonical `"key":value`; empty once only val is true
	val   any
	colon uint32 // where the value begins in text
	state state
}

type state uint8

const (
	undecoded state = iota // only text is there
	decoded                // val is there, and text too when it is still true
	deleted
)

const (
	smallRecord = 40 // up to here a linear search is faster than a map
	maxScans    = 4  // so many times the text is scanned before it is split
	maxFinds    = 8  // so many lookups search a large record before a map is made
)

// RawRecord is a record over the canonical JSON text of one object, as
// CompactRecord or AppendJSON write it. The text is not copied: it must not
// change while the record lives (Clone detaches). Text that is no such object
// gives a record with whatever fields could be read.
func RawRecord(canonical []byte) *Record { return &Record{raw: canonical} }

// NewRecord makes a record of keys and values in turn: NewRecord("a", 1, "b", "x").
// A key that is no string is written as text; a last key without value has nil.
func NewRecord(kv ...any) *Record {
	r := &Record{split: true}
	for i := 0; i < len(kv); i += 2 {
		var v any
		if i+1 < len(kv) {
			v = kv[i+1]
		}
		r.Set(Text(kv[i]), v)
	}
	return r
}

// Len is the number of fields.
func (r *Record) Len() int {
	r.open()
	return r.live
}

// Get is the value of one field, and whether there is one. An object or array
// that is changed afterwards changes in the record too.
func (r *Record) Get(key string) (any, bool) {
	if r.scan() {
		if v, found, ok := r.peek(key); ok {
			return v, found
		}
	}
	r.open()
	i := r.find(key)
	if i < 0 {
		return nil, false
	}
	return r.fields[i].value(), true
}

// Set gives a field a value. A new key goes to the end, an old one keeps its
// place. Other number types than the record's own are converted.
func (r *Record) Set(key string, v any) {
	v = canonicalValue(v)
	if r.scan() && r.setText(key, v) {
		return
	}
	r.open()
	if i := r.find(key); i >= 0 {
		f := &r.fields[i]
		f.val, f.text, f.state = v, "", decoded
		return
	}
	r.add(field{key: key, val: v, state: decoded})
}

// Delete takes a field out and returns its value.
func (r *Record) Delete(key string) (any, bool) {
	if r.scan() {
		return r.deleteText(key)
	}
	r.open()
	i := r.find(key)
	if i < 0 {
		return nil, false
	}
	v := r.fields[i].value()
	if r.index != nil {
		delete(r.index, key)
	}
	r.fields[i] = field{state: deleted}
	r.live--
	return v, true
}

// All goes through the fields in order. A field that is deleted meanwhile is
// left out; one that is added meanwhile may be.
func (r *Record) All() iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		r.open()
		for i := 0; i < len(r.fields); i++ {
			f := &r.fields[i]
			if f.state != deleted && !yield(f.key, f.value()) {
				return
			}
		}
	}
}

// Keys are the names of the fields in order.
func (r *Record) Keys() []string {
	r.open()
	keys := make([]string, 0, r.live)
	for i := range r.fields {
		if f := &r.fields[i]; f.state != deleted {
			keys = append(keys, f.key)
		}
	}
	return keys
}

// Clone is a deep copy that shares nothing that can change: neither the
// caller's bytes nor nested values.
func (r *Record) Clone() *Record {
	if !r.split {
		r.settle()
		if r.raw != nil {
			return &Record{text: string(r.raw)}
		}
		return &Record{text: r.text}
	}
	c := &Record{split: true, fields: make([]field, 0, r.live), live: r.live}
	for _, f := range r.fields {
		if f.state == deleted {
			continue
		}
		f.val = cloneValue(f.val)
		c.fields = append(c.fields, f)
	}
	return c
}

// Raw is the canonical JSON text of the whole record while nothing has split it:
// of a RawRecord the very bytes. They must not be changed, and are good until the
// record is changed.
func (r *Record) Raw() ([]byte, bool) {
	r.settle()
	switch {
	case r.split:
		return nil, false
	case r.raw != nil:
		return r.raw, true
	case r.text != "":
		return []byte(r.text), true
	}
	return nil, false
}

// AppendJSON appends the record as Fluentd prints it.
func (r *Record) AppendJSON(dst []byte) []byte { return appendRecord(dst, r, 0) }

// MergeInto sets all fields of r in dst, in order.
func (r *Record) MergeInto(dst *Record) {
	for k, v := range r.All() {
		dst.Set(k, v)
	}
}

// value decodes the field if need be. Text that an object or array could make
// untrue is given up.
func (f *field) value() any {
	if f.state != undecoded {
		return f.val
	}
	f.val, f.state = decodeText(f.text[f.colon:]), decoded
	switch f.val.(type) {
	case *Record, []any:
		f.text = ""
	}
	return f.val
}

// find is the place of a key among the fields, or -1.
func (r *Record) find(key string) int {
	if r.index == nil && (len(r.fields) <= smallRecord || r.finds < maxFinds) {
		if len(r.fields) > smallRecord {
			r.finds++
		}
		for i := range r.fields {
			if f := &r.fields[i]; f.key == key && f.state != deleted {
				return i
			}
		}
		return -1
	}
	if r.index == nil {
		r.makeIndex()
	}
	if i, ok := r.index[key]; ok {
		return int(i)
	}
	return -1
}

func (r *Record) makeIndex() {
	r.index = make(map[string]int32, len(r.fields))
	for i := range r.fields {
		if f := &r.fields[i]; f.state != deleted {
			r.index[f.key] = int32(i)
		}
	}
}

// add appends a field whose key is new. When most of the fields are gaps it
// closes them first, so that a record that is set and deleted for ever stays
// small.
func (r *Record) add(f field) {
	if len(r.fields) > smallRecord && r.live < len(r.fields)/2 {
		kept := r.fields[:0]
		for _, f := range r.fields {
			if f.state != deleted {
				kept = append(kept, f)
			}
		}
		clear(r.fields[len(kept):])
		r.fields, r.index = kept, nil
	}
	r.fields = append(r.fields, f)
	r.live++
	if r.index != nil {
		r.index[f.key] = int32(len(r.fields) - 1)
	}
}
