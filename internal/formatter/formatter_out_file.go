package formatter

import (
	"fmt"
	"strconv"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/eventtime"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// outFile writes time, tag and record as JSON, with tabs between. It is what
// match @type s3 and @type file write unless told otherwise.
type outFile struct {
	newline
	timing                eventtime.Config
	outputTime, outputTag bool
	delimiter             string

	clock *eventtime.Formatter
}

// NewOutFile makes an out_file formatter.
func NewOutFile(plugin.Env) plugin.Formatter { return new(outFile) }

func (f *outFile) Params(p *param.Set) {
	p.Bool("output_time", &f.outputTime, true, "Write the time.")
	p.Bool("output_tag", &f.outputTag, true, "Write the tag.")
	p.String("delimiter", &f.delimiter, "TAB", "What stands between: SPACE, COMMA or TAB. Anything else is a tab, as in Fluentd.")
	p.String("time_type", &f.timing.Type, "string", "How the time is written: string, or float or unixtime for seconds since 1970.").Enum("float", "unixtime", "string", "mixed")
	p.String("time_format", &f.timing.Format, "", "Format of the time (Ruby's strftime); ISO 8601 without one.")
	p.String("timezone", &f.timing.Timezone, "", "Zone that the time is written in: +09:00 or a name such as Asia/Tokyo.")
	p.Bool("utc", &f.timing.UTC, false, "Write the time in UTC.").Present(&f.timing.UTCSet)
	p.Bool("localtime", &f.timing.Localtime, true, "Write the time in local time.").Present(&f.timing.LocaltimeSet)
	f.add = true
	f.styleParam(p)
}

// Check compiles the time's format.
func (f *outFile) Check() error {
	if err := f.timing.Check(); err != nil {
		return err
	}
	clock, err := eventtime.NewFormatter(f.timing)
	if err != nil {
		return err
	}
	f.clock = clock
	f.delimiter = delimiterOf(f.delimiter)
	return nil
}

func (f *outFile) Format(dst []byte, tag string, e event.Event) ([]byte, error) {
	if f.outputTime {
		dst = append(f.time(dst, e.Time), f.delimiter...)
	}
	if f.outputTag {
		dst = append(append(dst, tag...), f.delimiter...)
	}
	return f.end(e.Record.AppendJSON(dst)), nil
}

// time appends the time. As a float it has nine digits of fraction, except that
// Fluentd writes a whole second with eight.
func (f *outFile) time(dst []byte, t event.Time) []byte {
	switch {
	case f.timing.Type == "unixtime":
		return strconv.AppendInt(dst, t.Sec, 10)
	case f.timing.Type != "float":
		return f.clock.Append(dst, t)
	case t.Nsec == 0:
		return append(strconv.AppendInt(dst, t.Sec, 10), ".00000000"...)
	}
	return fmt.Appendf(dst, "%d.%09d", t.Sec, t.Nsec)
}
