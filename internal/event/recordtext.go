package event

import (
	"slices"
	"strings"
)

// What is done to a record that is still text. A few fields read, taken out or
// set on the text itself cost less than splitting it; the published Teleport
// configuration takes the time out and puts it back at the end.

// scan tells whether one more scan of the text is allowed, and counts it.
func (r *Record) scan() bool {
	if r.split || r.scans >= maxScans {
		return false
	}
	r.scans++
	return true
}

// whole is the text of level one. It may be somebody else's.
func (r *Record) whole() string {
	if r.raw != nil {
		return text(r.raw)
	}
	return r.text
}

// open brings the record to level two. The text is copied once, so that all
// keys and values cut from it are safe to keep.
func (r *Record) open() {
	if r.split {
		return
	}
	s := r.whole()
	if r.raw != nil && !r.owned {
		s = string(r.raw)
	}
	// Text that was ours to edit is never edited again.
	r.raw, r.text, r.owned, r.split = nil, "", false, true
	r.cut(s)
}

// seek finds a key in the text.
func (r *Record) seek(key string) (cutter, bool) {
	c := cutter{s: r.whole()}
	for c.next() {
		if c.is(key) {
			return c, true
		}
	}
	return c, false
}

// peek looks for one key without splitting. ok is false when the value is an
// object or array: those must live in the record.
func (r *Record) peek(key string) (v any, found, ok bool) {
	c, found := r.seek(key)
	if !found {
		return nil, false, true
	}
	if b := c.s[c.colon]; b == '{' || b == '[' {
		return nil, false, false
	}
	return r.decode(c), true, true
}

// decode is the value that the cutter found, of text that is ours.
func (r *Record) decode(c cutter) any {
	piece := c.s[c.colon:c.end]
	if r.raw != nil {
		piece = strings.Clone(piece)
	}
	return decodeText(piece)
}

// own makes the text ours to edit, with some room at its end.
func (r *Record) own() {
	if r.owned {
		return
	}
	s := r.whole()
	r.raw = append(make([]byte, 0, len(s)+128), s...)
	r.text, r.owned = "", true
}

// deleteText cuts a field out of the text.
func (r *Record) deleteText(key string) (any, bool) {
	c, found := r.seek(key)
	if !found {
		return nil, false
	}
	v := r.decode(c)
	from, to := c.begin, c.end
	if to < len(c.s) && c.s[to] == ',' {
		to++
	} else if c.s[from-1] == ',' {
		from--
	}
	r.own()
	r.raw = slices.Delete(r.raw, from, to)
	return v, true
}

// setText writes a field into the text, unless its value must live in the record
// or the text is no object.
func (r *Record) setText(key string, v any) bool {
	s := r.whole()
	switch v.(type) {
	case *Record, []any, Binary, Time:
		return false
	}
	if len(s) < 2 || s[0] != '{' || s[len(s)-1] != '}' {
		return false
	}
	c, found := r.seek(key)
	r.own()
	if found {
		r.raw = slices.Replace(r.raw, c.colon, c.end, appendJSON(nil, v, 1)...)
		return true
	}
	out := r.raw[:len(r.raw)-1]
	if len(out) > 1 {
		out = append(out, ',')
	}
	out = append(appendQuoted(out, key), ':')
	r.raw = append(appendJSON(out, v, 1), '}')
	return true
}
