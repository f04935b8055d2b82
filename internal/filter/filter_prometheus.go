package filter

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// prometheusFilter counts events in metrics that the configuration declares, as
// fluent-plugin-prometheus does, and passes them on. A value that can not be
// counted also sends the event to @ERROR.
type prometheusFilter struct {
	env         plugin.Env
	labels      labelSection
	metrics     []metric
	maxSeries   int
	logInterval time.Duration
}

// labelSection is a <labels> section: names, and values with placeholders.
type labelSection struct{ lines []conf.Param }

func (l *labelSection) params(p *param.Set) {
	p.Rest(&l.lines, "a label's name and its value, in which ${tag}, ${tag_parts[0]}, ${hostname}, ${worker_id} and the record's fields are filled in; $.a.b is a field too")
}

// NewPrometheus makes a prometheus filter.
func NewPrometheus(env plugin.Env) plugin.Filter { return &prometheusFilter{env: env} }

func (f *prometheusFilter) Params(p *param.Set) {
	labels := func(p *param.Set, l *labelSection) { l.params(p) }
	param.Section(p, "labels", &f.labels, labels, "Labels of all metrics.")
	param.Sections(p, "metric", &f.metrics, func(p *param.Set, m *metric) {
		p.String("name", &m.name, "", "The metric's name.").Required()
		p.String("type", &m.kind, "", "What it is.").Required().Enum("counter", "gauge", "histogram", "summary")
		p.String("desc", &m.desc, "", "Its help text.").Required()
		p.Accessor("key", &m.key, "Field whose number is counted or observed; a counter without one counts events.")
		p.Strings("buckets", &m.bucketTexts, nil, "Upper bounds of a histogram's buckets.")
		p.Bool("initialized", &m.initialized, false, "Show the metric, with 0, before the first event.")
		p.Int("max_series_per_metric", &m.maxSeries, 0, "Most label sets of this metric; events of further ones are not counted. 0 takes the filter's own.")
		p.Ignore("retention", "label sets are kept")
		p.Ignore("retention_check_interval", "label sets are kept")
		param.Section(p, "labels", &m.labels, labels, "Labels of this metric.")
		param.Sections(p, "initlabels", &m.initLabels, labels, "Values of the labels to show before the first event, with initialized.")
	}, "A metric.")
	p.Int("max_series_per_metric", &f.maxSeries, 0, "Most label sets of a metric; events of further ones are not counted. 0 is no limit.")
	p.Time("ignore_error_log_interval", &f.logInterval, time.Hour, "Warn about that at most so often.")
}

// Check compiles labels and buckets.
func (f *prometheusFilter) Check() error {
	for i := range f.metrics {
		m := &f.metrics[i]
		if m.maxSeries == 0 {
			m.maxSeries = f.maxSeries
		}
		m.logInterval = f.logInterval
		if err := m.compile(f.env, f.labels); err != nil {
			return err
		}
	}
	return nil
}

// Start registers the metrics.
func (f *prometheusFilter) Start(context.Context) error {
	for i := range f.metrics {
		if err := f.metrics[i].register(f.env); err != nil {
			return err
		}
	}
	return nil
}

// KeepsFailed says that an event that can not be counted goes on as well.
func (f *prometheusFilter) KeepsFailed() bool { return true }

// Filter counts the event and emits it.
func (f *prometheusFilter) Filter(tag string, e event.Event, emit func(event.Event)) error {
	emit(e)
	x := labelValues{env: f.env, tag: tag, record: e.Record}
	var errs []error
	for i := range f.metrics {
		if err := f.metrics[i].instrument(&x); err != nil {
			f.env.Log.Warn("prometheus: failed to instrument a metric.", "error", err.Error(), "tag", tag, "name", f.metrics[i].name)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// labelValues is what a label's placeholders are filled in with.
type labelValues struct {
	env    plugin.Env
	tag    string
	record *event.Record
	parts  []string
}

func (x *labelValues) tagParts() []string {
	if x.parts == nil {
		x.parts = strings.Split(strings.TrimRight(x.tag, "."), ".")
	}
	return x.parts
}
