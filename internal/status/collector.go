package status

import (
	"github.com/prometheus/client_golang/prometheus"
)

// Collector shows a board under the names of fluent-plugin-prometheus'
// prometheus_output_monitor and prometheus_monitor, which people's dashboards
// and alerts query (docs/reference/metrics.md).
type Collector struct{ board func() *Board }

// NewCollectorFunc makes a collector over whatever board is the present one.
func NewCollectorFunc(b func() *Board) *Collector {
	return &Collector{board: b}
}

type metric struct {
	name, help string
	value      func(*Output) float64
	buffered   bool // only outputs with a buffer have it
}

// outputMetrics carries plugin_id and type. queue_byte_size, without buffer_ in
// its name, is what the published dashboards ask for and the plugin never gave.
var outputMetrics = []metric{
	{"fluentd_output_status_buffer_total_bytes", "Bytes in the buffer.", func(o *Output) float64 { return float64(o.StageBytes + o.QueueBytes) }, true},
	{"fluentd_output_status_buffer_stage_length", "Chunks that still fill.", func(o *Output) float64 { return float64(o.StageLength) }, true},
	{"fluentd_output_status_buffer_stage_byte_size", "Bytes in chunks that still fill.", func(o *Output) float64 { return float64(o.StageBytes) }, true},
	{"fluentd_output_status_buffer_queue_length", "Chunks that wait to be written.", func(o *Output) float64 { return float64(o.QueueLength) }, true},
	{"fluentd_output_status_queue_byte_size", "Bytes in chunks that wait to be written.", func(o *Output) float64 { return float64(o.QueueBytes) }, true},
	{"fluentd_output_status_buffer_queue_byte_size", "Bytes in chunks that wait to be written.", func(o *Output) float64 { return float64(o.QueueBytes) }, true},
	{"fluentd_output_status_buffer_available_space_ratio", "Free part of the buffer in percent.", func(o *Output) float64 { return o.AvailableRatio() * 100 }, true},
	{"fluentd_output_status_buffer_newest_timekey", "Newest timekey in the buffer.", func(o *Output) float64 { return timekey(o, -1) }, true},
	{"fluentd_output_status_buffer_oldest_timekey", "Oldest timekey in the buffer.", func(o *Output) float64 { return timekey(o, 0) }, true},
	{"fluentd_output_status_retry_count", "Writes that failed.", func(o *Output) float64 { return float64(o.RetryCount) }, false},
	{"fluentd_output_status_num_errors", "Writes that failed.", func(o *Output) float64 { return float64(o.NumErrors) }, false},
	{"fluentd_output_status_emit_count", "Calls that brought events.", func(o *Output) float64 { return float64(o.EmitCount) }, false},
	{"fluentd_output_status_emit_records", "Events that came.", func(o *Output) float64 { return float64(o.EmitRecords) }, false},
	{"fluentd_output_status_write_count", "Chunks written.", func(o *Output) float64 { return float64(o.WriteCount) }, false},
	{"fluentd_output_status_rollback_count", "Chunks taken back.", func(o *Output) float64 { return float64(o.RollbackCount) }, false},
	{"fluentd_output_status_flush_time_count", "Milliseconds spent writing.", func(o *Output) float64 { return float64(o.FlushTimeMs) }, false},
	{"fluentd_output_status_slow_flush_count", "Writes that took too long.", func(o *Output) float64 { return float64(o.SlowFlushCount) }, false},
	{"fluentd_output_status_retry_wait", "Seconds until the next retry.", retryWait, false},
	{"relay_buffer_events", "Events in the buffer.", func(o *Output) float64 { return float64(o.StageEvents + o.QueueEvents) }, true},
	{"relay_output_oldest_unflushed_seconds", "Age of the oldest event that has not left.", func(o *Output) float64 { return o.OldestUnflushedSeconds }, true},
}

// bufferMetrics carries plugin_category too: the older prometheus_monitor.
var bufferMetrics = []metric{
	{"fluentd_status_buffer_queue_length", "Chunks that wait to be written.", func(o *Output) float64 { return float64(o.QueueLength) }, true},
	{"fluentd_status_buffer_total_bytes", "Bytes in the buffer.", func(o *Output) float64 { return float64(o.StageBytes + o.QueueBytes) }, true},
	{"fluentd_status_retry_count", "Writes that failed.", func(o *Output) float64 { return float64(o.RetryCount) }, false},
	{"fluentd_status_buffer_newest_timekey", "Newest timekey in the buffer.", func(o *Output) float64 { return timekey(o, -1) }, true},
	{"fluentd_status_buffer_oldest_timekey", "Oldest timekey in the buffer.", func(o *Output) float64 { return timekey(o, 0) }, true},
}

// timekey is the i-th timekey, from the end when i is below zero; 0 when there
// is none.
func timekey(o *Output, i int) float64 {
	if len(o.Timekeys) == 0 {
		return 0
	}
	return float64(o.Timekeys[(i+len(o.Timekeys))%len(o.Timekeys)])
}

func retryWait(o *Output) float64 {
	if o.Retry == nil {
		return 0
	}
	return float64(o.Retry.NextTime - o.Retry.Start)
}

// Describe names no metrics, which makes the collector an unchecked one: two
// pipelines may be registered while one hands over to the other.
func (c *Collector) Describe(chan<- *prometheus.Desc) {}

// Collect takes a snapshot of every output.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	board := c.board()
	outputs, buffers := series(board, outputMetrics, "plugin_id", "type"), series(board, bufferMetrics, "plugin_id", "plugin_category", "type")
	for _, p := range board.Plugins() {
		if p.Output == nil {
			continue
		}
		send(ch, outputs, p.Output, p.ID, p.Type)
		send(ch, buffers, p.Output, p.ID, p.Category, p.Type)
	}
}

// described is a metric with the labels that this board puts on it.
type described struct {
	metric
	desc   *prometheus.Desc
	values []string // of the board's labels, which stand behind the metric's own
}

func series(b *Board, metrics []metric, labels ...string) []described {
	list := make([]described, len(metrics))
	for i, m := range metrics {
		names, values := b.labelsOf(m.name)
		list[i] = described{m, prometheus.NewDesc(m.name, m.help, append(labels[:len(labels):len(labels)], names...), nil), values}
	}
	return list
}

func send(ch chan<- prometheus.Metric, metrics []described, o *Output, labels ...string) {
	for _, m := range metrics {
		if m.buffered && !o.Buffered {
			continue
		}
		values := append(labels[:len(labels):len(labels)], m.values...)
		ch <- prometheus.MustNewConstMetric(m.desc, prometheus.GaugeValue, m.value(o), values...)
	}
}
