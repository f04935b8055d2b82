package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// serveNull is the ceiling: net/http behind the same TLS, which reads the body
// and answers 200; when durable, after an fsync that covers it.
func serveNull(ctx context.Context, dir string, durable bool) error {
	config, err := serverTLS(dir)
	if err != nil {
		return err
	}
	var keep func([]byte) error
	if durable {
		j, err := openJournal(filepath.Join(dir, "journal"))
		if err != nil {
			return err
		}
		keep = j.append
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(ln.Addr())
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil && keep != nil {
			err = keep(body)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})}
	return serveUntil(ctx, srv, tls.NewListener(ln, config))
}

func serveUntil(ctx context.Context, srv *http.Server, ln net.Listener) error {
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	if err := srv.Serve(ln); ctx.Err() == nil {
		return err
	}
	return nil
}

// journal is one file and one fsync for all that came while the last one ran.
type journal struct {
	mu      sync.Mutex
	f       *os.File
	pending *round
	wake    chan struct{}
}

type round struct {
	done chan struct{}
	err  error
}

func openJournal(path string) (*journal, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	j := &journal{f: f, wake: make(chan struct{}, 1)}
	go j.syncLoop() // for as long as the process lives
	return j, nil
}

func (j *journal) append(b []byte) error {
	j.mu.Lock()
	if _, err := j.f.Write(b); err != nil {
		j.mu.Unlock()
		return err
	}
	if j.pending == nil {
		j.pending = &round{done: make(chan struct{})}
		j.wake <- struct{}{}
	}
	r := j.pending
	j.mu.Unlock()
	<-r.done
	return r.err
}

func (j *journal) syncLoop() {
	for range j.wake {
		j.mu.Lock()
		r := j.pending
		j.pending = nil
		j.mu.Unlock()
		r.err = j.f.Sync()
		close(r.done)
	}
}

// serveS3 keeps objects in memory and counts what it holds under /_count.
func serveS3(ctx context.Context) error {
	backend := s3mem.New()
	if err := backend.CreateBucket(bucket); err != nil {
		return err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(ln.Addr())
	return serveUntil(ctx, &http.Server{Handler: gofakes3.New(backend).Server()}, ln)
}

func serverTLS(dir string) (*tls.Config, error) {
	pair, pool, err := loadPair(dir, "server")
	if err != nil {
		return nil, err
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12}, nil
}

func clientTLS(dir string) (*tls.Config, error) {
	pair, pool, err := loadPair(dir, "client")
	if err != nil {
		return nil, err
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: pool, ServerName: "localhost", MinVersion: tls.VersionTLS12}, nil
}

func loadPair(dir, name string) (tls.Certificate, *x509.CertPool, error) {
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key"))
	if err != nil {
		return pair, nil, err
	}
	ca, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		return pair, nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	return pair, pool, nil
}
