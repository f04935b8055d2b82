// Package placeholder fills what a chunk knows into paths and object keys:
// ${tag}, ${tag[1]}, ${key} and ${$.a.b} of the chunk keys, ${chunk_id}, and
// %Y%m%d of the chunk's slice of time. It follows Fluentd's
// extract_placeholders: the time is put in first, so that a percent sign in a
// field's value stays what it is, and what is not known stays as it stands.
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
	text   string
	layout *strftime.Layout // of text that holds a time directive
	name   string           // of a placeholder: tag, chunk_id, or a chunk key
	index  int              // of tag[index]
	isPart bool             // tag[index]
	source string           // the placeholder as written
}

var braces = regexp.MustCompile(`\$\{([^}]*)\}`)

var tagPart = regexp.MustCompile(`^tag\[(-?\d+)\]$`)

// timeDirective is what makes a text depend on the time. %{...} is no directive:
// object keys have placeholders of that form.
var timeDirective = regexp.MustCompile(`%[-0^#_:]*\d*[A-Za-z%+]`)

// Compile reads a text with placeholders.
func Compile(src string) (*Template, error) {
	t := &Template{src: src}
	last := 0
	for _, at := range braces.FindAllStringSubmatchIndex(src, -1) {
		if err := t.addText(src[last:at[0]]); err != nil {
			return nil, err
		}
		t.addPlaceholder(src[at[0]:at[1]], src[at[2]:at[3]])
		last = at[1]
	}
	return t, t.addText(src[last:])
}

func (t *Template) addText(text string) error {
	if text == "" {
		return nil
	}
	p := part{text: text}
	if timeDirective.MatchString(text) {
		layout, err := strftime.Compile(text)
		if err != nil {
			return fmt.Errorf("compile %q: %w", t.src, err)
		}
		p.layout = layout
	}
	t.parts = append(t.parts, p)
	return nil
}

func (t *Template) addPlaceholder(source, name string) {
	p := part{source: source, name: name}
	if m := tagPart.FindStringSubmatch(name); m != nil {
		p.name, p.isPart = "tag", true
		p.index, _ = strconv.Atoi(m[1])
	}
	t.parts = append(t.parts, p)
}

// String is the text as it was compiled.
func (t *Template) String() string { return t.src }

// UsesTime reports whether the text holds a time directive such as %Y.
func (t *Template) UsesTime() bool {
	for i := range t.parts {
		if t.parts[i].layout != nil {
			return true
		}
	}
	return false
}

// UsesTag reports whether the text holds ${tag} or a part of it.
func (t *Template) UsesTag() bool {
	for i := range t.parts {
		if t.parts[i].name == "tag" {
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

// Expand fills in a chunk's metadata; times are written in loc. A placeholder
// that the metadata has nothing for stays in the text.
func (t *Template) Expand(m event.Meta, loc *time.Location) (string, error) {
	var b []byte
	for i := range t.parts {
		p := &t.parts[i]
		switch {
		case p.name != "" || p.source != "":
			b = append(b, p.value(m)...)
		case p.layout != nil && m.HasTimekey:
			b = p.layout.Append(b, time.Unix(m.Timekey, 0).In(loc))
		default:
			b = append(b, p.text...)
		}
	}
	return string(b), nil
}

// Unknown lists the placeholders that a chunk of this metadata would leave in the
// text, for the warning that Fluentd gives.
func (t *Template) Unknown(m event.Meta) []string {
	var unknown []string
	for i := range t.parts {
		if p := &t.parts[i]; p.source != "" && p.value(m) == p.source {
			unknown = append(unknown, p.source)
		}
	}
	return unknown
}

func (p *part) value(m event.Meta) string {
	switch {
	case p.isPart:
		return tagPartOf(m, p.index, p.source)
	case p.name == "tag":
		if m.HasTag {
			return m.Tag
		}
		return p.source
	case p.name == "chunk_id":
		return m.ChunkID.String()
	}
	for _, v := range m.Variables {
		if v.Key == p.name {
			return event.Text(v.Value)
		}
	}
	return p.source
}

// tagPartOf is one part of the tag, from the end when index is below zero; "" when
// the tag is shorter.
func tagPartOf(m event.Meta, index int, source string) string {
	if !m.HasTag {
		return source
	}
	parts := strings.Split(m.Tag, ".")
	if index < 0 {
		index += len(parts)
	}
	if index < 0 || index >= len(parts) {
		return ""
	}
	return parts[index]
}
