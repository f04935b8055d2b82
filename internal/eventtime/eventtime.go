// Package eventtime is how a value becomes an event's time and back: what
// <parse>, <inject> and <extract> share. The kinds, their defaults and the
// messages are Fluentd's (Fluent::TimeParser, TimeFormatter).
package eventtime

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
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

// Check holds the rules between the fields.
func (c *Config) Check() error {
	switch {
	case c.UTCSet && c.LocaltimeSet && c.UTC == c.Localtime:
		return errors.New("both of utc and localtime are specified, use only one of them")
	case c.Type == "mixed" && c.Format == "" && len(c.Fallbacks) == 0:
		return errors.New("time_type is :mixed but time_format and time_format_fallbacks is empty.") //nolint:staticcheck // Fluentd's own words
	}
	if _, err := c.location(); err != nil {
		return err
	}
	for _, format := range append(slices.Clone(c.Fallbacks), c.Format) {
		if _, err := strftime.Compile(format); err != nil {
			return err
		}
	}
	return nil
}

var offsetZone = regexp.MustCompile(`^([+-])(\d\d):?(\d\d)?$`)

// location is the zone of times that name none, and in which times are written.
func (c *Config) location() (*time.Location, error) {
	if c.Timezone != "" {
		return Zone(c.Timezone)
	}
	if c.UTC || c.LocaltimeSet && !c.Localtime {
		return time.UTC, nil
	}
	return time.Local, nil
}

// Zone finds a time zone by name or offset. The error has Fluentd's words.
func Zone(name string) (*time.Location, error) {
	if m := offsetZone.FindStringSubmatch(name); m != nil {
		h, _ := strconv.Atoi(m[2])
		min, _ := strconv.Atoi(m[3])
		offset := h*3600 + min*60
		if m[1] == "-" {
			offset = -offset
		}
		return time.FixedZone("", offset), nil
	}
	if name != "" && name != "Local" {
		if loc, err := time.LoadLocation(name); err == nil {
			return loc, nil
		}
	}
	return nil, fmt.Errorf("Unsupported timezone '%s'", name) //nolint:staticcheck // Fluentd's own words
}
