// Package metrics is the relay's and the handler's registry of numbers.
//
// Names follow two conventions. What people's dashboards already query keeps
// the names of fluent-plugin-prometheus (fluentd_status_*,
// fluentd_output_status_*); what Fluentd does not have begins with relay_ or
// handler_. Units are in the names: seconds, bytes, total.
//
// A registry belongs to one process and is handed down; there is none global.
// Asking twice for one name gives the same vector, so that several plugins can
// share a metric and differ by label.
package metrics

import (
	"errors"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Registry holds the process's metrics.
type Registry struct{ reg *prometheus.Registry }

// New makes a registry with the numbers of the Go run time and the process.
func New() *Registry {
	r := &Registry{prometheus.NewRegistry()}
	r.reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// Counter is a number that only grows.
func (r *Registry) Counter(name, help string, labels ...string) *prometheus.CounterVec {
	return register(r, prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels))
}

// Gauge is a number that goes up and down.
func (r *Registry) Gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	return register(r, prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels))
}

// Histogram counts observations in buckets; nil buckets are those for latencies
// from 0.1 ms to 100 s.
func (r *Registry) Histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	if buckets == nil {
		buckets = prometheus.ExponentialBuckets(0.0001, 2.5, 16)
	}
	return register(r, prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels))
}

// Collect registers a collector that computes its metrics when it is asked, and
// returns the function that takes it out again.
func (r *Registry) Collect(c prometheus.Collector) (remove func()) {
	register(r, c)
	return func() { r.reg.Unregister(c) }
}

// Handler serves the registry in Prometheus' text format, gzip when asked for.
func (r *Registry) Handler() http.Handler {
	return promhttp.HandlerFor(r.reg, promhttp.HandlerOpts{})
}

// Gatherer gives read access to everything registered.
func (r *Registry) Gatherer() prometheus.Gatherer { return r.reg }

// Registerer takes metrics that a configuration declares itself.
func (r *Registry) Registerer() prometheus.Registerer { return r.reg }

// register adds c, or returns the collector of that name that is already there.
// Any other failure is two different metrics under one name: a programming
// error, found by the first test that builds the plugin.
func register[C prometheus.Collector](r *Registry, c C) C {
	err := r.reg.Register(c)
	var already prometheus.AlreadyRegisteredError
	if errors.As(err, &already) {
		if same, ok := already.ExistingCollector.(C); ok {
			return same
		}
	}
	if err != nil {
		panic("metrics: " + err.Error())
	}
	return c
}
