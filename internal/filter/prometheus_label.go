package filter

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/event"
)

// label is one label of a metric and how its value is found.
type label struct {
	name   string
	field  event.Accessor // $.a.b
	isPath bool
	parts  []labelPart
}

// labelPart is text, or a placeholder.
type labelPart struct {
	text        string // as written
	placeholder bool
	name        string // of the placeholder, without index
	index       string // what stands between its brackets, "" without any
}

// labelPlaceholder is fluent-plugin-prometheus' rule.
var labelPlaceholder = regexp.MustCompile(`\$\{([^\[}]+)(?:\[([^\]]+)\])?\}`)

func compileLabel(line conf.Param) (label, error) {
	l := label{name: line.Name}
	text := line.Value.Text
	if strings.HasPrefix(text, "$.") || strings.HasPrefix(text, "$[") {
		var err error
		l.isPath = true
		l.field, err = event.ParseAccessor(text)
		return l, err
	}
	last := 0
	for _, at := range labelPlaceholder.FindAllStringSubmatchIndex(text, -1) {
		l.addText(text[last:at[0]])
		p := labelPart{text: text[at[0]:at[1]], placeholder: true, name: text[at[2]:at[3]]}
		if at[4] >= 0 {
			p.index = text[at[4]:at[5]]
		}
		l.parts = append(l.parts, p)
		last = at[1]
	}
	l.addText(text[last:])
	return l, nil
}

func (l *label) addText(text string) {
	if text != "" {
		l.parts = append(l.parts, labelPart{text: text})
	}
}

// fixed reports whether the value is the same for all events, and the value.
func (l *label) fixed(x *labelValues) (string, bool) {
	if l.isPath {
		return "", false
	}
	for _, p := range l.parts {
		if p.placeholder && p.name != "hostname" && p.name != "worker_id" {
			return "", false
		}
	}
	return l.value(x), true
}

func (l *label) value(x *labelValues) string {
	if l.isPath {
		v, _ := l.field.Get(x.record)
		return event.Text(v)
	}
	if len(l.parts) == 1 && !l.parts[0].placeholder {
		return l.parts[0].text
	}
	var b []byte
	for i := range l.parts {
		p := &l.parts[i]
		if !p.placeholder {
			b = append(b, p.text...)
			continue
		}
		v, ok := p.find(x)
		if !ok {
			x.env.Log.Warn("unknown placeholder `" + p.text + "` found")
			v = p.text // it stays as it is
		}
		b = event.AppendText(b, v)
	}
	return strings.ToValidUTF8(string(b), "\uFFFD")
}

// find is the value of a placeholder; those of the tag win over fields of the same
// name.
func (p *labelPart) find(x *labelValues) (any, bool) {
	if p.index == "" {
		switch p.name {
		case "tag":
			return x.tag, true
		case "hostname":
			return x.env.Hostname, true
		case "worker_id":
			return int64(0), true
		}
		v, ok := x.record.Get(p.name)
		switch v.(type) {
		case []any, *event.Record:
			return nil, false // only their parts have placeholders
		}
		return v, ok
	}
	if n, err := strconv.Atoi(p.index); err == nil {
		switch p.name {
		case "tag_parts", "tag_prefix", "tag_suffix":
			return tagLabel(x.tagParts(), p.name, n)
		}
	}
	v, _ := x.record.Get(p.name)
	switch v := v.(type) {
	case []any:
		n, err := strconv.Atoi(p.index)
		if n < 0 {
			n += len(v)
		}
		if err != nil || n < 0 || n >= len(v) {
			return nil, false
		}
		return v[n], true
	case *event.Record:
		return v.Get(strings.Trim(p.index, `"`))
	}
	return nil, false
}

// tagLabel differs from record_transformer's: tag_suffix counts from the end, and
// only tag_parts knows numbers below zero.
func tagLabel(parts []string, name string, i int) (any, bool) {
	if i < 0 && name == "tag_parts" {
		i += len(parts)
	}
	if i < 0 || i >= len(parts) {
		return nil, false
	}
	switch name {
	case "tag_parts":
		return parts[i], true
	case "tag_prefix":
		return strings.Join(parts[:i+1], "."), true
	}
	return strings.Join(parts[len(parts)-1-i:], "."), true
}
