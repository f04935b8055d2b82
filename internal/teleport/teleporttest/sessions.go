package teleporttest

import (
	"time"

	auditlogpb "github.com/gravitational/teleport/api/gen/proto/go/teleport/auditlog/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// StreamUnstructuredSessionEvents streams a recording from an index on.
func (a *auditService) StreamUnstructuredSessionEvents(r *auditlogpb.StreamUnstructuredSessionEventsRequest, out grpc.ServerStreamingServer[auditlogpb.EventUnstructured]) error {
	sid := r.GetSessionId()
	if a.s.opts.RecordAccess {
		a.recordAccess(sid)
	}
	missing, corrupt := a.s.faults.recording(sid)
	events, _, ok := a.s.log.recordingOf(sid)
	if missing || !ok {
		return status.Errorf(codes.NotFound, "recording for session %q not found", sid)
	}
	pace := a.s.faults.pace()
	pace.wait = max(pace.wait, a.s.faults.slowness(sid))
	for k, event := range events {
		if event.GetIndex() < int64(r.GetStartIndex()) {
			continue
		}
		if corrupt && k >= len(events)/2 {
			return status.Error(codes.Internal, "simulated corrupt recording")
		}
		if err := pace.step(out.Context()); err != nil {
			return err
		}
		a.s.log.handSession(sid, k, len(events))
		if err := out.Send(event); err != nil {
			return err
		}
	}
	return nil
}

func (l *log) handSession(sid string, k, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.uploads[sid]
	if len(r.handed) < n {
		r.handed = append(r.handed, make([]uint16, n-len(r.handed))...)
	}
	r.handed[k]++
}

// recordAccess writes what the real cluster writes for each such call.
func (a *auditService) recordAccess(sid string) {
	now := time.Now()
	id := uuidOf(a.s.opts.Seed^0xacce55, uint64(a.accesses.Add(1)))
	body := `{"event":"session.recording.access","code":"T2012I","uid":"` + id + `","time":"` + now.UTC().Format(time.RFC3339Nano) +
		`","ei":0,"session_id":"` + sid + `","user":"` + userName + `","user_kind":2,"session_type":"ssh","format":"text","cluster_name":"` + a.s.opts.Cluster + `"}`
	_ = a.s.Append(Event{Type: "session.recording.access", ID: id, Time: now, Body: []byte(body)}) // its body is right
}
