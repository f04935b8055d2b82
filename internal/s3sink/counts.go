package s3sink

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluicelog/sluice/internal/metrics"
	"github.com/sluicelog/sluice/internal/plugin"
)

// counts is the output's metrics.
type counts struct {
	id          string
	seconds     prometheus.Observer
	bytes       prometheus.Counter
	puts        *prometheus.CounterVec
	conditional prometheus.Gauge
}

func newCounts(env plugin.Env) *counts {
	r := env.Metrics
	if r == nil {
		r = metrics.New()
	}
	return &counts{
		id:          env.ID,
		seconds:     r.Histogram("relay_s3_put_seconds", "How long a PUT of an object took.", nil, "plugin_id").WithLabelValues(env.ID),
		bytes:       r.Counter("relay_s3_put_bytes_total", "Bytes of objects that a store has taken, packed.", "plugin_id").WithLabelValues(env.ID),
		puts:        r.Counter("relay_s3_puts_total", "PUTs of objects by HTTP status; error is no answer.", "plugin_id", "code"),
		conditional: r.Gauge("relay_s3_conditional", "1 when the store is known to honour If-None-Match.", "plugin_id").WithLabelValues(env.ID),
	}
}

func (c *counts) put(took time.Duration, size int64, err error) {
	c.seconds.Observe(took.Seconds())
	c.puts.WithLabelValues(c.id, codeOf(err)).Inc()
	if err == nil {
		c.bytes.Add(float64(size))
	}
}

func (c *counts) proof(yes bool) {
	if yes {
		c.conditional.Set(1)
	} else {
		c.conditional.Set(0)
	}
}
