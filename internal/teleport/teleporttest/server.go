// Package teleporttest is a Teleport cluster without Teleport: an Auth service
// on a real gRPC port with mutual TLS, an identity file to log in with, and an
// audit log of invented but realistic events.
//
// [Start] listens. [Server.Generate] and [Server.Append] write to the log,
// [Server.Faults] spoils the answers, and the book ([Server.Book],
// [Server.Sessions]) says what exists and what was handed out, so that whatever
// arrives at the far end can be compared with it. Everything but the keys is a
// function of the seed.
//
// It follows the wire contracts of the published teleport/api module; the
// content of cursors and chunk names is its own, as each real backend has its
// own.
package teleporttest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gravitational/teleport/api/client/proto"
	auditlogpb "github.com/gravitational/teleport/api/gen/proto/go/teleport/auditlog/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
)

// Mode is which of Teleport's audit backends is imitated.
type Mode int

const (
	Search Mode = iota // pages only; the bulk calls are not implemented
	Bulk               // pages and chunks, as on Teleport Cloud
)

// Options describe the cluster. Only Dir is required.
type Options struct {
	Dir  string // folder for the identity file; made when missing
	Addr string // default "127.0.0.1:0"
	Mode Mode

	Seed        uint64        // of the generated events
	Start       time.Time     // of the first one; default one hour ago
	Step        time.Duration // between two of them; default 1 ms
	UploadEvery int           // one session with a recording in so many events; default 64, negative: none
	Cluster     string        // default "teleport.example.com"

	ChunkSize    int           // most events in a chunk; default 500
	IdentityTTL  time.Duration // default 24 h; negative: expired
	Principals   []string      // names in the identity's SSH certificate; default: those of a role without logins
	MinPing      time.Duration // who pings more often is thrown out; default 60 s, as Teleport has it and as its clients do
	RecordAccess bool          // each session stream writes session.recording.access, as the real cluster does
}

// Server is a running cluster, safe for concurrent use.
type Server struct {
	opts   Options
	certs  *authority
	faults *Faults
	gen    *Generator
	log    *log
	locks  lockBook
	conns  conns

	mu     sync.Mutex // guards what follows
	addr   string
	grpc   *grpc.Server // nil while stopped
	closed bool

	serving sync.WaitGroup
	detach  func() bool // ends the watch over the context given to Start
}

// Start listens and serves until Close, or until ctx is done.
func Start(ctx context.Context, o Options) (*Server, error) {
	o.setDefaults()
	certs, err := newAuthority(o.Cluster)
	if err != nil {
		return nil, fmt.Errorf("start simulated teleport: %w", err)
	}
	certs.principals = o.Principals
	gen := NewGenerator(GeneratorOptions{Seed: o.Seed, Start: o.Start, Step: o.Step, UploadEvery: o.UploadEvery, Cluster: o.Cluster})
	s := &Server{
		opts: o, certs: certs, faults: newFaults(), gen: gen,
		log: newLog(gen, o.ChunkSize), addr: o.Addr,
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("start simulated teleport: %w", err)
	}
	if err := s.WriteIdentity(s.IdentityPath(), o.IdentityTTL); err != nil {
		return nil, fmt.Errorf("start simulated teleport: %w", err)
	}
	if err := s.Resume(); err != nil {
		return nil, fmt.Errorf("start simulated teleport: %w", err)
	}
	s.detach = context.AfterFunc(ctx, s.Stop)
	return s, nil
}

func (o *Options) setDefaults() {
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	if o.Cluster == "" {
		o.Cluster = "teleport.example.com"
	}
	if o.ChunkSize <= 0 {
		o.ChunkSize = 500
	}
	if o.MinPing <= 0 {
		o.MinPing = time.Minute
	}
	if o.IdentityTTL == 0 {
		o.IdentityTTL = 24 * time.Hour
	}
}

// Addr is host:port of the Auth service.
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// IdentityPath is the identity file's path.
func (s *Server) IdentityPath() string { return filepath.Join(s.opts.Dir, "identity") }

// Faults are the knobs that spoil the answers.
func (s *Server) Faults() *Faults { return s.faults }

// Stop ends the service as a crash of it would: connections break, the port is
// free, log and book stay.
func (s *Server) Stop() {
	s.mu.Lock()
	server := s.grpc
	s.grpc = nil
	s.mu.Unlock()
	if server != nil {
		server.Stop()
	}
	s.serving.Wait()
}

// Resume serves again after Stop, on the same port.
func (s *Server) Resume() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errors.New("the server is closed")
	}
	if s.grpc != nil {
		return nil
	}
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		return err
	}
	s.addr = l.Addr().String()
	server := s.newGRPC()
	s.grpc = server
	s.serving.Go(func() { _ = server.Serve(s.conns.watch(l)) }) // it ends only through Stop
	return nil
}

// Close stops for good.
func (s *Server) Close() error {
	s.detach()
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.Stop()
	return nil
}

func (s *Server) newGRPC() *grpc.Server {
	server := grpc.NewServer(
		grpc.Creds(forgery{credentials.NewTLS(s.certs.serverTLS(s.faults.certificateExpired)), s.faults}),
		// Clients ping every 60 s, also without a stream; whoever forbids that
		// gets no quiet connection.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: s.opts.MinPing, PermitWithoutStream: true}),
		grpc.ConnectionTimeout(20*time.Second),
		grpc.MaxRecvMsgSize(16<<20),
		grpc.UnaryInterceptor(s.faults.unary),
		grpc.StreamInterceptor(s.faults.stream),
	)
	auditlogpb.RegisterAuditLogServiceServer(server, &auditService{s: s})
	proto.RegisterAuthServiceServer(server, &authService{s: s})
	return server
}

// DropConnections breaks every connection; clients may come back at once.
func (s *Server) DropConnections() { s.conns.drop() }

// Connections is how many TCP connections are open.
func (s *Server) Connections() int { return s.conns.count() }

// Accepted is how many TCP connections there have been.
func (s *Server) Accepted() int { return s.conns.total() }
