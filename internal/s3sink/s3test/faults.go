package s3test

import (
	"bytes"
	"encoding/xml"
	"io"
	"net/http"
	"strings"
	"time"
)

// Faults are what goes wrong with requests; the zero value is nothing.
type Faults struct {
	// FailBefore answers 500 to one PUT in so many before anything is stored.
	FailBefore int
	// FailAfter answers 500 to one PUT in so many, after the object was stored.
	FailAfter int
	// DropAfter closes the connection of one PUT in so many without an answer,
	// after the object was stored.
	DropAfter int
	// Latency delays each request.
	Latency time.Duration
	// Down closes every connection without an answer.
	Down bool
	// Reject answers every request with this status, such as 403 or 503.
	Reject int
	// IgnoreConditions makes the server one that does not know If-None-Match.
	IgnoreConditions bool
}

// Fault is what goes wrong with one request; the zero value is nothing.
type Fault struct {
	Status int    // answered in place of the true one
	Code   string // S3's error code in that answer
	Stored bool   // the request is done first, then the fault strikes
	Drop   bool   // no answer: the connection is closed
	// Before runs before the request is done, such as a stranger's PUT.
	Before func()
	// IgnoreConditions does the request without its If-None-Match.
	IgnoreConditions bool
}

// SetFaults changes what goes wrong from now on.
func (s *Server) SetFaults(f Faults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults, s.puts = f, 0
}

// SetScript changes who decides about each request; nil gives it back to Faults.
func (s *Server) SetScript(script func(*http.Request) Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = script
}

// faulty wraps the server in what goes wrong.
func (s *Server) faulty(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fault, latency := s.decide(r)
		if latency > 0 {
			select {
			case <-time.After(latency):
			case <-r.Context().Done():
				return
			}
		}
		if fault.Before != nil {
			fault.Before()
		}
		if fault.IgnoreConditions {
			r.Header.Del("If-None-Match")
		}
		strikes := fault.Drop || fault.Status != 0
		if strikes && fault.Stored {
			next.ServeHTTP(nowhere{}, r)
		} else if strikes && !fault.Drop {
			_, _ = io.Copy(io.Discard, r.Body) // so that the client reads the answer
		}
		switch {
		case fault.Drop:
			drop(w)
		case strikes:
			refuse(w, r, fault)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func (s *Server) decide(r *http.Request) (Fault, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests[r.Method]++
	if s.script != nil {
		return s.script(r), 0
	}
	f := &s.faults
	fault := Fault{IgnoreConditions: f.IgnoreConditions, Status: f.Reject, Drop: f.Down}
	if r.Method != http.MethodPut || !isObject(r) || f.Reject != 0 || f.Down {
		return fault, f.Latency
	}
	s.puts++
	one := func(in int) bool { return in > 0 && s.puts%in == 0 }
	switch {
	case one(f.FailBefore):
		fault.Status = http.StatusInternalServerError
	case one(f.FailAfter):
		fault.Status, fault.Stored = http.StatusInternalServerError, true
	case one(f.DropAfter):
		fault.Drop, fault.Stored = true, true
	}
	return fault, f.Latency
}

// isObject reports whether a path-style request is about an object, not a bucket.
func isObject(r *http.Request) bool {
	_, key := bucketAndKey(r)
	return key != ""
}

func bucketAndKey(r *http.Request) (bucket, key string) {
	bucket, key, _ = strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	return bucket, key
}

// nowhere takes an answer that nobody gets.
type nowhere struct{}

func (nowhere) Header() http.Header         { return http.Header{} }
func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (nowhere) WriteHeader(int)             {}

// drop closes the connection as a crash would.
func drop(w http.ResponseWriter) {
	panic(http.ErrAbortHandler) // net/http's way to close without an answer
}

// codes are S3's error codes for the statuses that tests use.
var codes = map[int]string{
	http.StatusForbidden: "AccessDenied", http.StatusInternalServerError: "InternalError",
	http.StatusServiceUnavailable: "SlowDown", http.StatusConflict: "ConditionalRequestConflict",
	http.StatusPreconditionFailed: "PreconditionFailed", http.StatusNotImplemented: "NotImplemented",
	http.StatusNotFound: "NoSuchBucket", http.StatusBadRequest: "InvalidRequest",
}

func refuse(w http.ResponseWriter, r *http.Request, f Fault) {
	code := f.Code
	if code == "" {
		code = codes[f.Status]
	}
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(f.Status)
	if r.Method == http.MethodHead {
		return
	}
	text, _ := xml.Marshal(struct {
		XMLName xml.Name `xml:"Error"`
		Code    string
		Message string
	}{Code: code, Message: code})
	_, _ = w.Write(append([]byte(xml.Header), text...))
}

// withLifecycle keeps buckets' lifecycle rules, which gofakes3 does not know.
func (s *Server) withLifecycle(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !r.URL.Query().Has("lifecycle") {
			next.ServeHTTP(w, r)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		bucket := strings.Trim(r.URL.Path, "/")
		if r.Method == http.MethodPut {
			var b bytes.Buffer
			if _, err := b.ReadFrom(http.MaxBytesReader(w, r.Body, 1<<20)); err == nil {
				s.lifecycle[bucket] = b.Bytes()
			}
			return
		}
		rules, ok := s.lifecycle[bucket]
		if !ok {
			refuse(w, r, Fault{Status: http.StatusNotFound, Code: "NoSuchLifecycleConfiguration"})
			return
		}
		_, _ = w.Write(rules)
	})
}

// Lifecycle is the bucket's lifecycle rules as they were put, in XML; nil when it
// has none.
func (s *Server) Lifecycle(bucket string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lifecycle[bucket]
}
