// Package eventtime is how a value becomes an event's time and back: what
// <parse>, <inject> and <extract> share. The kinds, their defaults and the
// messages are Fluentd's (Fluent::TimeParser, TimeFormatter).
//
// A time that names its own zone keeps it. One that does not is in the configured
// time zone, else in UTC or local time. A format with %z or %Z, and %iso8601,
// leave no room for the configured zone, as in Fluentd: a text without a zone is
// local then.
package eventtime

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sluicelog/sluice/internal/strftime"
)

// Config says how times are written. The zero value is not usable; begin with
// [Default].
type Config struct {
	Type      string   // float, unixtime, string, mixed
	Format    string   // of type string; "" is free form for reading and ISO 8601 for writing
	Fallbacks []string // of type mixed: float, unixtime, or formats
	Timezone  string   // +09:00, Asia/Tokyo; "" is decided by UTC and Localtime
	UTC       bool
	Localtime bool
	// UTCSet and LocaltimeSet say that the configuration wrote the line.
	UTCSet, LocaltimeSet bool
}

// Default is what a section means that says nothing of times.
func Default() Config { return Config{Type: "float", Localtime: true} }

// iso8601 is the word that stands for a format when reading.
const iso8601 = "%iso8601"

// Check holds the rules between the fields.
func (c *Config) Check() error {
	switch {
	case c.UTCSet && c.LocaltimeSet && c.UTC == c.Localtime:
		return errors.New("both of utc and localtime are specified, use only one of them")
	case c.Type == "mixed" && len(c.formats()) == 0:
		return errors.New("time_type is :mixed but time_format and time_format_fallbacks is empty.") //nolint:staticcheck // Fluentd's own words
	}
	if _, err := c.location(); err != nil {
		return err
	}
	for _, format := range c.formats() {
		if _, err := strftime.Compile(format); err != nil {
			return err
		}
	}
	return nil
}

// formats are the format and its fallbacks, in the order they are tried.
func (c *Config) formats() []string {
	var list []string
	for _, format := range append([]string{c.Format}, c.Fallbacks...) {
		if format != "" {
			list = append(list, format)
		}
	}
	return list
}

// location is the zone of times that name none, and in which times are written.
func (c *Config) location() (*time.Location, error) {
	if c.Timezone != "" {
		return Zone(c.Timezone)
	}
	if c.utc() {
		return time.UTC, nil
	}
	return time.Local, nil
}

// utc reports whether times are in UTC by name, and not in a zone that equals it.
func (c *Config) utc() bool {
	return c.Timezone == "" && (c.UTC || c.LocaltimeSet && !c.Localtime)
}

// Zone finds a time zone by offset (+09:00, +0900, +09) or name (Asia/Tokyo). The
// error has Fluentd's words.
func Zone(name string) (*time.Location, error) {
	if offset, ok := numericZone(name); ok {
		return time.FixedZone("", offset), nil
	}
	if name != "" && name != "Local" && !strings.HasPrefix(name, "/") {
		if loc, err := time.LoadLocation(name); err == nil {
			return loc, nil
		}
	}
	return nil, fmt.Errorf("Unsupported timezone '%s'", name) //nolint:staticcheck // Fluentd's own words
}

func numericZone(s string) (seconds int, ok bool) {
	digits := strings.Replace(strings.TrimLeft(s, "+-"), ":", "", 1)
	if len(s) != len(digits)+1 && !(len(s) == 6 && s[3] == ':') || len(digits) != 2 && len(digits) != 4 {
		return 0, false
	}
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return 0, false
		}
	}
	pair := func(i int) int { return int(digits[i]-'0')*10 + int(digits[i+1]-'0') }
	if seconds = pair(0) * 3600; len(digits) == 4 {
		seconds += pair(2) * 60
	}
	if s[0] == '-' {
		seconds = -seconds
	}
	return seconds, seconds > -86400 && seconds < 86400
}
