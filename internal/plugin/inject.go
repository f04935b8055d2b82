package plugin

import (
	"os"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/eventtime"
	"github.com/sluicelog/sluice/internal/param"
)

// Inject is an <inject> section: what an output adds to each record before it
// is formatted. A plugin that has one calls Params from its own Params; the zero
// value adds nothing.
type Inject struct {
	hostnameKey, hostname string
	workerKey             string
	tagKey                string
	timeKey               string
	timing                eventtime.Config

	active bool
	clock  *eventtime.Formatter
	per    int64 // time as whole units of so many nanoseconds; 0: by clock
}

// Params declares the section.
func (i *Inject) Params(p *param.Set) {
	param.Section(p, "inject", i, func(p *param.Set, i *Inject) {
		p.String("hostname_key", &i.hostnameKey, "", "Field that gets the host's name.")
		p.String("hostname", &i.hostname, "", "The host's name; the machine's own without it.")
		p.String("worker_id_key", &i.workerKey, "", "Field that gets the worker's number, which is always 0.")
		p.String("tag_key", &i.tagKey, "", "Field that gets the tag.")
		p.String("time_key", &i.timeKey, "", "Field that gets the event's time.")
		TimeParams(p, &i.timing, false, "float", "unixtime", "unixtime_millis", "unixtime_micros", "unixtime_nanos", "string")
	}, "Fields to add to each record: host, worker, tag, time.")
}

// subsecond gives the numeric time types of whole units their size.
var subsecond = map[string]int64{"unixtime_millis": 1e6, "unixtime_micros": 1e3, "unixtime_nanos": 1}

// CheckSection compiles what Apply works with.
func (i *Inject) CheckSection() error {
	if err := i.timing.Check(); err != nil {
		return err
	}
	clock, err := eventtime.NewFormatter(i.timing)
	if err != nil {
		return err
	}
	i.clock, i.per = clock, subsecond[i.timing.Type]
	if i.hostname == "" {
		i.hostname, _ = os.Hostname()
	}
	i.active = i.hostnameKey != "" || i.workerKey != "" || i.tagKey != "" || i.timeKey != ""
	return nil
}

// Apply returns the event with what the section asks for, in Fluentd's order:
// host, worker, tag, time. The record that came in stays as it is, for other
// outputs see it too.
func (i *Inject) Apply(tag string, e event.Event) event.Event {
	if !i.active {
		return e
	}
	r := ownCopy(e.Record)
	set := func(key string, v any) {
		if key != "" {
			r.Set(key, v)
		}
	}
	set(i.hostnameKey, i.hostname)
	set(i.workerKey, int64(0))
	set(i.tagKey, tag)
	if i.timeKey != "" {
		r.Set(i.timeKey, i.timeOf(e.Time))
	}
	return event.Event{Time: e.Time, Record: r}
}

// ownCopy is a record that may be changed without the other showing it. Of one that
// is still text it is only a view until it is changed.
func ownCopy(r *event.Record) *event.Record {
	if raw, ok := r.Raw(); ok {
		return event.RawRecord(raw)
	}
	return r.Clone()
}

func (i *Inject) timeOf(t event.Time) any {
	if i.per > 0 {
		return t.Sec*(1e9/i.per) + int64(t.Nsec)/i.per
	}
	return i.clock.Format(t)
}
