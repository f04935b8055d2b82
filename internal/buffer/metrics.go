package buffer

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluicelog/sluice/internal/metrics"
)

// meters is what a buffer counts beside Stats.
type meters struct {
	commitSeconds, commitFiles, commitTickets prometheus.Observer
	ioErrors, torn, tornRemoved               prometheus.Counter
	duplicates, conflicts, unnamed, forgotten prometheus.Counter
	adopted                                   prometheus.Counter
	dedupKeys, dedupWindow, unread            prometheus.Gauge
	lostBy                                    *prometheus.CounterVec
	id                                        string
}

func newMeters(r *metrics.Registry, id string) *meters {
	if r == nil {
		return idleMeters(id)
	}
	counts := prometheus.ExponentialBuckets(1, 2, 12)
	histogram := func(name, help string, buckets []float64) prometheus.Observer {
		return r.Histogram(name, help, buckets, "plugin_id").WithLabelValues(id)
	}
	gauge := func(name, help string) prometheus.Gauge {
		return r.Gauge(name, help, "plugin_id").WithLabelValues(id)
	}
	counter := func(name, help string) prometheus.Counter {
		return r.Counter(name, help, "plugin_id").WithLabelValues(id)
	}
	return &meters{
		commitSeconds: histogram("relay_buffer_commit_seconds", "Time that one commit took: the fsyncs of a group.", nil),
		commitFiles:   histogram("relay_buffer_commit_files", "Files that one commit synced.", counts),
		commitTickets: histogram("relay_buffer_commit_tickets", "Requests that one commit answered.", counts),
		ioErrors:      counter("relay_buffer_io_errors_total", "Writes, fsyncs, renames and removals that failed."),
		torn:          counter("relay_buffer_torn_total", "Chunk files that ended in something else than frames."),
		tornRemoved:   counter("relay_buffer_torn_removed_total", "Torn ends of chunks that were removed from the backup folder for newer ones."),
		duplicates:    counter("relay_dedup_duplicates_total", "Events that were dropped because the buffer had them already."),
		conflicts:     counter("relay_dedup_conflicts_total", "Events with the dedup_key of another and different content; both were stored."),
		unnamed:       counter("relay_dedup_without_id_total", "Events without the field of dedup_key; they were stored."),
		forgotten:     counter("relay_dedup_forgotten_total", "Event ids that were forgotten early because dedup_max_keys was reached."),
		adopted:       counter("relay_buffer_adopted_total", "Chunks that were taken over from Fluentd."),
		unread:        gauge("relay_buffer_unread_files", "Chunks of an earlier process that could not be read so far; they are tried again."),
		dedupKeys:     gauge("relay_dedup_keys", "Event ids that are remembered."),
		dedupWindow:   gauge("relay_dedup_window_seconds", "How far back the memory of event ids reaches that have no source."),
		lostBy:        r.Counter("relay_events_dropped_total", "Events that were thrown away, by reason.", "plugin_id", "reason"),
		id:            id,
	}
}

// idleMeters counts for nobody.
func idleMeters(id string) *meters {
	observer := prometheus.ObserverFunc(func(float64) {})
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "idle"})
	gauge := prometheus.NewGauge(prometheus.GaugeOpts{Name: "idle"})
	return &meters{
		commitSeconds: observer, commitFiles: observer, commitTickets: observer,
		ioErrors: counter, torn: counter, tornRemoved: counter, duplicates: counter, conflicts: counter, unnamed: counter, forgotten: counter, adopted: counter,
		dedupKeys: gauge, dedupWindow: gauge, unread: gauge,
		lostBy: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "idle"}, []string{"plugin_id", "reason"}), id: id,
	}
}

func (m *meters) round(took time.Duration, files, tickets int) {
	m.commitSeconds.Observe(took.Seconds())
	m.commitFiles.Observe(float64(files))
	m.commitTickets.Observe(float64(tickets))
}

func (m *meters) lost(events int, reason string) {
	m.lostBy.WithLabelValues(m.id, reason).Add(float64(events))
}

// unwellFor is how long a failure of the disk shows. Requests that come renew it
// as long as the disk fails; without an end nobody would send one and find out
// that it works again.
const unwellFor = 30 * time.Second

// health remembers what the disk last said, for /readyz.
type health struct {
	ill atomic.Bool
	mu  sync.Mutex
	err error
	at  time.Time
}

func (h *health) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err, h.at = err, time.Now()
	h.ill.Store(err != nil)
}

// ok is called after each commit that worked.
func (h *health) ok() {
	if h.ill.Load() {
		h.fail(nil)
	}
}

func (h *health) get() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Since(h.at) > unwellFor {
		return nil
	}
	return h.err
}
