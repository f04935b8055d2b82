// Package s3test is an S3 server for tests and for the quickstart: gofakes3's
// protocol over a folder in which each object is a plain file, so that a person
// can look into the bucket with find and gzip -dc, and with faults that can be
// switched on while it runs.
//
// An object and its metadata become visible together, by one rename, after both
// are on disk (folder.go); a kill or a power cut leaves the old state or the new
// one. If-None-Match: * is honoured atomically.
package s3test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/johannesboyne/gofakes3"
)

// Options are what a server begins with; the zero value serves an empty store on
// a free port of the loopback interface.
type Options struct {
	Addr    string   // "127.0.0.1:0" when it is empty
	Buckets []string // made if they are missing
	Faults  Faults
	// Stored is told of every object that was put, after it is on disk.
	Stored func(Object)
	// NoSync leaves fsync out, for tests that do not cut the power.
	NoSync bool
	// Script decides about each request in place of Faults, when it is set; see
	// [Fault].
	Script func(*http.Request) Fault
}

// Server is a running S3 server.
type Server struct {
	folder *folder
	http   *http.Server
	url    string
	served chan error

	completing sync.Mutex // held while an upload in parts is completed

	mu        sync.Mutex
	faults    Faults
	script    func(*http.Request) Fault
	puts      int // that the faults have counted
	requests  map[string]int
	lifecycle map[string][]byte
}

// Start serves the objects under dir, which is made if it is missing.
func Start(dir string, o Options) (*Server, error) {
	f, err := openFolder(dir, !o.NoSync, o.Stored)
	if err != nil {
		return nil, fmt.Errorf("open S3 folder: %w", err)
	}
	for _, bucket := range o.Buckets {
		if err := f.CreateBucket(bucket); err != nil && !gofakes3.IsAlreadyExists(err) {
			return nil, fmt.Errorf("make bucket %s: %w", bucket, err)
		}
	}
	addr := o.Addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("serve S3: %w", err)
	}
	s := &Server{
		folder: f, url: "http://" + listener.Addr().String(), served: make(chan error, 1),
		faults: o.Faults, script: o.Script, requests: map[string]int{}, lifecycle: map[string][]byte{},
	}
	s3 := gofakes3.New(f, gofakes3.WithTimeSkewLimit(0), gofakes3.WithoutVersioning())
	s.http = &http.Server{Handler: s.faulty(s.withLifecycle(s.withConditions(s3.Server()))), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		s.served <- s.http.Serve(listener)
		close(s.served)
	}()
	return s, nil
}

// URL is the endpoint; use it with path-style addressing.
func (s *Server) URL() string { return s.url }

// Close ends the server, requests in progress included.
func (s *Server) Close() error {
	return errors.Join(s.http.Close(), s.ended())
}

// ended waits for the server's goroutine and gives what it died of, once.
func (s *Server) ended() error {
	if err := <-s.served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Shutdown ends the server after the requests in progress.
func (s *Server) Shutdown(ctx context.Context) error {
	return errors.Join(s.http.Shutdown(ctx), s.ended())
}

// Objects lists a bucket by key.
func (s *Server) Objects(bucket string) []Object { return s.folder.objects(bucket) }

// Read is the bytes of an object.
func (s *Server) Read(bucket, key string) ([]byte, error) { return s.folder.read(bucket, key) }

// Put stores an object beside the protocol, as a stranger would.
func (s *Server) Put(bucket, key string, data []byte, metadata map[string]string) error {
	return s.folder.putBytes(bucket, key, data, metadata)
}

// Requests counts the requests of a method that came so far, those included that
// a fault answered.
func (s *Server) Requests(method string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests[method]
}
