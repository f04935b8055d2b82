package ingest

import (
	"net/http"
	"slices"
	"strings"
)

// corsRules say which origins a browser may post from.
type corsRules struct {
	origins     []string
	credentials bool
}

func (c *corsRules) any() bool { return slices.Contains(c.origins, "*") }

// allows reports whether an origin may post. A pattern may hold one * which
// stands for any text, dots included, as in Fluentd.
func (c *corsRules) allows(origin string) bool {
	return slices.ContainsFunc(c.origins, func(pattern string) bool {
		before, after, wild := strings.Cut(pattern, "*")
		if !wild {
			return pattern == origin
		}
		return len(origin) >= len(before)+len(after) && strings.HasPrefix(origin, before) && strings.HasSuffix(origin, after)
	})
}

// allow sets the header that lets a browser read the answer.
func (c *corsRules) allow(head http.Header, r *http.Request) {
	if len(c.origins) == 0 {
		return
	}
	if origin := r.Header.Get("Origin"); c.any() {
		head.Set("Access-Control-Allow-Origin", "*")
	} else if origin != "" && c.allows(origin) {
		head.Set("Access-Control-Allow-Origin", origin)
		if c.credentials {
			head.Set("Access-Control-Allow-Credentials", "true")
		}
	}
}

// crossOrigin answers preflights, and refuses posts from origins that are not
// allowed. OPTIONS without CORS is 403.
func (in *inHTTP) crossOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin := r.Header.Get("Origin")
		switch {
		case r.Method == http.MethodOptions:
			in.preflight(w, r, origin)
		case r.Method != http.MethodGet && len(in.cors.origins) > 0 && origin != "" && !in.cors.allows(origin):
			closing(w.Header(), r)
			in.counts.refused(http.StatusForbidden, "origin")
			answerEmpty(w, http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func (in *inHTTP) preflight(w http.ResponseWriter, r *http.Request, origin string) {
	w.Header().Del("Connection")
	if origin == "" || r.Header.Get("Access-Control-Request-Method") != http.MethodPost || !in.cors.allows(origin) {
		in.counts.refused(http.StatusForbidden, "preflight")
		answerEmpty(w, http.StatusForbidden)
		return
	}
	in.cors.allow(w.Header(), r)
	w.Header().Set("Access-Control-Allow-Methods", "POST")
	w.Header().Set("Access-Control-Allow-Headers", r.Header.Get("Access-Control-Request-Headers"))
	answerEmpty(w, http.StatusOK)
}

func answerEmpty(w http.ResponseWriter, status int) {
	w.Header()["Content-Type"], w.Header()["Content-Length"] = plainText, zeroLength
	w.WriteHeader(status)
}

// refuseGet answers GET as Fluentd does: 200, empty, and nothing is taken. It is
// what probes use.
func refuseGet(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Del("Connection")
		answerEmpty(w, http.StatusOK)
	})
}
