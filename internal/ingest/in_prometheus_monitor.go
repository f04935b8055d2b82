package ingest

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// monitor is one of fluent-plugin-prometheus' monitors: prometheus_monitor,
// prometheus_output_monitor and prometheus_tail_monitor. What they show the relay
// shows anyway, when it is asked; so all that is left of them is their labels.
type monitor struct {
	env      plugin.Env
	prefix   string // of the metrics that get the labels
	interval time.Duration
	gaugeAll bool
	rest     []conf.Param
	labels   []Label
}

// Label is a label that a monitor puts on metrics.
type Label struct{ Name, Value string }

// NewPrometheusMonitor makes a prometheus_monitor source.
func NewPrometheusMonitor(env plugin.Env) plugin.Input {
	return &monitor{env: env, prefix: "fluentd_status_"}
}

// NewPrometheusOutputMonitor makes a prometheus_output_monitor source.
func NewPrometheusOutputMonitor(env plugin.Env) plugin.Input {
	return &monitor{env: env, prefix: "fluentd_output_status_"}
}

// NewPrometheusTailMonitor makes a prometheus_tail_monitor source. There is no tail
// source to watch.
func NewPrometheusTailMonitor(env plugin.Env) plugin.Input {
	return &monitor{env: env, prefix: "fluentd_tail_"}
}

func (m *monitor) Params(p *param.Set) {
	p.Time("interval", &m.interval, 5*time.Second, "Accepted; the numbers are those of the moment when Prometheus asks.")
	p.Bool("gauge_all", &m.gaugeAll, true, "Accepted; all numbers are gauges.")
	param.Section(p, "labels", m, func(p *param.Set, m *monitor) {
		p.Rest(&m.rest, "Labels to put on the numbers; ${hostname} and ${worker_id} are filled in.")
	}, "Labels to put on the numbers.")
}

// CheckSection fills in the labels. They can not come from records, which a monitor
// does not see.
func (m *monitor) CheckSection() error {
	m.labels = nil
	for _, line := range m.rest {
		value := strings.NewReplacer("${hostname}", m.env.Hostname, "${worker_id}", "0").Replace(line.Value.Text)
		if strings.HasPrefix(value, "$.") || strings.Contains(value, "${") {
			return param.Errorf(line.Name, "use ${hostname}, ${worker_id} or plain text", "a monitor has no record and no tag: %q can not be filled in", value)
		}
		if slices.Contains([]string{"plugin_id", "plugin_category", "type"}, line.Name) || !model.LegacyValidation.IsValidLabelName(line.Name) {
			return param.Errorf(line.Name, "choose another name", "%q can not be a label here", line.Name)
		}
		m.labels = append(m.labels, Label{line.Name, value})
	}
	return nil
}

// MetricLabels says which labels the metrics whose names begin with prefix get.
func (m *monitor) MetricLabels() (prefix string, labels []Label) { return m.prefix, m.labels }

// Run waits until ctx ends.
func (m *monitor) Run(ctx context.Context, _ plugin.Emitter) error {
	<-ctx.Done()
	return nil
}
