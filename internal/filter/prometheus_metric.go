package filter

import (
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// metric is a <metric> section.
type metric struct {
	name, kind, desc string
	key              event.Accessor
	bucketTexts      []string
	labels           labelSection
	initLabels       []labelSection
	initialized      bool
	maxSeries        int
	logInterval      time.Duration

	all     []label
	initial [][]string // label values to show from the start
	buckets []float64
	add     func(values []string, v float64) error
	show    func(values []string) // makes a label set appear, with 0
	series  *seriesLimit
}

var (
	metricName = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`)
	labelName  = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)
)

// compile holds the rules of a metric; common are the filter's own labels.
func (m *metric) compile(env plugin.Env, common labelSection) error {
	fail := func(name, hint, format string, args ...any) error {
		return param.Errorf(name, hint, "metric %s: %w", m.name, fmt.Errorf(format, args...))
	}
	switch {
	case !metricName.MatchString(m.name):
		return fail("metric", "names consist of letters, digits, underscores and colons", "%q is no name of a metric", m.name)
	case m.key.IsZero() && m.kind != "counter":
		return fail("metric", "name the field: key duration", "%s metric requires 'key' option", m.kind)
	}
	m.all = nil
	for _, line := range slices.Concat(common.lines, m.labels.lines) {
		if !labelName.MatchString(line.Name) || strings.HasPrefix(line.Name, "__") {
			return fail("metric", "names consist of letters, digits and underscores", "%q is no name of a label", line.Name)
		}
		l, err := compileLabel(line)
		if err != nil {
			return fail("metric", "", "label %s: %w", line.Name, err)
		}
		if i := slices.IndexFunc(m.all, func(other label) bool { return other.name == l.name }); i >= 0 {
			m.all[i] = l // the metric's own wins
		} else {
			m.all = append(m.all, l)
		}
	}
	m.buckets = nil
	for _, text := range m.bucketTexts {
		bound, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if err != nil || len(m.buckets) > 0 && bound <= m.buckets[len(m.buckets)-1] {
			return fail("metric", "write rising numbers: buckets 0.1, 1, 10", "bucket %q", text)
		}
		m.buckets = append(m.buckets, bound)
	}
	return m.compileInitial(&labelValues{env: env}, fail)
}

// compileInitial finds the label sets that the metric shows from the start: labels
// that depend on the event have their values in <initlabels>.
func (m *metric) compileInitial(x *labelValues, fail func(name, hint, format string, args ...any) error) error {
	m.initial = nil
	if !m.initialized {
		return nil
	}
	sets := m.initLabels
	if len(sets) == 0 {
		sets = []labelSection{{}}
	}
	for _, set := range sets {
		values := make([]string, len(m.all))
		for i := range m.all {
			l := &m.all[i]
			at := slices.IndexFunc(set.lines, func(line conf.Param) bool { return line.Name == l.name })
			fixed, isFixed := l.fixed(x)
			switch {
			case at >= 0:
				values[i] = set.lines[at].Value.Text
			case isFixed:
				values[i] = fixed
			default:
				return fail("metric", "add <initlabels> with a value for it", "label %s has not been set in <initlabels>", l.name)
			}
		}
		m.initial = append(m.initial, values)
	}
	return nil
}

// register makes the metric, or finds the one that another section of the same
// definition made.
func (m *metric) register(env plugin.Env) error {
	names := make([]string, len(m.all))
	for i := range m.all {
		names[i] = m.all[i].name
	}
	var err error
	reg := env.Metrics.Registerer()
	switch m.kind {
	case "counter":
		var vec *prometheus.CounterVec
		vec, err = registered(reg, prometheus.NewCounterVec(prometheus.CounterOpts{Name: m.name, Help: m.desc}, names))
		m.show = func(values []string) { vec.WithLabelValues(values...) }
		m.add = func(values []string, v float64) error {
			if v < 0 {
				return errors.New("increment must be a non-negative number")
			}
			vec.WithLabelValues(values...).Add(v)
			return nil
		}
	case "gauge":
		var vec *prometheus.GaugeVec
		vec, err = registered(reg, prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: m.name, Help: m.desc}, names))
		m.show = func(values []string) { vec.WithLabelValues(values...) }
		m.add = func(values []string, v float64) error { vec.WithLabelValues(values...).Set(v); return nil }
	case "histogram":
		var vec *prometheus.HistogramVec
		vec, err = registered(reg, prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: m.name, Help: m.desc, Buckets: m.buckets}, names))
		m.observe(vec)
	default:
		var vec *prometheus.SummaryVec
		vec, err = registered(reg, prometheus.NewSummaryVec(prometheus.SummaryOpts{Name: m.name, Help: m.desc}, names))
		m.observe(vec)
	}
	if err != nil {
		return fmt.Errorf("register metric %s: %w", m.name, err)
	}
	m.series = newSeriesLimit(m, env)
	for _, values := range m.initial {
		m.show(values)
	}
	return nil
}

func (m *metric) observe(vec prometheus.ObserverVec) {
	m.show = func(values []string) { vec.WithLabelValues(values...) }
	m.add = func(values []string, v float64) error { vec.WithLabelValues(values...).Observe(v); return nil }
}

// registered registers a metric, or returns the one of the same name and labels
// that is there.
func registered[C prometheus.Collector](reg prometheus.Registerer, c C) (C, error) {
	err := reg.Register(c)
	var already prometheus.AlreadyRegisteredError
	if errors.As(err, &already) {
		if same, ok := already.ExistingCollector.(C); ok {
			return same, nil
		}
		err = errors.New("the name is taken by a metric of another type")
	}
	return c, err
}

// instrument counts one event. A field that is not there or null is no error.
func (m *metric) instrument(x *labelValues) error {
	v := 1.0
	if !m.key.IsZero() {
		raw, _ := m.key.Get(x.record)
		if raw == nil {
			return nil
		}
		var ok bool
		if v, ok = numberOf(raw); !ok {
			return errors.New("value must be a number")
		}
	}
	values := make([]string, len(m.all))
	for i := range m.all {
		values[i] = m.all[i].value(x)
	}
	if !m.series.allow(values) {
		return nil
	}
	return m.add(values, v)
}

func numberOf(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	case *big.Int:
		f, _ := new(big.Float).SetInt(v).Float64()
		return f, true
	}
	return 0, false
}

// seriesLimit bounds the label sets of a metric.
type seriesLimit struct {
	m       *metric
	env     plugin.Env
	dropped prometheus.Counter

	mu     sync.Mutex
	seen   map[string]bool
	warned time.Time
}

func newSeriesLimit(m *metric, env plugin.Env) *seriesLimit {
	s := &seriesLimit{m: m, env: env, seen: map[string]bool{}}
	if m.maxSeries > 0 {
		s.dropped = env.Metrics.Counter("fluentd_prometheus_dropped_label_sets_total", "The total number of records dropped because the metric reached max_series_per_metric.", "name").WithLabelValues(m.name)
	}
	return s
}

// allow reports whether a label set is known or may still be added.
func (s *seriesLimit) allow(values []string) bool {
	if s.m.maxSeries <= 0 {
		return true
	}
	key := strings.Join(values, "\xff")
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen[key] || len(s.seen) < s.m.maxSeries {
		s.seen[key] = true
		return true
	}
	s.dropped.Inc()
	if now := time.Now(); now.Sub(s.warned) >= s.m.logInterval {
		s.warned = now
		s.env.Log.Warn("prometheus: dropped a label set because the metric reached max_series_per_metric.", "name", s.m.name, "max_series_per_metric", s.m.maxSeries)
	}
	return false
}
