package handler

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluicelog/sluice/internal/metrics"
)

// counts is the handler's numbers.
type counts struct {
	read, events    *prometheus.CounterVec
	posts           *prometheus.CounterVec
	latency         prometheus.Observer
	retries, dead   prometheus.Counter
	backlog         prometheus.Gauge
	sessions        prometheus.Counter
	sessionsWaiting prometheus.Gauge
	missing         prometheus.Counter
	missingNow      prometheus.Gauge
	givenUp         prometheus.Counter
	skipped         prometheus.Counter
	elsewhere       prometheus.Counter
	chunksGone      prometheus.Counter
	stuck           *prometheus.GaugeVec
	leader          prometheus.Gauge
	locks           *prometheus.CounterVec

	mu                   sync.Mutex // guards what follows
	newest               time.Time  // of the events delivered
	events60, sessions60 int        // delivered since the last report
}

func newCounts(m *metrics.Registry) *counts {
	return &counts{
		read:            m.Counter("handler_events_read_total", "Events read from Teleport."),
		events:          m.Counter("handler_events_delivered_total", "Events that the receiver acknowledged, by type.", "kind", "type"),
		posts:           m.Counter("handler_posts_total", "Requests to the receiver, by status.", "status"),
		latency:         m.Histogram("handler_post_seconds", "Time from a request to its answer.", nil).WithLabelValues(),
		retries:         m.Counter("handler_post_retries_total", "Requests that were sent again.").WithLabelValues(),
		dead:            m.Counter("handler_dead_letters_total", "Events that the receiver refused for good and that were set aside.").WithLabelValues(),
		backlog:         m.Gauge("handler_events_in_flight", "Events read and not acknowledged yet.").WithLabelValues(),
		sessions:        m.Counter("handler_sessions_total", "Recordings sent whole.").WithLabelValues(),
		sessionsWaiting: m.Gauge("handler_sessions_waiting", "Recordings that are not sent whole yet.").WithLabelValues(),
		missing:         m.Counter("handler_recordings_missing_total", "Times that a recording was not there.").WithLabelValues(),
		missingNow:      m.Gauge("handler_recordings_missing", "Recordings that are missing or broken just now and will be asked for again.").WithLabelValues(),
		givenUp:         m.Counter("handler_recordings_given_up_total", "Recordings that were missing or broken for too long.").WithLabelValues(),
		skipped:         m.Counter("handler_events_skipped_total", "Events left out because `state skip` named them.").WithLabelValues(),
		chunksGone:      m.Counter("handler_chunks_gone_total", "Chunks of the audit log that the cluster no longer has and that were not read to their end.").WithLabelValues(),
		stuck:           newStuck(m),
		leader:          m.Gauge("handler_leader", "1 while this handler works on the state, 0 while it stands by for another.").WithLabelValues(),
		elsewhere:       m.Counter("handler_events_failed_over_total", "Events that another relay took than the one chosen by their id: each may be stored twice.").WithLabelValues(),
		locks:           m.Counter("handler_locks_total", "Lock calls, by result.", "result"),
	}
}

// newStuck begins every group at nought, so that a rule need not care which there are.
func newStuck(m *metrics.Registry) *prometheus.GaugeVec {
	v := m.Gauge("handler_stuck", "What fails again and again while others of its kind go on, by kind.", "what")
	for _, what := range []string{stuckChunks, stuckWindows, stuckLookBack, stuckRecordings, stuckEvents} {
		v.WithLabelValues(what).Set(0)
	}
	return v
}

func (c *counts) posted(status string, took time.Duration, _ int) {
	c.posts.WithLabelValues(status).Inc()
	c.latency.Observe(took.Seconds())
}

func (c *counts) delivered(r *Read) {
	c.events.WithLabelValues("audit", r.Type).Inc()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events60++
	if r.Time.After(c.newest) {
		c.newest = r.Time
	}
}

func (c *counts) deliveredSession(r *Read) { c.events.WithLabelValues("session", r.Type).Inc() }

// deliveredWhole counts a recording that was sent to its end.
func (c *counts) deliveredWhole() {
	c.sessions.Inc()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sessions60++
}

// lag is the age of the newest event that was delivered; false before the first.
func (c *counts) lag() (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.newest), !c.newest.IsZero()
}

// clocks are the numbers that change by themselves, so they are computed when
// they are asked for.
type clocks struct {
	counts *counts
	expiry func() (time.Time, bool) // of the Teleport credentials in use
}

var (
	lagDesc    = prometheus.NewDesc("handler_lag_seconds", "Age of the newest event that was delivered.", nil, nil)
	expiryDesc = prometheus.NewDesc("handler_credentials_expiry_seconds", "When the Teleport credentials in use end, Unix seconds.", []string{"which"}, nil)
)

// Describe implements prometheus.Collector.
func (c *clocks) Describe(ch chan<- *prometheus.Desc) {
	ch <- lagDesc
	ch <- expiryDesc
}

// Collect implements prometheus.Collector.
func (c *clocks) Collect(ch chan<- prometheus.Metric) {
	if lag, known := c.counts.lag(); known {
		ch <- prometheus.MustNewConstMetric(lagDesc, prometheus.GaugeValue, lag.Seconds())
	}
	if end, known := c.expiry(); known {
		ch <- prometheus.MustNewConstMetric(expiryDesc, prometheus.GaugeValue, float64(end.Unix()), "teleport")
	}
}
