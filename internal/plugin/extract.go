package plugin

import (
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/eventtime"
	"github.com/sluicelog/sluice/internal/param"
)

// Extract is an <extract> section: an input takes tag and time out of the record.
// A plugin that has one calls Params from its own Params; the zero value takes
// nothing.
type Extract struct {
	tagKey, timeKey   string
	keepTag, keepTime bool
	timing            eventtime.Config
	clock             *eventtime.Parser
}

// Params declares the section.
func (x *Extract) Params(p *param.Set) {
	param.Section(p, "extract", x, func(p *param.Set, x *Extract) {
		p.String("tag_key", &x.tagKey, "", "Field that holds the tag. It is a name, not a path.")
		p.Bool("keep_tag_key", &x.keepTag, false, "Leave the tag's field in the record.")
		p.String("time_key", &x.timeKey, "", "Field that holds the time. It is a name, not a path.")
		p.Bool("keep_time_key", &x.keepTime, false, "Leave the time's field in the record.")
		TimeParams(p, &x.timing, true, "float", "unixtime", "string")
	}, "Take tag and time from the record.")
}

// CheckSection compiles what reads the time.
func (x *Extract) CheckSection() error {
	if err := x.timing.Check(); err != nil {
		return err
	}
	var err error
	x.clock, err = eventtime.NewParser(x.timing)
	return err
}

// Tag takes the tag out of the record, as text; ok is false when there is none.
func (x *Extract) Tag(r *event.Record) (tag string, ok bool) {
	v, ok := take(r, x.tagKey, x.keepTag)
	return event.Text(v), ok
}

// Time takes the time out of the record; ok is false when there is none. The error
// is a value that is no time; its field is gone all the same, as in Fluentd.
func (x *Extract) Time(r *event.Record) (t event.Time, ok bool, err error) {
	v, ok := take(r, x.timeKey, x.keepTime)
	if !ok {
		return event.Time{}, false, nil
	}
	t, err = x.clock.Parse(v)
	return t, err == nil, err
}

func take(r *event.Record, key string, keep bool) (any, bool) {
	switch {
	case key == "":
		return nil, false
	case keep:
		return r.Get(key)
	}
	return r.Delete(key)
}
