package filter

import (
	"errors"
	"unicode/utf8"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// parserFilter parses the text of one field, which may give several events. An
// event that can not be parsed goes to @ERROR, and with reserve_data on as well, as
// it came.
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
	p.Bool("remove_key_name_field", &f.removeKey, false, "Remove the field when it was parsed; it is kept at all only with reserve_data.")
	p.String("inject_key_prefix", &f.prefix, "", "Put this before the names of parsed fields.")
	p.Bool("replace_invalid_sequence", &f.fixBytes, false, "Replace bytes that are no UTF-8 by a question mark before parsing.")
	p.String("hash_value_field", &f.hashField, "", "Put the parsed fields into one field of this name.")
	p.Bool("emit_invalid_record_to_error", &f.toError, true, "Send events that can not be parsed to @ERROR.")
	param.Plugin(p, "parse", &f.parser, "", f.env.Parser, "How the text is read.").Required()
}

// KeepsFailed says that an event may go on and to @ERROR both.
func (f *parserFilter) KeepsFailed() bool { return true }

// Filter parses the field and emits what it holds. When a part of it can not be
// read, nothing of it is emitted.
func (f *parserFilter) Filter(_ string, e event.Event, emit func(event.Event)) error {
	raw, ok := f.key.Get(e.Record)
	if !ok || raw == nil {
		return f.invalid(e, emit, true, &parseError{"ArgumentError", f.key.String() + " does not exist", nil})
	}
	text := event.Text(raw)
	if f.fixBytes && !utf8.ValidString(text) {
		text = scrub(text)
	}
	parsed, err := f.parse(text)
	switch {
	case err == nil:
	case isNoMatch(err):
		return f.invalid(e, emit, true, &parseError{parserError, "pattern not matched with data '" + text + "'", err})
	default: // Fluentd passes an event on only when its text is of another kind
		return f.invalid(e, emit, false, &parseError{parserError, err.Error(), err})
	}
	for _, p := range parsed {
		emit(f.merge(e, p))
	}
	return nil
}

// parserError is the class of what a parser raises.
const parserError = "Fluent::Plugin::Parser::ParserError"

// parseError has Fluentd's words and the class that its log names.
type parseError struct {
	class, text string
	err         error
}

func (e *parseError) Error() string { return e.text }
func (e *parseError) Unwrap() error { return e.err }

// Class is the Ruby class that Fluentd would name in its log.
func (e *parseError) Class() string { return e.class }

// isNoMatch reports whether the text is not of the parser's kind at all.
func isNoMatch(err error) bool {
	var marked interface{ NoMatch() bool }
	return errors.Is(err, errNothing) || errors.As(err, &marked) && marked.NoMatch()
}

var errNothing = errors.New("the text holds no event")

func (f *parserFilter) parse(text string) (event.Stream, error) {
	var parsed event.Stream
	err := f.parser.Parse([]byte(text), func(p event.Event) error {
		// The parser may use the record's memory again after this call.
		parsed = append(parsed, event.Event{Time: p.Time, Record: p.Record.Clone()})
		return nil
	})
	if err == nil && len(parsed) == 0 {
		err = errNothing
	}
	return parsed, err
}

func (f *parserFilter) invalid(e event.Event, emit func(event.Event), passOn bool, err error) error {
	if f.reserveData && passOn {
		record := e.Record
		if f.hashField != "" {
			record = f.shaped(record, event.NewRecord(), false)
		}
		emit(event.Event{Time: e.Time, Record: record})
	}
	if !f.toError {
		return nil
	}
	return err
}

func (f *parserFilter) merge(e, parsed event.Event) event.Event {
	t := parsed.Time
	if f.reserveTime || t.IsNone() {
		t = e.Time
	}
	return event.Event{Time: t, Record: f.shaped(e.Record, parsed.Record, f.removeKey)}
}

// shaped is the parsed fields as the configuration wants them.
func (f *parserFilter) shaped(old, fields *event.Record, removeKey bool) *event.Record {
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
		return fields
	}
	record := old.Clone()
	if removeKey {
		f.key.Delete(record)
	}
	fields.MergeInto(record)
	return record
}
