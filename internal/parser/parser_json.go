package parser

import (
	"unicode/utf8"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// jsonParser reads one JSON object, or an array of objects. A record that nothing
// changes is never taken apart: it leaves as the bytes that came.
type jsonParser struct {
	base
	name string
	mode event.JSONMode
}

// NewJSON makes a json parser.
func NewJSON(plugin.Env) plugin.Parser { return new(jsonParser) }

func (p *jsonParser) Params(s *param.Set) {
	s.String("json_parser", &p.name, "oj", "Reader to imitate on text that is no strict JSON: oj takes NaN, Infinity and raw tabs in strings.").
		Enum("oj", "yajl", "json")
	s.Ignore("stream_buffer_size", "text is read in place")
	p.params(s, defaults{timeKey: "time", timeType: "float"})
}

func (p *jsonParser) Check() error {
	mode, err := event.ParseJSONMode(p.name)
	if err != nil {
		return param.Errorf("json_parser", "", "%w", err)
	}
	p.mode = mode
	return p.base.Check()
}

// Parse yields the object, or each object of the array. The records may point
// into text.
func (p *jsonParser) Parse(text []byte, yield func(event.Event) error) error {
	// The fast path lets bytes through that are no UTF-8, which yajl refuses.
	if p.mode != event.Yajl || utf8.Valid(text) {
		if record, ok := event.CanonicalRecord(text, p.timeKey); ok {
			return p.yield(record, yield)
		}
		if records, ok := event.CanonicalArray(text, p.timeKey); ok {
			return p.yieldAll(records, yield)
		}
	}
	v, err := p.mode.Parse(text)
	if err != nil {
		return &noMatch{err}
	}
	return p.yieldValue(v, yield)
}

func (p *jsonParser) yieldAll(records []event.Record, yield func(event.Event) error) error {
	for i := range records {
		if err := p.yield(&records[i], yield); err != nil {
			return err
		}
	}
	return nil
}

// yieldValue hands on an object or the objects of an array, decoded. Nothing is
// handed on when an element is no object.
func (b *base) yieldValue(v any, yield func(event.Event) error) error {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	for _, e := range list {
		if _, ok := e.(*event.Record); !ok {
			return notMatched("expected an object or an array of objects")
		}
	}
	for _, e := range list {
		if err := b.yield(e.(*event.Record), yield); err != nil {
			return err
		}
	}
	return nil
}
