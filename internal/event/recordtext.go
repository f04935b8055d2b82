package event

import (
	"slices"
	"strings"
)

// What is done to a record that is still text. A few fields read, taken out or
// set on the text itself cost less than splitting it; the published Teleport
// configuration takes the time out and puts it back at the end.
//
// The first change only notes what shall stand in place of what: most records are
// changed once and printed, and then the text is never copied but to where it is
// printed. A second change carries the first one out.

// edit is a change that is noted: text stands in place of [from,to). A nil text
// means that there is none.
type edit struct {
	from, to int
	text     []byte
}

// View is another record over the same text, which must not change while the view
// lives; the view may be changed. There is none once something has split r.
func (r *Record) View() (*Record, bool) {
	if r.split || r.raw == nil && r.text == "" {
		return nil, false
	}
	r.settle()
	return &Record{raw: r.raw, text: r.text, sought: r.sought}, true
}

// settle carries the noted change out, in text that is ours.
func (r *Record) settle() {
	if r.edit.text == nil {
		return
	}
	e, s := r.edit, r.unedited()
	r.edit = edit{}
	r.become(appendEdited(make([]byte, 0, len(s)-(e.to-e.from)+len(e.text)+editRoom), s, e))
}

// editRoom is for the fields that are set next.
const editRoom = 128

func appendEdited(dst []byte, s string, e edit) []byte {
	dst = append(append(dst, s[:e.from]...), e.text...)
	return append(dst, s[e.to:]...)
}

// become makes the record one over this text, which is ours.
func (r *Record) become(text []byte) {
	r.raw, r.text, r.owned, r.sought = text, "", true, 0
}

// replace notes that text shall stand in place of [from,to), or, where the text is
// ours already, does it.
func (r *Record) replace(from, to int, text []byte) {
	if !r.owned {
		r.edit = edit{from, to, text}
		return
	}
	r.become(slices.Replace(r.raw, from, to, text...))
}

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
	r.settle()
	return r.unedited()
}

// unedited is the text without the change that is noted.
func (r *Record) unedited() string {
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
	r.raw, r.text, r.owned, r.split, r.sought = nil, "", false, true, 0
	r.cut(s)
}

// seek finds a key in the text. It looks first where it found one last: the time
// that the parser reads is what the published filter sets.
func (r *Record) seek(key string) (cutter, bool) {
	c := cutter{s: r.whole()}
	if r.sought > 0 {
		if c.end = r.sought; c.next() && c.is(key) {
			return c, true
		}
		c.end = 0
	}
	for before := 0; c.next(); before = c.end {
		if c.is(key) {
			r.sought = before
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

// PeekText is the text of a field where it lies, copied nowhere: it is good until
// the record is changed, or the bytes under it. ok is false when the field is no
// text, when it has escapes, and when the record is split; Get always works.
func (r *Record) PeekText(key string) (view string, ok bool) {
	if !r.scan() {
		return "", false
	}
	c, found := r.seek(key)
	if !found || c.s[c.colon] != '"' || c.end-c.colon < 2 {
		return "", false
	}
	view = c.s[c.colon+1 : c.end-1]
	return view, strings.IndexByte(view, '\\') < 0
}

// Drop is Delete for who does not want the value.
func (r *Record) Drop(key string) {
	if !r.scan() {
		r.Delete(key)
	} else if c, found := r.seek(key); found {
		r.cutOut(c)
	}
}

// deleteText cuts a field out of the text.
func (r *Record) deleteText(key string) (any, bool) {
	c, found := r.seek(key)
	if !found {
		return nil, false
	}
	v := r.decode(c)
	r.cutOut(c)
	return v, true
}

// cutOut takes out what the cutter found, with one of the commas beside it.
func (r *Record) cutOut(c cutter) {
	from, to := c.begin, c.end
	if to < len(c.s) && c.s[to] == ',' {
		to++
	} else if c.s[from-1] == ',' {
		from--
	}
	r.replace(from, to, []byte{})
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
	if c, found := r.seek(key); found {
		r.replace(c.colon, c.end, appendJSON(make([]byte, 0, roomFor("", v)), v, 1))
		return true
	}
	if r.owned {
		r.become(append(appendField(r.raw[:len(r.raw)-1], len(s) > 2, key, v), '}'))
		return true
	}
	end := len(s) - 1
	r.edit = edit{end, end, appendField(make([]byte, 0, roomFor(key, v)), len(s) > 2, key, v)}
	return true
}

// appendField appends a field as it stands behind others, or first.
func appendField(dst []byte, more bool, key string, v any) []byte {
	if more {
		dst = append(dst, ',')
	}
	return appendJSON(append(appendQuoted(dst, key), ':'), v, 1)
}

// roomFor is about how long a field's text will be.
func roomFor(key string, v any) int {
	s, _ := v.(string)
	return len(key) + len(s) + 24
}
