package eventtime

import (
	"fmt"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/strftime"
)

// Parser reads times, safe for concurrent use.
type Parser struct {
	kind      string
	loc       *time.Location
	layout    *strftime.Layout // nil: free form
	iso       bool
	fallbacks []*Parser
}

// NewParser makes a parser of a checked configuration.
func NewParser(c Config) (*Parser, error) {
	loc, err := c.location()
	if err != nil {
		return nil, err
	}
	p := &Parser{kind: c.Type, loc: loc}
	if c.Type == "mixed" {
		for _, format := range append([]string{c.Format}, c.Fallbacks...) {
			if format == "" {
				continue
			}
			one := Config{Type: "string", Format: format, Timezone: c.Timezone, UTC: c.UTC, Localtime: c.Localtime, UTCSet: c.UTCSet, LocaltimeSet: c.LocaltimeSet}
			if format == "float" || format == "unixtime" {
				one.Type, one.Format = format, ""
			}
			fallback, err := NewParser(one)
			if err != nil {
				return nil, err
			}
			p.fallbacks = append(p.fallbacks, fallback)
		}
		return p, nil
	}
	p.iso = c.Format == "%iso8601"
	if c.Format != "" && !p.iso {
		p.layout, err = strftime.Compile(c.Format)
	}
	return p, err
}

// Parse reads a value of a record as a time.
func (p *Parser) Parse(v any) (event.Time, error) {
	switch p.kind {
	case "float":
		return parseFloat(v)
	case "unixtime":
		t, err := parseFloat(v)
		return event.Time{Sec: t.Sec}, err
	case "mixed":
		return p.mixed(v)
	}
	text, ok := v.(string)
	if !ok {
		return event.Time{}, fmt.Errorf("value must be string: %s", event.Text(v))
	}
	return p.ParseText(text)
}

// ParseText reads a text by the format.
func (p *Parser) ParseText(text string) (event.Time, error) {
	var t time.Time
	var err error
	switch {
	case p.iso:
		t, err = parseISO(text)
	case p.layout == nil:
		t, err = parseFree(text, p.loc)
	default:
		if e, ok := p.fast(text); ok {
			return e, nil
		}
		t, _, _, err = p.layout.Parse(text, p.loc)
		if err != nil {
			err = errNoMatch
		}
	}
	if err != nil {
		return event.Time{}, fmt.Errorf("invalid time format: value = %s, error_class = ArgumentError, error = %w", text, err)
	}
	return event.TimeOf(t), nil
}

var errNoMatch = fmt.Errorf("string doesn't match")

func (p *Parser) mixed(v any) (event.Time, error) {
	for _, f := range p.fallbacks {
		// Text that begins with no number is no float, unlike for time_type float.
		if text, ok := v.(string); ok && f.kind != "string" && !numeric.MatchString(text) {
			continue
		}
		if t, err := f.Parse(v); err == nil {
			return t, nil
		}
	}
	return event.Time{}, fmt.Errorf("invalid time format: value = %s, even though fallbacks: %s", event.Text(v), "no format matches")
}

var numeric = regexp.MustCompile(`^\s*[+-]?\d+(\.\d+)?\s*$`)

// parseFloat takes a number or a text that begins with one; other text is 0.
func parseFloat(v any) (event.Time, error) {
	switch v := v.(type) {
	case event.Time:
		return v, nil
	case int64:
		return event.Time{Sec: v}, nil
	case float64:
		return floatTime(v), nil
	case *big.Int:
		return event.Time{}, fmt.Errorf("value is out of range: %s", v)
	case string:
		return floatText(v), nil
	default:
		return event.Time{}, fmt.Errorf("value must be a string or a number: %s(%s)", event.Text(v), "nil")
	}
}

// floatText reads seconds and their fraction from text without going through a
// double, so that nine digits stay nine digits.
func floatText(text string) event.Time {
	text = strings.TrimSpace(text)
	whole, fraction, _ := strings.Cut(text, ".")
	sec, err := strconv.ParseInt(leadingDigits(whole), 10, 64)
	if err != nil {
		return event.Time{}
	}
	digits := leadingDigits(fraction)
	if len(digits) > 9 {
		digits = digits[:9]
	}
	nsec, _ := strconv.Atoi(digits + strings.Repeat("0", 9-len(digits)))
	return event.Time{Sec: sec, Nsec: int32(nsec)} //nolint:gosec // below 1e9
}

