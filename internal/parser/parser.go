// Package parser makes events of text: the parsers that Fluentd brings along,
// each in a file named as there.
//
// They share what Fluentd's parser base does: the field that holds the time
// (time_key, and how to read it), types, and what counts as null. Text that a
// parser can not read is an error, so that an input can refuse it; Fluentd would
// drop it without a word.
package parser

import (
	"errors"
	"time"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/eventtime"
	"github.com/sluicelog/sluice/internal/onig"
	"github.com/sluicelog/sluice/internal/param"
)

// noMatch is text that is not of the parser's kind, as opposed to a time or a
// value in it that can not be read. Fluentd says "pattern not matched" then; a
// filter finds out by asking for the method NoMatch.
type noMatch struct{ err error }

func (e *noMatch) Error() string { return e.err.Error() }
func (e *noMatch) Unwrap() error { return e.err }

// NoMatch marks the error.
func (e *noMatch) NoMatch() bool { return true }

func notMatched(text string) error { return &noMatch{errors.New(text)} }

// base is what all parsers share.
type base struct {
	timeKey     string
	keepTimeKey bool
	estimate    bool
	nullPattern *onig.Regexp
	timeout     time.Duration
	nullEmpty   bool
	types       []param.Pair
	timing      timing

	clock      *eventtime.Parser
	converters map[string]converter
}

// defaults are a parser's own.
type defaults struct {
	timeKey, timeType, timeFormat string
	fallbacks                     []string
}

func (b *base) params(p *param.Set, d defaults) {
	p.String("time_key", &b.timeKey, d.timeKey, "Field that holds the event's time. It is a name, not a path.")
	p.Bool("keep_time_key", &b.keepTimeKey, false, "Leave the time's field in the record.")
	p.Bool("estimate_current_event", &b.estimate, true, "An event without a time field happened now. If not, it has no time, and what reads the text decides.")
	b.timing.params(p, d)
	b.valueParams(p)
}

func (b *base) valueParams(p *param.Set) {
	p.Hash("types", &b.types, "Types of fields, as field:type. Types: string, integer, float, bool, time (time:FORMAT, time:unixtime, time:float), array (array:DELIMITER).")
	p.Regexp("null_value_pattern", &b.nullPattern, "Text that matches this becomes null.")
	p.Bool("null_empty_string", &b.nullEmpty, false, "Empty text becomes null.")
	p.Time("timeout", &b.timeout, onig.Timeout, "How long a regular expression that has to backtrack may search one text, which counts as not matched then. Most never do.")
}

// Check compiles times and types.
func (b *base) Check() error {
	var err error
	if b.clock, err = b.timing.compile(); err != nil {
		return err
	}
	b.converters, err = b.compileTypes()
	return err
}

// yield takes the time out of a record, converts its values, and hands it on.
func (b *base) yield(r *event.Record, yield func(event.Event) error) error {
	t, err := b.timeOf(r)
	if err != nil {
		return err
	}
	if err := b.convert(r); err != nil {
		return err
	}
	return yield(event.Event{Time: t, Record: r})
}

func (b *base) timeOf(r *event.Record) (event.Time, error) {
	if b.timeKey == "" {
		return b.noTime(), nil
	}
	if t, ok := b.timeOfText(r); ok {
		return t, nil
	}
	take := r.Delete
	if b.keepTimeKey {
		take = r.Get
	}
	v, ok := take(b.timeKey)
	if !ok {
		return b.noTime(), nil
	}
	return b.clock.Parse(v)
}

// timeOfText is what timeOf finds in most records, a time as text that can be read,
// without taking a copy of the text.
func (b *base) timeOfText(r *event.Record) (event.Time, bool) {
	text, ok := r.PeekText(b.timeKey)
	if !ok {
		return event.Time{}, false
	}
	t, err := b.clock.ParseText(text)
	if err != nil {
		return event.Time{}, false
	}
	if !b.keepTimeKey {
		r.Drop(b.timeKey)
	}
	return t, true
}

// noTime is the time of an event that does not say it: now, or none.
func (b *base) noTime() event.Time {
	if b.estimate {
		return event.Now()
	}
	return event.NoTime()
}
