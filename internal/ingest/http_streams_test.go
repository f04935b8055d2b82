package ingest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// Requests of HTTP/2 are no more than there may be connections, and their heads
// count as memory.
func TestHTTPStreamsAreBounded(t *testing.T) {
	s := startHTTP(t, "max_connections 2\nrequest_memory_limit 100k\nbody_size_limit 10k")
	inside, leave := make(chan struct{}, 3), make(chan struct{})
	h := s.boundStreams(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		inside <- struct{}{}
		<-leave
	}))
	ask := func(head string) int {
		r := httptest.NewRequest(http.MethodPost, "/t", nil)
		r.ProtoMajor = 2
		r.Header.Set("X", head)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	var under sync.WaitGroup
	for range 2 {
		under.Go(func() { _ = ask("") })
		<-inside
	}
	if got := ask(""); got != 503 || s.refusedFor(t, "503", "streams") != 1 {
		t.Errorf("a third one is answered %d", got)
	}
	close(leave)
	under.Wait()
	if got := ask(strings.Repeat("x", 50<<10)); got != 503 || s.refusedFor(t, "503", "head memory") != 1 {
		t.Errorf("a large head is answered %d", got)
	}
	if got := ask(""); got != 200 || s.streams.Load() != 0 || !s.memory.sem.TryAcquire(s.memory.total) {
		t.Errorf("answered %d afterwards, %d streams are counted", got, s.streams.Load())
	}
}
