package ingest

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/plugin"
)

// httpCounts is the numbers of one http source.
type httpCounts struct {
	id       string
	tally    *tally
	latency  prometheus.Observer
	open     prometheus.Gauge
	refusals *prometheus.CounterVec
	dropped  *prometheus.CounterVec

	inFlight atomic.Int64

	mu   sync.Mutex
	last map[int]refusalLog // by status
}

type refusalLog struct {
	at    time.Time
	quiet int
	burst int // said since at
}

func newHTTPCounts(env plugin.Env, t *tally) *httpCounts {
	m := env.Metrics
	return &httpCounts{
		id:       env.ID,
		tally:    t,
		latency:  m.Histogram("relay_http_request_seconds", "Time from a request's head to its answer.", nil, "plugin_id").WithLabelValues(env.ID),
		open:     m.Gauge("relay_http_connections", "Connections open now.", "plugin_id").WithLabelValues(env.ID),
		refusals: m.Counter("relay_http_refused_total", "Requests that were not answered with success, by status (499: the client went away, 0: closed before its head was whole) and reason.", "plugin_id", "status", "reason"),
		dropped:  m.Counter("relay_events_dropped_total", "Events that were thrown away, by reason.", "plugin_id", "reason"),
		last:     map[int]refusalLog{},
	}
}

func (c *httpCounts) middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		c.inFlight.Add(1)
		defer func() {
			c.inFlight.Add(-1)
			c.latency.Observe(time.Since(start).Seconds())
		}()
		next.ServeHTTP(w, r)
	})
}

func (c *httpCounts) connState(_ net.Conn, s http.ConnState) {
	switch s {
	case http.StateNew:
		c.open.Inc()
	case http.StateClosed, http.StateHijacked:
		c.open.Dec()
	}
}

func (c *httpCounts) events(n, size int) { c.tally.add(n, size) }

func (c *httpCounts) refused(status int, reason string) {
	c.refusals.WithLabelValues(c.id, strconv.Itoa(status), reason).Inc()
}

// lost counts what was answered 200 and thrown away because the configuration says
// so.
func (c *httpCounts) lost(n int) {
	if n > 0 {
		c.dropped.WithLabelValues(c.id, "malformed").Add(float64(n))
	}
}

// refusalInterval is how often one status is logged; the others are counted in.
const refusalInterval = 10 * time.Second

// logRefusal says why a request was refused. The body is never in it.
func (c *httpCounts) logRefusal(log *slog.Logger, status int, err error) {
	c.mu.Lock()
	last := c.last[status]
	if time.Since(last.at) < refusalInterval {
		last.quiet++
		c.last[status] = last
		c.mu.Unlock()
		return
	}
	c.last[status] = refusalLog{at: time.Now()}
	c.mu.Unlock()
	attrs := []any{"error", event.PublicText(err)}
	if last.quiet > 0 {
		attrs = append(attrs, "not_logged", last.quiet)
	}
	if errors.As(err, new(*decodeError)) {
		log.Warn("fails to decode payload", attrs...)
		return
	}
	log.Error("failed to process request", append(attrs, "status", status)...)
}
