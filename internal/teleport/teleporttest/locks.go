package teleporttest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/gravitational/teleport/api/client/proto"
	"github.com/gravitational/teleport/api/types"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// Lock is a lock that a client has asked for.
type Lock struct {
	Name, User, Login, Message string
	Expires                    time.Time // zero: never
}

type lockBook struct {
	mu  sync.Mutex
	all []Lock
}

// Locks are all locks asked for, in order, repeats included.
func (s *Server) Locks() []Lock {
	s.locks.mu.Lock()
	defer s.locks.mu.Unlock()
	return slices.Clone(s.locks.all)
}

// authService answers the few calls of the Auth service that are no audit log's.
type authService struct {
	proto.UnimplementedAuthServiceServer
	s *Server
}

// UpsertLock keeps the lock.
func (a *authService) UpsertLock(_ context.Context, l *types.LockV2) (*emptypb.Empty, error) {
	if l.Spec.Target.IsEmpty() || l.Metadata.Name == "" {
		return nil, status.Error(codes.InvalidArgument, "at least one target field must be set")
	}
	lock := Lock{Name: l.Metadata.Name, User: l.Spec.Target.User, Login: l.Spec.Target.Login, Message: l.Spec.Message}
	if l.Spec.Expires != nil {
		lock.Expires = *l.Spec.Expires
	}
	a.s.locks.mu.Lock()
	defer a.s.locks.mu.Unlock()
	a.s.locks.all = append(a.s.locks.all, lock)
	return &emptypb.Empty{}, nil
}

// Ping says who we are; tools ask it, our client does not.
func (a *authService) Ping(context.Context, *proto.PingRequest) (*proto.PingResponse, error) {
	return &proto.PingResponse{ClusterName: a.s.opts.Cluster, ServerVersion: "17.2.1"}, nil
}
