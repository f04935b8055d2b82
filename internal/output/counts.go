package output

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluicelog/sluice/internal/status"
)

// counts is the numbers of one buffered output: those that Fluentd's monitors
// show, kept as atomics, and our own for Prometheus.
type counts struct {
	emitCount, emitRecords, emitSize       atomic.Int64
	writeCount, writeSecondary, errorCount atomic.Int64
	rollbackCount, slowCount, flushMs      atomic.Int64

	flushSeconds prometheus.Observer
	lost         prometheus.Counter
	events       prometheus.Counter
}

func newCounts(o *Buffered) *counts {
	m, id := o.env.Metrics, o.env.ID
	dropped := m.Counter("relay_events_dropped_total", "Events that were thrown away, by reason.", "plugin_id", "reason")
	return &counts{
		flushSeconds: m.Histogram("relay_output_flush_seconds", "Time that writing one chunk took.", nil, "plugin_id").WithLabelValues(id),
		lost:         dropped.WithLabelValues(id, "disable_chunk_backup"),
		events:       m.Counter("relay_output_events_total", "Events that outputs took from the router.", "plugin_id", "type").WithLabelValues(id, o.env.Type),
	}
}

func (c *counts) emitted(records int, b *groups) {
	size := 0
	for i := range b.Groups {
		size += len(b.Groups[i].Body)
	}
	c.emitCount.Add(1)
	c.emitRecords.Add(int64(records))
	c.emitSize.Add(int64(size))
	c.events.Add(float64(records))
}

func (c *counts) wrote(took time.Duration, err error) {
	if err == nil {
		c.writeCount.Add(1)
	}
	c.flushMs.Add(took.Milliseconds())
	c.flushSeconds.Observe(took.Seconds())
}

func (c *counts) failed()         { c.errorCount.Add(1) }
func (c *counts) rollback()       { c.rollbackCount.Add(1) }
func (c *counts) slow()           { c.slowCount.Add(1) }
func (c *counts) secondary()      { c.writeSecondary.Add(1) }
func (c *counts) discarded(n int) { c.lost.Add(float64(n)) }

// Status is the output's snapshot for monitor_agent and the dashboards.
func (o *Buffered) Status() status.Plugin {
	p := status.Plugin{ID: o.env.ID, Category: "output", Type: o.env.Type}
	if o.buf == nil {
		p.Output = &status.Output{Buffered: true}
		return p
	}
	s, c := o.buf.Stats(), o.counts
	p.Output = &status.Output{
		Buffered:    true,
		StageLength: s.StageLength, StageBytes: s.StageBytes, QueueLength: s.QueueLength, QueueBytes: s.QueueBytes,
		TotalLimit: s.TotalLimit, Timekeys: s.Timekeys,
		RetryCount: c.errorCount.Load(), NumErrors: c.errorCount.Load(),
		EmitCount: c.emitCount.Load(), EmitRecords: c.emitRecords.Load(), EmitSize: c.emitSize.Load(),
		WriteCount: c.writeCount.Load(), WriteSecondary: c.writeSecondary.Load(),
		RollbackCount: c.rollbackCount.Load(), SlowFlushCount: c.slowCount.Load(), FlushTimeMs: c.flushMs.Load(),
		DropOldestChunkCount: s.DroppedChunks,
	}
	p.Output.StageEvents, p.Output.QueueEvents = s.StageEvents, s.QueueEvents
	if !s.OldestUnflushed.IsZero() {
		p.Output.OldestUnflushedSeconds = time.Since(s.OldestUnflushed).Seconds()
	}
	if since, next, steps := o.retry.snapshot(); !since.IsZero() {
		p.Output.Retry = &status.Retry{Start: since.Unix(), NextTime: next.Unix(), Steps: steps}
	}
	return p
}