func leadingDigits(s string) string {
	i := 0
	for i < len(s) && (s[i] >= '0' && s[i] <= '9' || i == 0 && s[i] == '-') {
		i++
	}
	return s[:i]
}

// floatTime goes through the number's shortest text: 1500000000.123456 is a time
// of six digits, and not the nine that the double next to it has.
func floatTime(f float64) event.Time {
	if f < 0 || f > 1<<53 {
		return event.Time{Sec: int64(f)}
	}
	return floatText(strconv.FormatFloat(f, 'f', -1, 64))
}

// isoTime is xmlschema: a date, a time, a zone, nothing else.
var isoTime = regexp.MustCompile(`^\s*-?\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)?\s*$`)

// parseISO is strict. A time without a zone is local, as in Ruby.
func parseISO(text string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, nil
	}
	if !isoTime.MatchString(text) {
		return time.Time{}, fmt.Errorf("invalid xmlschema date: %q", text)
	}
	text = strings.TrimSpace(text)
	for _, layout := range []string{"2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04:05Z0700"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	t, err := time.ParseInLocation("2006-01-02T15:04:05", text, time.Local)
	if err != nil {
		return time.Time{}, fmt.Errorf("invalid xmlschema date: %q", text)
	}
	return t, nil
}

// freeLayouts are the usual forms of what Ruby's Time.parse understands.
var freeLayouts = []string{
	"%Y-%m-%dT%H:%M:%S.%N%z", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%d %H:%M:%S.%N %z", "%Y-%m-%d %H:%M:%S %z", "%Y-%m-%d %H:%M:%S.%N%z", "%Y-%m-%d %H:%M:%S%z",
	"%Y-%m-%dT%H:%M:%S.%N", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S.%N", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y/%m/%d %H:%M:%S %z", "%Y/%m/%d %H:%M:%S",
	"%b %d %H:%M:%S %Y", "%a, %d %b %Y %H:%M:%S %z", "%a %b %d %H:%M:%S %z %Y", "%a %b %d %H:%M:%S %Y", "%d %b %Y %H:%M:%S %z", "%d %b %Y %H:%M:%S", "%b %d %Y %H:%M:%S",
	"%d/%b/%Y:%H:%M:%S %z", "%Y%m%dT%H%M%S%z", "%Y%m%dT%H%M%S", "%Y-%m-%d", "%Y/%m/%d", "%H:%M:%S",
}

func parseFree(text string, loc *time.Location) (time.Time, error) {
	for _, format := range freeLayouts {
		layout, err := strftime.Compile(format)
		if err != nil {
			continue
		}
		if t, _, rest, err := layout.Parse(text, loc); err == nil && strings.TrimSpace(rest) == "" {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("no time information in %q", text)
}

// fast reads the two forms of Teleport's times without the general machinery.
func (p *Parser) fast(s string) (event.Time, bool) {
	if p.layout == nil || p.loc != time.UTC && p.loc != time.Local {
		return event.Time{}, false
	}
	if p.layout.String() != secondsLayout || len(s) < 19 || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' {
		return event.Time{}, false
	}
	y, ok1 := digits(s[0:4])
	mo, ok2 := digits(s[5:7])
	d, ok3 := digits(s[8:10])
	h, ok4 := digits(s[11:13])
	mi, ok5 := digits(s[14:16])
	sec, ok6 := digits(s[17:19])
	if !(ok1 && ok2 && ok3 && ok4 && ok5 && ok6) || mo < 1 || mo > 12 || d < 1 || d > 28 || h > 23 || mi > 59 || sec > 59 {
		return event.Time{}, false
	}
	return event.Time{Sec: time.Date(y, time.Month(mo), d, h, mi, sec, 0, p.loc).Unix()}, true
}

const secondsLayout = "%Y-%m-%dT%H:%M:%S"

func digits(s string) (int, bool) {
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}
