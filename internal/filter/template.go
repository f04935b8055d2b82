package filter

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/sluicelog/sluice/internal/event"
)

// template is a value of <record> that is filled in for each event.
type template interface {
	expand(x *expansion) (any, error)
}

// constant is a value without placeholders.
type constant struct{ v any }

func (c constant) expand(*expansion) (any, error) { return c.v, nil }

type listTemplate []template

func (l listTemplate) expand(x *expansion) (any, error) {
	out := make([]any, len(l))
	for i, t := range l {
		v, err := t.expand(x)
		if err != nil {
			return nil, err
		}
		if out[i], err = x.final(v); err != nil {
			return nil, err
		}
	}
	return out, nil
}

type hashTemplate []field

func (h hashTemplate) expand(x *expansion) (any, error) {
	out := event.NewRecord()
	for _, f := range h {
		v, err := f.value.expand(x)
		if err != nil {
			return nil, err
		}
		if v, err = x.final(v); err != nil {
			return nil, err
		}
		out.Set(f.key, v)
	}
	return out, nil
}

// plainTemplate is text with the placeholders that need no Ruby.
type plainTemplate struct {
	single bool // one placeholder and nothing else: it keeps its type
	parts  []plainPart
}

type plainPart struct {
	text   string
	source string // of a placeholder, "${...}"
	name   string
	index  int
	key    string // of record["key"]
}

var (
	placeholders = regexp.MustCompile(`\$\{[^}]*\}`)
	indexed      = regexp.MustCompile(`^(tag_parts|tag_prefix|tag_suffix)\[(-?\d+)\]$`)
	recordField  = regexp.MustCompile(`^record\["([^"]*)"\]$`)
)

func compilePlain(text string, typecast bool) template {
	found := placeholders.FindAllStringIndex(text, -1)
	if len(found) == 0 {
		return constant{text}
	}
	t := &plainTemplate{single: typecast && len(found) == 1 && found[0][0] == 0 && found[0][1] == len(text)}
	last := 0
	for _, at := range found {
		if at[0] > last {
			t.parts = append(t.parts, plainPart{text: text[last:at[0]]})
		}
		t.parts = append(t.parts, plainPlaceholder(text[at[0]:at[1]]))
		last = at[1]
	}
	if last < len(text) {
		t.parts = append(t.parts, plainPart{text: text[last:]})
	}
	return t
}

func plainPlaceholder(source string) plainPart {
	inner := source[2 : len(source)-1]
	p := plainPart{source: source, name: inner}
	if m := indexed.FindStringSubmatch(inner); m != nil {
		p.name = m[1]
		p.index, _ = strconv.Atoi(m[2])
	} else if m := recordField.FindStringSubmatch(inner); m != nil {
		p.name, p.key = "record", m[1]
	}
	return p
}

func (t *plainTemplate) expand(x *expansion) (any, error) {
	if t.single {
		return x.plain(&t.parts[0]), nil
	}
	var b []byte
	for i := range t.parts {
		if p := &t.parts[i]; p.source == "" {
			b = append(b, p.text...)
		} else {
			b = event.AppendText(b, x.plain(p))
		}
	}
	return string(b), nil
}

// plain is the value of a placeholder that needs no Ruby; what is not known is
// nil, with Fluentd's warning.
func (x *expansion) plain(p *plainPart) any {
	v, ok := x.known(p)
	if !ok {
		x.filter.env.Log.Warn(fmt.Sprintf("unknown placeholder `%s` found", p.source))
	}
	return v
}

func (x *expansion) known(p *plainPart) (any, bool) {
	switch p.name {
	case "tag":
		return x.tag, true
	case "hostname":
		return x.filter.env.Hostname, true
	case "time":
		return x.event.Time.Std().In(time.Local).Format("2006-01-02 15:04:05 -0700"), true
	case "record":
		return x.event.Record.Get(p.key)
	case "tag_parts", "tag_prefix", "tag_suffix":
		return tagPart(x.parts(), p.name, p.index)
	}
	return nil, false
}

// tagPart is one part of a tag, or the parts up to it, or from it on. Beyond the
// tag's ends there is nothing.
func tagPart(parts []string, name string, i int) (any, bool) {
	n := i
	if n < 0 {
		n += len(parts)
	}
	if n < 0 || n >= len(parts) {
		return nil, false
	}
	switch name {
	case "tag_parts":
		return parts[n], true
	case "tag_prefix":
		return strings.Join(parts[:n+1], "."), true
	}
	return strings.Join(parts[n:], "."), true
}

// timeOf is a field as a time: a number, or a text's leading number.
func timeOf(v any) event.Time {
	switch v := v.(type) {
	case int64:
		return event.Time{Sec: v}
	case float64:
		whole := math.Floor(v)
		return event.Time{Sec: int64(whole), Nsec: int32((v - whole) * 1e9)} //nolint:gosec // below 1e9
	case event.Time:
		return v
	case string:
		f, _ := strconv.ParseFloat(leadingNumber.FindString(v), 64)
		return timeOf(f)
	}
	return event.Time{}
}

var leadingNumber = regexp.MustCompile(`^[+-]?\d+(\.\d+)?`)
