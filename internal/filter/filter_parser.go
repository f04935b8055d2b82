package filter

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// parserFilter parses the text of one field. An event that can not be parsed goes
// to @ERROR, and with reserve_data on as well, as it came.
type parserFilter struct {
	env         plugin.Env
	key         event.Accessor
	reserveTime bool
	reserveData bool
	removeKey   bool
	prefix      string
	fixBytes    bool
	hashField   string
	toError     bool
	parser      plugin.Parser
}

// NewParser makes a parser filter.
func NewParser(env plugin.Env) plugin.Filter { return &parserFilter{env: env} }

func (f *parserFilter) Params(p *param.Set) {
	p.Accessor("key_name", &f.key, "Field whose text is parsed.").Required()
	p.Bool("reserve_time", &f.reserveTime, false, "Keep the event's time.")
	p.Bool("reserve_data", &f.reserveData, false, "Keep the record's other fields.")
	p.Bool("remove_key_name_field", &f.removeKey, false, "Remove the field when it was parsed.")
	p.String("inject_key_prefix", &f.prefix, "", "Put this before the names of parsed fields.")
	p.Bool("replace_invalid_sequence", &f.fixBytes, false, "Replace bytes that are no UTF-8 by a question mark and parse again.")
	p.String("hash_value_field", &f.hashField, "", "Put the parsed fields into one field of this name.")
	p.Bool("emit_invalid_record_to_error", &f.toError, true, "Send events that can not be parsed to @ERROR.")
	param.Plugin(p, "parse", &f.parser, "", f.env.Parser, "How the text is read.").Required()
}

// KeepsFailed says that an event may go on and to @ERROR both.
func (f *parserFilter) KeepsFailed() bool { return true }

// Filter parses the field; one text may give several events.
func (f *parserFilter) Filter(_ string, e event.Event, emit func(event.Event)) error {
	raw, ok := f.key.Get(e.Record)
	if !ok || raw == nil {
		return f.invalid(e, emit, fmt.Errorf("%s does not exist", f.key.String()))
	}
	text := event.Text(raw)
	parsed, err := f.parse(text)
	if err != nil && f.fixBytes {
		parsed, err = f.parse(strings.ToValidUTF8(text, "?"))
	}
	if err != nil {
		return f.invalid(e, emit, fmt.Errorf("pattern not matched: %w", err))
	}
	for _, p := range parsed {
		emit(f.merge(e, p))
	}
	return nil
}

var errNothing = errors.New("the text holds no event")

func (f *parserFilter) parse(text string) (event.Stream, error) {
	var parsed event.Stream
	err := f.parser.Parse([]byte(text), func(p event.Event) error {
		parsed = append(parsed, p)
		return nil
	})
	if err == nil && len(parsed) == 0 {
		err = errNothing
	}
	return parsed, err
}

func (f *parserFilter) invalid(e event.Event, emit func(event.Event), err error) error {
	if f.reserveData {
		emit(event.Event{Time: e.Time, Record: f.shaped(e.Record, nil)})
	}
	if !f.toError {
		return nil
	}
	return err
}

func (f *parserFilter) merge(e, parsed event.Event) event.Event {
	t := parsed.Time
	if f.reserveTime {
		t = e.Time
	}
	fields := parsed.Record.Clone() // the parser's memory is the field's text, which may go
	if f.prefix != "" {
		prefixed := event.NewRecord()
		for k, v := range fields.All() {
			prefixed.Set(f.prefix+k, v)
		}
		fields = prefixed
	}
	if f.hashField != "" {
		fields = event.NewRecord(f.hashField, fields)
	}
	if !f.reserveData {
		return event.Event{Time: t, Record: fields}
	}
	return event.Event{Time: t, Record: f.shaped(e.Record, fields)}
}

// shaped is the old record with the parsed fields in it.
func (f *parserFilter) shaped(old, fields *event.Record) *event.Record {
	record := old.Clone()
	if fields == nil {
		return record
	}
	if f.removeKey {
		f.key.Delete(record)
	}
	for k, v := range fields.All() {
		record.Set(k, v)
	}
	return record
}
