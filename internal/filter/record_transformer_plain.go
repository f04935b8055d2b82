package filter

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/strftime"
)

// plainTemplate is text with the placeholders that need no Ruby.
type plainTemplate struct {
	single bool // one placeholder and nothing else: it keeps its type
	parts  []plainPart
}

// plainPart is text, or a placeholder (source is not empty).
type plainPart struct {
	text   string
	source string // "${...}"
	name   string // tag, hostname, time, tag_parts, tag_prefix, tag_suffix, record
	index  int    // of tag_parts[index] and its like
	key    string // of record["key"]
}

var (
	// Upper case within underscores was a placeholder once; it is unknown today.
	placeholders = regexp.MustCompile(`\$\{[^}]+\}|__[A-Z_]+__`)
	indexed      = regexp.MustCompile(`^\$\{(tag_parts|tag_prefix|tag_suffix)\[(0|-?[1-9]\d*)\]\}$`)
	recordField  = regexp.MustCompile(`(?s)^\$\{record\["(.*)"\]\}$`)
)

func compilePlain(text string, typed bool) template {
	found := placeholders.FindAllStringIndex(text, -1)
	if len(found) == 0 {
		return constant{text}
	}
	t := &plainTemplate{single: typed && len(found) == 1 && found[0][0] == 0 && found[0][1] == len(text)}
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
	p := plainPart{source: source}
	if m := indexed.FindStringSubmatch(source); m != nil {
		index, err := strconv.Atoi(m[2])
		if err == nil {
			p.name, p.index = m[1], index
		}
	} else if m := recordField.FindStringSubmatch(source); m != nil {
		p.name, p.key = "record", m[1]
	} else if name := strings.TrimSuffix(strings.TrimPrefix(source, "${"), "}"); name == "tag" || name == "hostname" || name == "time" {
		p.name = name
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
		return timeText(x.event.Time), true
	case "record":
		return x.event.Record.Get(p.key)
	case "tag_parts", "tag_prefix", "tag_suffix":
		return tagPart(x.parts(), p.name, p.index)
	}
	return nil, false
}

// timeText is Ruby's Time#to_s, local.
func timeText(t event.Time) string {
	return string(strftime.Format(nil, "%Y-%m-%d %H:%M:%S %z", time.Unix(t.Sec, 0)))
}

// tagPart is one part of a tag, or the parts up to it, or from it on; i counts from
// the end when it is below zero. Beyond the tag's ends there is nothing.
func tagPart(parts []string, name string, i int) (any, bool) {
	if i < 0 {
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
	return strings.Join(parts[i:], "."), true
}

// timeOf is a field as a time, by Ruby's to_f: a number, or a text's leading number;
// null is 1970. Other values have no to_f.
func timeOf(v any) (event.Time, error) {
	f := 0.0
	switch v := v.(type) {
	case nil:
	case int64:
		return event.Time{Sec: v}, nil
	case event.Time:
		return v, nil
	case float64:
		f = v
	case string:
		f = leadingFloat(v)
	default:
		return event.Time{}, fmt.Errorf("the time can not be %s", event.Text(v))
	}
	if math.IsNaN(f) || math.Abs(f) > 1<<53 {
		return event.Time{}, fmt.Errorf("%v is no time", f)
	}
	whole := math.Floor(f)
	return event.Time{Sec: int64(whole), Nsec: int32((f - whole) * 1e9)}, nil //nolint:gosec // below 1e9
}

var floatRE = regexp.MustCompile(`^\s*[+-]?\d[\d_]*(\.\d+)?([eE][+-]?\d+)?`)

func leadingFloat(s string) float64 {
	f, _ := strconv.ParseFloat(strings.ReplaceAll(strings.TrimSpace(floatRE.FindString(s)), "_", ""), 64)
	return f
}
