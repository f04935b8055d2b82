package eventtime

import (
	"strings"
	"sync/atomic"
	"time"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/strftime"
)

// Formatter writes times, safe for concurrent use.
type Formatter struct {
	kind   string
	loc    *time.Location
	layout *strftime.Layout
	whole  bool // the layout shows no fraction: all of a second looks the same
	last   atomic.Pointer[second]
}

// second is the text of the last time that was written.
type second struct {
	unix int64
	text string
}

// NewFormatter makes a formatter of a checked configuration. Without a format a
// time is written as ISO 8601: with Z in UTC, else with the offset.
func NewFormatter(c Config) (*Formatter, error) {
	loc, err := c.location()
	if err != nil {
		return nil, err
	}
	format := c.Format // %iso8601 is a word for reading only; Fluentd writes it as it stands
	switch {
	case format == "" && c.utc():
		format = "%Y-%m-%dT%H:%M:%SZ"
	case format == "":
		format = "%Y-%m-%dT%H:%M:%S%:z"
	}
	layout, err := strftime.Compile(format)
	return &Formatter{kind: c.Type, loc: loc, layout: layout, whole: !strings.ContainsAny(format, "NL")}, err
}

// Format is the value that stands for a time: a float64 of seconds cut to
// microseconds, an int64 of whole seconds, or a string.
func (f *Formatter) Format(t event.Time) any {
	switch f.kind {
	case "float":
		return float64(t.Sec*1e6+int64(t.Nsec/1000)) / 1e6
	case "unixtime":
		return t.Sec
	}
	if f.whole {
		return f.second(t).text
	}
	return string(f.Append(nil, t))
}

// Append appends the text of a time.
func (f *Formatter) Append(dst []byte, t event.Time) []byte {
	if f.whole {
		return append(dst, f.second(t).text...)
	}
	return f.layout.Append(dst, t.Std().In(f.loc))
}

// second is the text of a whole second, which many events share.
func (f *Formatter) second(t event.Time) *second {
	if s := f.last.Load(); s != nil && s.unix == t.Sec {
		return s
	}
	s := &second{t.Sec, string(f.layout.Append(nil, time.Unix(t.Sec, 0).In(f.loc)))}
	f.last.Store(s)
	return s
}
