package ingest

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/status"
)

// show is a plugin as monitor_agent shows it, its fields in Fluentd's order.
func (in *inMonitor) show(p status.Plugin, config, retry bool) *event.Record {
	r := event.NewRecord("plugin_id", p.ID, "plugin_category", p.Category, "type", p.Type)
	if config {
		r.Set("config", configOf(p))
	}
	if p.Output == nil {
		r.Set("output_plugin", p.Category == "output")
		showSource(r, p)
		return r
	}
	showOutput(r, p.Output, retry)
	return r
}

func showSource(r *event.Record, p status.Plugin) {
	var retries any
	if p.Category == "output" {
		retries = int64(0)
	}
	r.Set("retry_count", retries)
	r.Set("emit_records", countOr0(p.EmitRecords))
	r.Set("emit_size", countOr0(p.EmitSize))
	if p.Category != "output" {
		return
	}
	for _, name := range []string{"emit_count", "write_count", "write_secondary_count", "rollback_count", "slow_flush_count", "flush_time_count", "drop_oldest_chunk_count"} {
		r.Set(name, int64(0))
	}
}

func countOr0(n *int64) int64 {
	if n == nil {
		return 0
	}
	return *n
}

func showOutput(r *event.Record, o *status.Output, retry bool) {
	r.Set("output_plugin", true)
	if o.Buffered {
		timekeys := make([]any, len(o.Timekeys))
		for i, t := range o.Timekeys {
			timekeys[i] = t
		}
		r.Set("buffer_queue_length", int64(o.QueueLength))
		r.Set("buffer_timekeys", timekeys)
		r.Set("buffer_total_queued_size", o.StageBytes+o.QueueBytes)
	}
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"retry_count", o.RetryCount},
		{"emit_records", o.EmitRecords},
		{"emit_size", o.EmitSize},
		{"emit_count", o.EmitCount},
		{"write_count", o.WriteCount},
		{"write_secondary_count", o.WriteSecondary},
		{"rollback_count", o.RollbackCount},
		{"slow_flush_count", o.SlowFlushCount},
		{"flush_time_count", o.FlushTimeMs},
		{"drop_oldest_chunk_count", o.DropOldestChunkCount},
	} {
		r.Set(f.name, f.value)
	}
	if o.Buffered {
		r.Set("buffer_stage_length", int64(o.StageLength))
		r.Set("buffer_stage_byte_size", o.StageBytes)
		r.Set("buffer_queue_byte_size", o.QueueBytes)
		r.Set("buffer_available_buffer_space_ratios", math.Round(o.AvailableRatio()*1000)/10)
	}
	if retry {
		r.Set("retry", retryOf(o.Retry))
	}
}

func retryOf(t *status.Retry) *event.Record {
	if t == nil {
		return event.NewRecord()
	}
	at := func(sec int64) string { return time.Unix(sec, 0).Format("2006-01-02 15:04:05 -0700") }
	return event.NewRecord("start", at(t.Start), "steps", int64(t.Steps), "next_time", at(t.NextTime))
}

// configOf is a plugin's parameters, @type first.
func configOf(p status.Plugin) *event.Record {
	r := event.NewRecord("@type", p.Type)
	for _, name := range slices.Sorted(maps.Keys(p.Config)) {
		r.Set(name, p.Config[name])
	}
	return r
}

// writeLTSV writes a line per plugin: arrays with commas, null as nothing, and no
// nested objects, as Fluentd does.
func writeLTSV(w http.ResponseWriter, list []any) {
	var b strings.Builder
	for _, item := range list {
		r, _ := item.(*event.Record)
		first := true
		for name, v := range r.All() {
			if _, nested := v.(*event.Record); nested {
				continue
			}
			if !first {
				b.WriteByte('\t')
			}
			first = false
			b.WriteString(name + ":" + ltsvText(v))
		}
		b.WriteByte('\n')
	}
	w.Header().Set("Content-Type", "text/plain")
	_, _ = w.Write([]byte(b.String()))
}

func ltsvText(v any) string {
	all, ok := v.([]any)
	if !ok {
		return event.Text(v)
	}
	texts := make([]string, len(all))
	for i, item := range all {
		texts[i] = event.Text(item)
	}
	return strings.Join(texts, ",")
}

func writeJSON(w http.ResponseWriter, code int, r *event.Record, pretty bool) {
	text := r.AppendJSON(nil)
	if pretty {
		var b bytes.Buffer
		if json.Indent(&b, text, "", "  ") == nil {
			text = b.Bytes()
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(text)
}
