package plugin

import (
	"github.com/sluicelog/sluice/internal/eventtime"
	"github.com/sluicelog/sluice/internal/param"
)

// TimeParams declares how a section writes times, or with reading how it reads
// them. kinds are the words of time_type, the first of them the default; a section
// with its own rule for time_type gives none and sets c.Type itself.
func TimeParams(p *param.Set, c *eventtime.Config, reading bool, kinds ...string) {
	words := writing
	if reading {
		words = readingWords
	}
	if len(kinds) > 0 {
		p.String("time_type", &c.Type, kinds[0], words.kind).Enum(kinds...)
	}
	p.String("time_format", &c.Format, "", words.format)
	p.String("timezone", &c.Timezone, "", words.zone)
	p.Bool("utc", &c.UTC, false, words.utc).Present(&c.UTCSet)
	p.Bool("localtime", &c.Localtime, true, words.local).Present(&c.LocaltimeSet)
}

type timeWords struct{ kind, format, zone, utc, local string }

var writing = timeWords{
	kind:   "How the time is written: float for seconds with microseconds, unixtime (or _millis, _micros, _nanos) for whole numbers, or string.",
	format: "Format of the time (Ruby's strftime); ISO 8601 without one.",
	zone:   "Zone that the time is written in: +09:00 or a name such as Asia/Tokyo.",
	utc:    "Write the time in UTC.",
	local:  "Write the time in local time.",
}

var readingWords = timeWords{
	kind:   "How the time is written: float or unixtime for seconds since 1970, string for text.",
	format: "Format of the time (Ruby's strptime), or %iso8601. Without one, common forms are tried.",
	zone:   "Zone of a time that does not say its own: +09:00, +0900, +09 or a name such as Asia/Tokyo.",
	utc:    "A time that does not say its zone is in UTC.",
	local:  "A time that does not say its zone is in local time.",
}
