package eventtime

import (
	"regexp"
	"strings"
	"time"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/strftime"
)

// Parser reads times, safe for concurrent use.
type Parser struct {
	kind   string
	read   func(text string) (sec int64, nsec int32, err error) // of type string
	mixed  []*Parser                                            // of type mixed, tried in turn
	errors string                                               // what mixed says it has tried
}

// NewParser makes a parser of a checked configuration.
func NewParser(c Config) (*Parser, error) {
	switch c.Type {
	case "float", "unixtime":
		return &Parser{kind: c.Type}, nil
	case "mixed":
		return newMixed(c)
	}
	loc, err := c.location()
	if err != nil {
		return nil, err
	}
	p := &Parser{kind: "string"}
	switch c.Format {
	case iso8601:
		p.read = strftime.ParseISO8601
	case "":
		p.read = func(text string) (int64, int32, error) { return strftime.ParseFree(text, loc) }
	default:
		layout, err := strftime.Compile(c.Format)
		if err != nil {
			return nil, err
		}
		if layout.HasZone() {
			loc = time.Local
		}
		p.read = func(text string) (int64, int32, error) { return layout.ParseUnix(text, loc) }
	}
	return p, nil
}

func newMixed(c Config) (*Parser, error) {
	p := &Parser{kind: c.Type}
	var classes []string
	for _, format := range c.formats() {
		one, class := c, "Fluent::TimeParser"
		one.Type, one.Format = "string", format
		if format == "float" || format == "unixtime" {
			one.Type, class = format, "Fluent::NumericTimeParser"
		}
		fallback, err := NewParser(one)
		if err != nil {
			return nil, err
		}
		p.mixed = append(p.mixed, fallback)
		classes = append(classes, class)
	}
	p.errors = strings.Join(classes, ",")
	return p, nil
}

// Parse reads a value of a record as a time. The error's text is Fluentd's.
func (p *Parser) Parse(v any) (event.Time, error) {
	switch p.kind {
	case "float":
		return parseFloat(v)
	case "unixtime":
		return parseUnix(v)
	case "mixed":
		return p.parseMixed(v)
	}
	text, ok := v.(string)
	if !ok {
		return event.Time{}, private("value must be string: %s", event.Text(v))
	}
	return p.ParseText(text)
}

// ParseText reads a text. The parser keeps nothing of it.
func (p *Parser) ParseText(text string) (event.Time, error) {
	if p.read == nil {
		return p.Parse(text)
	}
	sec, nsec, err := p.read(text)
	if err != nil {
		return event.Time{}, private("invalid time format: value = %s, error_class = ArgumentError, error = %w", text, err)
	}
	return event.Time{Sec: sec, Nsec: nsec}, nil
}

// number is what Ruby's Float takes of a text, unlike its to_i, which takes anything.
var number = regexp.MustCompile(`^\s*[+-]?\d+(_\d+)*(\.\d+(_\d+)*)?([eE][+-]?\d+)?\s*$`)

func (p *Parser) parseMixed(v any) (event.Time, error) {
	for _, one := range p.mixed {
		// Text that is no number is no float here, unlike for time_type float.
		if text, ok := v.(string); ok && one.kind != "string" && !number.MatchString(text) {
			continue
		}
		if t, err := one.Parse(v); err == nil {
			return t, nil
		}
	}
	return event.Time{}, private("invalid time format: value = %s, even though fallbacks: %s", event.Text(v), p.errors)
}
