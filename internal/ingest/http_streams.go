package ingest

import "net/http"

// maxStreams is how many requests one connection of HTTP/2 may have under way: their
// heads are in memory before anybody can count them.
const maxStreams = 8

// allStreams is how many all connections together may have: each has a goroutine with
// its stack beside what is counted.
const allStreams = 1024

// boundStreams holds the requests of HTTP/2 to what those of HTTP/1 are held to by
// their connections: a connection carries many streams, each with a head and a
// goroutine, while its body may be long in coming.
func (in *inHTTP) boundStreams(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor < 2 {
			next.ServeHTTP(w, r)
			return
		}
		open := in.streams.Add(1)
		defer in.streams.Add(-1)
		head := loan{memory: in.memory}
		defer head.release()
		switch {
		case open > in.mostStreams():
			in.noRoom(w, "streams")
		case head.grow(headCost*headSize(r)) != nil:
			in.noRoom(w, "head memory")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func (in *inHTTP) mostStreams() int64 {
	if in.maxConnections > 0 {
		return int64(min(in.maxConnections, allStreams))
	}
	return allStreams
}

func (in *inHTTP) noRoom(w http.ResponseWriter, reason string) {
	in.counts.refused(http.StatusServiceUnavailable, reason)
	w.Header().Set("Retry-After", "1")
	answerText(w, http.StatusServiceUnavailable, "503 Service Unavailable\ntoo many requests are under way\n")
}

// headSize is about the text of a request's head.
func headSize(r *http.Request) int64 {
	const field = 32 // as HTTP/2 counts
	size := len(r.RequestURI)
	for name, values := range r.Header {
		for _, v := range values {
			size += len(name) + len(v) + field
		}
	}
	return int64(size)
}
