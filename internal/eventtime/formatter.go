package eventtime

import (
	"time"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/strftime"
)

// Formatter writes times, safe for concurrent use.
type Formatter struct {
	kind   string
	loc    *time.Location
	layout *strftime.Layout
}

// isoLayout is what a time looks like without a format.
const isoLayout = "%Y-%m-%dT%H:%M:%S%:z"

// NewFormatter makes a formatter of a checked configuration.
func NewFormatter(c Config) (*Formatter, error) {
	loc, err := c.location()
	if err != nil {
		return nil, err
	}
	format := c.Format
	if format == "" { // %iso8601 is a word for reading only; Fluentd writes it as it stands
		format = isoLayout
	}
	layout, err := strftime.Compile(format)
	return &Formatter{kind: c.Type, loc: loc, layout: layout}, err
}

// Format is the value that stands for a time: a float of microseconds, whole
// seconds, or text.
func (f *Formatter) Format(t event.Time) any {
	switch f.kind {
	case "float":
		return float64(t.Sec) + float64(t.Nsec/1000)/1e6
	case "unixtime":
		return t.Sec
	}
	return string(f.Append(nil, t))
}

// Append appends the text of a time.
func (f *Formatter) Append(dst []byte, t event.Time) []byte {
	return f.layout.Append(dst, t.Std().In(f.loc))
}
