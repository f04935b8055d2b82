package teleporttest

import (
	"context"
	"iter"
	"slices"
	"time"

	auditlogpb "github.com/gravitational/teleport/api/gen/proto/go/teleport/auditlog/v1"

	"github.com/sluicelog/sluice/internal/teleport"
)

// Line is one event of the book.
type Line struct {
	UID    string // "" for most events of a recording
	ID     string // the uid, or the hash of the body
	Type   string
	Time   time.Time
	Handed int // times that a client was given it

	event func() *auditlogpb.EventUnstructured
}

// JSON is the event's body as a faithful client prints it.
func (l Line) JSON() []byte { return teleport.AppendJSON(nil, l.event().GetUnstructured()) }

// Book yields every audit event of the log in order of time.
func (s *Server) Book() iter.Seq[Line] {
	return func(yield func(Line) bool) {
		s.log.mu.Lock()
		order := slices.Clone(s.log.order)
		s.log.mu.Unlock()
		for _, seq := range order {
			if !yield(s.log.line(seq)) {
				return
			}
		}
	}
}

func (l *log) line(seq int32) Line {
	l.mu.Lock()
	i := l.item(seq)
	name := l.names[i.typ]
	l.mu.Unlock()
	line := Line{Type: name, Time: time.Unix(0, i.nano).UTC(), Handed: int(i.handed)}
	line.event = func() *auditlogpb.EventUnstructured { return l.body(i) }
	if i.given != nil {
		line.ID = i.given.GetId()
		line.UID = i.given.GetUnstructured().GetFields()["uid"].GetStringValue()
		return line
	}
	line.UID = l.gen.UID(int(i.ref))
	line.ID = line.UID
	return line
}

// UIDs yields the ids of all audit events of the log in order of time.
func (s *Server) UIDs() iter.Seq[string] {
	return func(yield func(string) bool) {
		for line := range s.Book() {
			if !yield(line.ID) {
				return
			}
		}
	}
}

// Count is how many audit events the log holds.
func (s *Server) Count() int {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return len(s.log.entries)
}

// Handed is how many different audit events were handed to clients.
func (s *Server) Handed() int {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	n := 0
	for i := range s.log.entries {
		if s.log.entries[i].handed > 0 {
			n++
		}
	}
	return n
}

// Session is one recording of the book.
type Session struct {
	ID     string
	Upload time.Time // of its session.upload event
	Events []Line
}

// Sessions yields every recording in the order of their uploads.
func (s *Server) Sessions() iter.Seq[Session] {
	return func(yield func(Session) bool) {
		s.log.mu.Lock()
		sids := slices.Clone(s.log.sids)
		s.log.mu.Unlock()
		for _, sid := range sids {
			if !yield(s.log.session(sid)) {
				return
			}
		}
	}
}

func (l *log) session(sid string) Session {
	events, upload, _ := l.recordingOf(sid)
	l.mu.Lock()
	handed := slices.Clone(l.uploads[sid].handed)
	l.mu.Unlock()
	out := Session{ID: sid, Upload: upload}
	for k, p := range events {
		line := Line{
			UID: p.GetUnstructured().GetFields()["uid"].GetStringValue(), ID: p.GetId(), Type: p.GetType(),
			Time: p.GetTime().AsTime(), event: func() *auditlogpb.EventUnstructured { return p },
		}
		if k < len(handed) {
			line.Handed = int(handed[k])
		}
		out.Events = append(out.Events, line)
	}
	return out
}

// recordingOf makes a session's recording; false when there is none.
func (l *log) recordingOf(sid string) (events []*auditlogpb.EventUnstructured, upload time.Time, ok bool) {
	l.mu.Lock()
	r, ok := l.uploads[sid]
	if !ok {
		l.mu.Unlock()
		return nil, time.Time{}, false
	}
	ref, given, upload := r.ref, r.given, r.upload
	l.mu.Unlock()
	if given != nil {
		return given, upload, true
	}
	return l.gen.Recording(ref), upload, true
}

// Live writes events to the log as the clock reaches their times, until ctx is
// done. Their number per second is the generator's step turned round; call it
// on a server whose Start is about now.
func (s *Server) Live(ctx context.Context) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		due := s.gen.Before(time.Now())
		s.log.mu.Lock()
		for s.log.next < due {
			s.log.generateOne()
		}
		s.log.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
