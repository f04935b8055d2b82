package ingest

import (
	"errors"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/eventtime"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// byType is the <parse> section of an http source when it names no other parser:
// bodies are read by their content type, and the section says which field holds
// the time. Its @type is in_http, which nobody has to write.
type byType struct {
	timeKey      string
	keep         bool
	timing       eventtime.Config
	typed, timed bool // time_type or time_format is written

	clock *eventtime.Parser // nil: the time is a number
}

// inHTTPType is the name of the parser that goes by content type.
const inHTTPType = "in_http"

func (b *byType) Params(p *param.Set) {
	p.String("time_key", &b.timeKey, "time", "Field that holds the event's time.")
	p.Bool("keep_time_key", &b.keep, false, "Leave the time's field in the record.")
	p.String("time_type", &b.timing.Type, "string", "How the time is written: float, unixtime or string. Without time_type and time_format it is a number.").
		Enum("float", "unixtime", "string", "mixed").Present(&b.typed)
	p.String("time_format", &b.timing.Format, "", "Format of the time (Ruby's strptime).").Present(&b.timed)
	p.Strings("time_format_fallbacks", &b.timing.Fallbacks, nil, "Formats to try with time_type mixed.")
	p.String("timezone", &b.timing.Timezone, "", "Zone of a time that does not say its own.")
	p.Bool("utc", &b.timing.UTC, false, "A time that does not say its zone is in UTC.").Present(&b.timing.UTCSet)
	p.Bool("localtime", &b.timing.Localtime, true, "A time that does not say its zone is in local time.").Present(&b.timing.LocaltimeSet)
	p.Ignore("estimate_current_event", "an event without a time happened now")
}

// Check compiles how times are read.
func (b *byType) Check() error {
	if err := b.timing.Check(); err != nil {
		return err
	}
	if !b.typed && !b.timed {
		return nil
	}
	var err error
	b.clock, err = eventtime.NewParser(b.timing)
	return err
}

// Parse is never called: the source reads the body itself.
func (b *byType) Parse([]byte, func(event.Event) error) error {
	return errors.New("in_http reads requests only")
}

// timeOf takes the time out of a record; [event.NoTime] when it has none.
func (b *byType) timeOf(r *event.Record) (event.Time, error) {
	v, ok := r.Get(b.timeKey)
	if !ok {
		return event.NoTime(), nil
	}
	t, err := b.read(v)
	if err == nil && !b.keep {
		r.Delete(b.timeKey)
	}
	return t, err
}

func (b *byType) read(v any) (event.Time, error) {
	if v == nil || b.clock == nil {
		return timeOfNumber(v)
	}
	return b.clock.Parse(v)
}

// parserOf makes the parser that <parse> names.
func (in *inHTTP) parserOf(typ string) (plugin.Parser, error) {
	if typ == inHTTPType {
		return new(byType), nil
	}
	return in.env.Parser(typ)
}
