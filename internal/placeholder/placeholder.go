// Package placeholder fills what a chunk knows into paths and object keys:
// ${tag}, ${tag[1]}, ${key} and ${$.a.b} of the chunk keys, ${chunk_id}, and
// %Y%m%d of the chunk's slice of time.
//
// It follows Fluentd's extract_placeholders. The time is put in first, so that a
// percent sign in a field's value stays what it is. A placeholder that the chunk
// has nothing for stays as it stands; but in a chunk that is keyed by fields, one
// that is no chunk key vanishes. A part that the tag has not is empty.
package placeholder

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/strftime"
)

// Template is a compiled text with placeholders, safe for concurrent use.
type Template struct {
	src   string
	parts []part
}

// part is text, in which time directives count, or one placeholder.
type part struct {
	text string // as written, of a placeholder too

	layout *strftime.Layout // of text with a percent sign
	broken error            // that text is no time format
	timed  bool             // the time shows in it

	name  string // of a placeholder: tag, chunk_id, or a chunk key
	index int    // of tag[index]
	isTag tagUse
}

// tagUse says what of the tag a placeholder means.
type tagUse uint8

const (
	noTag tagUse = iota
	wholeTag
	tagPart
)

// pattern is what counts as a placeholder; all other braces are text.
var pattern = regexp.MustCompile(`\$\{(?:tag\[(-?\d+)\]|([-_.@$a-zA-Z0-9]+|\$[^{}]+))\}`)

// Compile reads a text with placeholders. It does not fail for text that only a
// chunk with a time could not print; [Template.Expand] does.
func Compile(src string) (*Template, error) {
	t := &Template{src: src}
	last := 0
	for _, at := range pattern.FindAllStringSubmatchIndex(src, -1) {
		t.addText(src[last:at[0]], true)
		p := part{text: src[at[0]:at[1]], isTag: noTag}
		if at[2] >= 0 {
			p.name, p.isTag = "tag", tagPart
			index, err := strconv.Atoi(src[at[2]:at[3]])
			if err != nil {
				return nil, fmt.Errorf("compile %q: %s: the index is too large", src, p.text)
			}
			p.index = index
		} else if p.name = src[at[4]:at[5]]; p.name == "tag" {
			p.isTag = wholeTag
		}
		t.parts = append(t.parts, p)
		last = at[1]
	}
	t.addText(src[last:], false)
	return t, nil
}

// addText adds text, in which % directives count. More says that a placeholder
// follows: then a percent sign at the end belongs to no directive, for Ruby sees
// the dollar sign behind it. The layout gets that sign too, and loses it again.
func (t *Template) addText(text string, more bool) {
	if text == "" {
		return
	}
	p := part{text: text}
	if strings.Contains(text, "%") {
		format := text
		if more {
			format += "$"
		}
		p.layout, p.broken = strftime.Compile(format)
		p.timed = p.broken == nil && showsTime(p.layout)
	}
	t.parts = append(t.parts, p)
}

// showsTime reports whether a layout prints two different times differently.
func showsTime(l *strftime.Layout) bool {
	// They differ in every part from the year to the second.
	early, late := time.Date(2000, 1, 3, 4, 5, 6, 0, time.UTC), time.Date(2112, 10, 28, 17, 48, 59, 0, time.UTC)
	return string(l.Append(nil, early)) != string(l.Append(nil, late))
}

// String is the text as it was compiled.
func (t *Template) String() string { return t.src }

// UsesTime reports whether the text holds a time directive such as %Y.
func (t *Template) UsesTime() bool {
	for i := range t.parts {
		if t.parts[i].timed {
			return true
		}
	}
	return false
}

// UsesTag reports whether the text holds ${tag} or a part of it.
func (t *Template) UsesTag() bool {
	for i := range t.parts {
		if t.parts[i].isTag != noTag {
			return true
		}
	}
	return false
}

// Keys lists the chunk keys that the text names, each once.
func (t *Template) Keys() []string {
	var keys []string
	seen := map[string]bool{"tag": true, "chunk_id": true, "": true}
	for i := range t.parts {
		if name := t.parts[i].name; !seen[name] {
			seen[name] = true
			keys = append(keys, name)
		}
	}
	return keys
}

// Expand fills in a chunk's metadata; times are written in loc. The error is for a
// text that is no time format, as "100%" (write 100%%), and a chunk with a time.
func (t *Template) Expand(m event.Meta, loc *time.Location) (string, error) {
	b := make([]byte, 0, len(t.src)+32)
	for i := range t.parts {
		p := &t.parts[i]
		switch {
		case p.name != "":
			b = append(b, p.value(&m)...)
		case m.HasTimekey && p.broken != nil:
			return "", fmt.Errorf("fill the time into %q: %w", t.src, p.broken)
		case m.HasTimekey && p.layout != nil:
			b = p.layout.Append(b, time.Unix(m.Timekey, 0).In(loc))
			if i < len(t.parts)-1 {
				b = b[:len(b)-1] // the dollar sign of addText
			}
		default:
			b = append(b, p.text...)
		}
	}
	return string(b), nil
}

// Unknown lists the placeholders that a chunk of this metadata has nothing for, as
// they stand, for the warning that Fluentd gives. Whether they stay in the text,
// see the package comment.
func (t *Template) Unknown(m event.Meta) []string {
	var unknown []string
	for i := range t.parts {
		p := &t.parts[i]
		if p.name == "" {
			continue
		}
		if _, ok := p.known(&m); !ok {
			unknown = append(unknown, p.text)
		}
	}
	return unknown
}

func (p *part) value(m *event.Meta) string {
	switch v, ok := p.known(m); {
	case ok:
		return v
	case p.isTag == noTag && len(m.Variables) > 0:
		return ""
	}
	return p.text
}

// known is what the chunk has for a placeholder.
func (p *part) known(m *event.Meta) (string, bool) {
	switch p.isTag {
	case wholeTag:
		return m.Tag, m.HasTag
	case tagPart:
		return partOf(m.Tag, p.index), m.HasTag
	}
	if p.name == "chunk_id" {
		return m.ChunkID.String(), true
	}
	for i := range m.Variables {
		if m.Variables[i].Key == p.name {
			return event.Text(m.Variables[i].Value), true
		}
	}
	return "", false
}

// partOf is one part of a tag, from the end when index is below zero; "" when the
// tag is shorter.
func partOf(tag string, index int) string {
	parts := strings.Split(strings.TrimRight(tag, "."), ".")
	if index < 0 {
		index += len(parts)
	}
	if index < 0 || index >= len(parts) {
		return ""
	}
	return parts[index]
}
