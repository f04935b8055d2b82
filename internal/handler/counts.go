package handler

import (
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
	lag             prometheus.Gauge
	backlog         prometheus.Gauge
	sessions        prometheus.Counter
	sessionsWaiting prometheus.Gauge
	missing         prometheus.Counter
	givenUp         prometheus.Counter
	locks           *prometheus.CounterVec
	expiry          *prometheus.GaugeVec
}

func newCounts(m *metrics.Registry) *counts {
	return &counts{
		read:            m.Counter("handler_events_read_total", "Events read from Teleport."),
		events:          m.Counter("handler_events_delivered_total", "Events that the receiver acknowledged, by type.", "kind", "type"),
		posts:           m.Counter("handler_posts_total", "Requests to the receiver, by status.", "status"),
		latency:         m.Histogram("handler_post_seconds", "Time from a request to its answer.", nil).WithLabelValues(),
		retries:         m.Counter("handler_post_retries_total", "Requests that were sent again.").WithLabelValues(),
		dead:            m.Counter("handler_dead_letters_total", "Events that the receiver refused for good and that were set aside.").WithLabelValues(),
		lag:             m.Gauge("handler_lag_seconds", "Age of the newest event that was delivered.").WithLabelValues(),
		backlog:         m.Gauge("handler_events_in_flight", "Events read and not acknowledged yet.").WithLabelValues(),
		sessions:        m.Counter("handler_sessions_total", "Recordings sent whole.").WithLabelValues(),
		sessionsWaiting: m.Gauge("handler_sessions_waiting", "Recordings that are not sent whole yet.").WithLabelValues(),
		missing:         m.Counter("handler_recordings_missing_total", "Times that a recording was not there.").WithLabelValues(),
		givenUp:         m.Counter("handler_recordings_given_up_total", "Recordings that were missing for too long.").WithLabelValues(),
		locks:           m.Counter("handler_locks_total", "Lock calls, by result.", "result"),
		expiry:          m.Gauge("handler_credentials_expiry_seconds", "When credentials end, Unix seconds.", "which"),
	}
}

func (c *counts) posted(status string, took time.Duration, _ int) {
	c.posts.WithLabelValues(status).Inc()
	c.latency.Observe(took.Seconds())
}

func (c *counts) delivered(r *Read) {
	c.events.WithLabelValues("audit", r.Type).Inc()
	c.lag.Set(time.Since(r.Time).Seconds())
}

func (c *counts) deliveredSession(r *Read) { c.events.WithLabelValues("session", r.Type).Inc() }
