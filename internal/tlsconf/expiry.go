package tlsconf

import (
	"fmt"
	"log/slog"
	"time"
)

// expiryDays is when the end of a certificate is warned about.
var expiryDays = []float64{0, 1, 7, 30}

// expiryWarner warns once at each of expiryDays of each file. What lives for days only,
// such as revocation lists and the certificates of SPIFFE, is warned about in the
// second half of its life.
type expiryWarner map[string]float64 // days before its end that a file was warned about

func (w expiryWarner) look(log *slog.Logger, ends []end, now time.Time) {
	for _, e := range ends {
		left := e.at.Sub(now).Hours() / 24
		for _, days := range expiryDays {
			if left > days || days > e.life.Hours()/24/2 {
				continue
			}
			if last, said := w[e.file+e.use]; !said || days < last {
				w[e.file+e.use] = days
				log.Warn(endText(e, left), "file", e.file, "end", e.at.UTC())
			}
			break
		}
	}
}

func endText(e end, daysLeft float64) string {
	what := "certificate ends"
	switch e.use {
	case "ca":
		what = "authority's certificate ends"
	case "crl":
		what = "revocation list should be replaced"
	}
	switch {
	case daysLeft > 0:
		return fmt.Sprintf("%s in %.1f days", what, daysLeft)
	case e.use == "crl":
		return "revocation list is older than its authority promised; it stays in use"
	}
	return what[:len(what)-1] + "ed"
}
