package parser

import (
	"github.com/sluicelog/sluice/internal/eventtime"
	"github.com/sluicelog/sluice/internal/param"
)

// timing is how a time is written, as configured.
type timing struct{ eventtime.Config }

func (t *timing) params(p *param.Set, d defaults) {
	if d.timeType == "" {
		d.timeType = "string"
	}
	p.String("time_type", &t.Type, d.timeType, "How the time is written: float or unixtime for seconds since 1970, string for text, mixed to try time_format and then time_format_fallbacks.").
		Enum("float", "unixtime", "string", "mixed")
	p.String("time_format", &t.Format, d.timeFormat, "Format of the time (Ruby's strptime). Without one, common forms are tried.")
	p.Strings("time_format_fallbacks", &t.Fallbacks, d.fallbacks, "Formats, or float and unixtime, to try with time_type mixed.")
	p.String("timezone", &t.Timezone, "", "Zone of a time that does not say its own: +09:00, +0900, +09 or a name such as Asia/Tokyo.")
	p.Bool("utc", &t.UTC, false, "A time that does not say its zone is in UTC.").Present(&t.UTCSet)
	p.Bool("localtime", &t.Localtime, true, "A time that does not say its zone is in local time.").Present(&t.LocaltimeSet)
}

func (t *timing) compile() (*eventtime.Parser, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	return eventtime.NewParser(t.Config)
}
