package s3test

import "net/http"

// withConditions honours If-None-Match: * where an upload in parts is completed, which
// gofakes3 does not know.
func (s *Server) withConditions(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || !r.URL.Query().Has("uploadId") || r.Header.Get("If-None-Match") != "*" {
			next.ServeHTTP(w, r)
			return
		}
		s.completing.Lock()
		defer s.completing.Unlock()
		if s.folder.has(bucketAndKey(r)) {
			refuse(w, r, Fault{Status: http.StatusPreconditionFailed})
			return
		}
		next.ServeHTTP(w, r)
	})
}
