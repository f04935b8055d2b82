package ingest

import (
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/sluicelog/sluice/internal/event"
)

// decorate adds what the source was asked to add: headers, query, address.
func (in *inHTTP) decorate(r *http.Request, q *request) error {
	if !in.headers && !in.queries && !in.remote {
		return nil
	}
	for i := range q.events {
		record := q.events[i].Record
		if in.headers {
			addHeaders(record, r, len(in.auth.rules) > 0)
		}
		if in.queries {
			addQuery(record, r.URL.RawQuery)
		}
		if in.remote {
			record.Set("REMOTE_ADDR", remoteAddr(r))
		}
	}
	return nil
}

// addHeaders adds HTTP_* fields in the order in which the client sent them; one
// given twice becomes an array. A secret that we ask for is no part of an event.
func addHeaders(record *event.Record, r *http.Request, hideSecret bool) {
	seen := map[string]bool{}
	for _, name := range headOrder(r) {
		key := "HTTP_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		if seen[key] || hideSecret && key == "HTTP_AUTHORIZATION" {
			continue
		}
		seen[key] = true
		switch values := headerValues(r, name); len(values) {
		case 0:
		case 1:
			record.Set(key, values[0])
		default:
			all := make([]any, len(values))
			for i, v := range values {
				all[i] = v
			}
			record.Set(key, all)
		}
	}
}

// headerValues looks where net/http has moved some headers to.
func headerValues(r *http.Request, name string) []string {
	switch http.CanonicalHeaderKey(name) {
	case "Host":
		return []string{r.Host}
	case "Content-Length":
		return []string{strconv.FormatInt(r.ContentLength, 10)}
	case "Transfer-Encoding":
		return r.TransferEncoding
	}
	return r.Header.Values(name)
}

// addQuery adds QUERY_* fields in the order of the query; the last of a name
// that is there twice wins.
func addQuery(record *event.Record, query string) {
	for pair := range strings.SplitSeq(query, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, errName := url.QueryUnescape(name)
		value, errValue := url.QueryUnescape(value)
		if errName == nil && errValue == nil {
			record.Set("QUERY_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_")), value)
		}
	}
}

// remoteAddr is the first address of X-Forwarded-For, else the client's. Unlike
// in Fluentd a forwarded address does not stick to the connection.
func remoteAddr(r *http.Request) string {
	if forwarded := r.Header.Get("X-Forwarded-For"); forwarded != "" {
		first, _, _ := strings.Cut(forwarded, ",")
		return strings.TrimSpace(first)
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
