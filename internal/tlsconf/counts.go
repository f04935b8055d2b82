package tlsconf

import (
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluicelog/sluice/internal/metrics"
)

// fileCounts are the metrics of certificate files.
type fileCounts struct {
	expiry  *prometheus.GaugeVec
	reloads *prometheus.CounterVec
}

func newFileCounts(m *metrics.Registry) fileCounts {
	return fileCounts{
		expiry: m.Gauge("relay_tls_cert_expiry_seconds",
			"When a certificate in use, or the first of several, ends (use crl: when a revocation list should be replaced), Unix seconds.", "file", "use"),
		reloads: m.Counter("relay_tls_reloads_total", "Times that changed certificate files were read, by result.", "result"),
	}
}

// forget takes files out that are not used any more, such as those that have gone from a
// folder.
func (c *fileCounts) forget(before, now []end) {
	for _, e := range before {
		if !slices.ContainsFunc(now, func(n end) bool { return n.file == e.file && n.use == e.use }) {
			c.expiry.DeleteLabelValues(e.file, e.use)
		}
	}
}

// doorCounts are the metrics of those who come in.
type doorCounts struct {
	fileCounts
	waiting     prometheus.Gauge
	handshakes  *prometheus.CounterVec
	connections *prometheus.CounterVec
	clientEnd   *prometheus.GaugeVec
	ejected     *prometheus.CounterVec
	noStatus    prometheus.Counter

	mu    sync.Mutex
	names map[string]bool // of clients that have a label of their own
}

func newDoorCounts(m *metrics.Registry) *doorCounts {
	return &doorCounts{
		fileCounts:  newFileCounts(m),
		waiting:     m.Gauge("relay_tls_handshakes_waiting", "TLS handshakes that wait for a processor.").WithLabelValues(),
		handshakes:  m.Counter("relay_tls_handshakes_total", "TLS handshakes that succeeded, by kind: full, or resumed from an earlier session.", "kind"),
		connections: m.Counter("relay_tls_client_connections_total", "Connections of clients that showed a certificate, by its subject and the <client_cert> rule that fits.", "client", "rule"),
		clientEnd:   m.Gauge("relay_tls_client_cert_expiry_seconds", "When the certificate ends that a client showed last, Unix seconds.", "client"),
		ejected:     m.Counter("relay_tls_clients_ejected_total", "Connections that were closed because changed files keep their client out, by reason.", "reason"),
		noStatus:    m.Counter("relay_tls_ocsp_unknown_total", "Clients of whose certificate nobody could say whether it is revoked.").WithLabelValues(),
		names:       map[string]bool{},
	}
}

// maxClientNames bounds the labels: an authority may have signed very many.
const maxClientNames = 200

func (d *doorCounts) handshake(resumed bool) {
	kind := "full"
	if resumed {
		kind = "resumed"
	}
	d.handshakes.WithLabelValues(kind).Inc()
}

func (d *doorCounts) client(p *Peer) {
	name := d.label(p.Subject)
	d.connections.WithLabelValues(name, p.Rule).Inc()
	if name == p.Subject {
		d.clientEnd.WithLabelValues(name).Set(float64(p.cert.NotAfter.Unix()))
	}
}

func (d *doorCounts) label(subject string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.names[subject] {
		if len(d.names) >= maxClientNames {
			return "other"
		}
		d.names[subject] = true
	}
	return subject
}
