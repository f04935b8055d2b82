package teleporttest

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"sync"
	"time"

	auditlogpb "github.com/gravitational/teleport/api/gen/proto/go/teleport/auditlog/v1"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Event is an audit event that a test makes by hand.
type Event struct {
	Type  string
	ID    string // default: the body's uid, else a hash of the body
	Time  time.Time
	Index int64
	Body  []byte // one JSON object; empty: a minimal one is made of the other fields
}

// log is the audit log: 24 bytes for each event, whose body is made again by the
// generator, or kept as it was given.
type log struct {
	gen       *Generator
	chunkSize int

	mu      sync.Mutex // guards what follows
	next    int        // the generator's next event
	entries []entry    // in order of arrival
	order   []int32    // entries by (time, arrival)
	given   []*auditlogpb.EventUnstructured
	types   map[string]uint16
	names   []string
	days    map[int64]*day
	uploads map[string]*recording
	sids    []string // keys of uploads in order of arrival
}

type entry struct {
	nano   int64
	ref    int32  // the generator's event, or ^index of given
	handed uint16 // times handed to a client
	typ    uint16
}

// recording is what a session stream serves.
type recording struct {
	ref    int                             // an event of its block, when given is nil
	given  []*auditlogpb.EventUnstructured // made by hand
	handed []uint16                        // by place in the recording
	upload time.Time
}

func newLog(gen *Generator, chunkSize int) *log {
	return &log{
		gen: gen, chunkSize: chunkSize,
		types: make(map[string]uint16), days: make(map[int64]*day), uploads: make(map[string]*recording),
	}
}

// Generate writes the generator's next n events to the log and returns how many
// it holds now.
func (s *Server) Generate(n int) int {
	l := s.log
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries, l.order = slices.Grow(l.entries, n), slices.Grow(l.order, n)
	for range n {
		l.generateOne()
	}
	return len(l.entries)
}

func (l *log) generateOne() {
	i := l.next
	l.next++
	when := l.gen.Time(i)
	typ := l.gen.Type(i)
	l.add(entry{nano: when.UnixNano(), ref: int32(i), typ: l.typeIndex(typ)})
	if typ == "session.upload" {
		l.addRecording(l.gen.SessionID(i), &recording{ref: i, upload: when})
	}
}

// Append writes events made by hand. One whose time is before others' is a late
// event: no page cursor that has passed its time will bring it.
func (s *Server) Append(events ...Event) error {
	for i, e := range events {
		p, err := e.proto()
		if err != nil {
			return fmt.Errorf("append event %d: %w", i, err)
		}
		s.AppendRaw(p)
	}
	return nil
}

func (e Event) proto() (*auditlogpb.EventUnstructured, error) {
	p := &auditlogpb.EventUnstructured{Type: e.Type, Id: e.ID, Index: e.Index, Time: timestamppb.New(e.Time)}
	fields := map[string]any{}
	if len(e.Body) > 0 {
		if err := json.Unmarshal(e.Body, &fields); err != nil {
			return nil, err
		}
	} else {
		fields = map[string]any{"event": e.Type, "code": "TEST0I", "uid": e.ID, "time": e.Time.UTC().Format(time.RFC3339Nano), "ei": float64(e.Index)}
	}
	var err error
	if p.Unstructured, err = structpb.NewStruct(fields); err != nil {
		return nil, err
	}
	if p.Id == "" {
		p.Id = p.Unstructured.Fields["uid"].GetStringValue()
	}
	if p.Id == "" {
		p.Id = hashOf(p.Unstructured)
	}
	return p, nil
}

// AppendRaw writes events that may be malformed: without a body, a time, an id.
func (s *Server) AppendRaw(events ...*auditlogpb.EventUnstructured) {
	l := s.log
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range events {
		l.given = append(l.given, p)
		l.add(entry{nano: p.GetTime().AsTime().UnixNano(), ref: int32(^(len(l.given) - 1)), typ: l.typeIndex(p.GetType())})
	}
}

// AppendRecording gives a session a recording made by hand, in place of a
// generated one if it has one.
func (s *Server) AppendRecording(sid string, events ...Event) error {
	r := &recording{given: []*auditlogpb.EventUnstructured{}}
	for i, e := range events {
		p, err := e.proto()
		if err != nil {
			return fmt.Errorf("append recording event %d: %w", i, err)
		}
		r.given = append(r.given, p)
	}
	l := s.log
	l.mu.Lock()
	defer l.mu.Unlock()
	l.addRecording(sid, r)
	return nil
}

func (l *log) addRecording(sid string, r *recording) {
	if _, known := l.uploads[sid]; !known {
		l.sids = append(l.sids, sid)
	}
	l.uploads[sid] = r
}

func (l *log) typeIndex(name string) uint16 {
	i, known := l.types[name]
	if !known {
		i = uint16(len(l.names))
		l.types[name] = i
		l.names = append(l.names, name)
	}
	return i
}

// add puts an entry at its place in time and among its day's unchunked ones.
func (l *log) add(e entry) {
	seq := int32(len(l.entries))
	l.entries = append(l.entries, e)
	at := len(l.order)
	if at > 0 && l.entries[l.order[at-1]].nano > e.nano {
		at = sort.Search(at, func(i int) bool { return l.entries[l.order[i]].nano > e.nano })
	}
	l.order = slices.Insert(l.order, at, seq)
	l.dayOf(dateOf(e.nano)).open = append(l.dayOf(dateOf(e.nano)).open, seq)
}

// item is an entry out of the lock's reach.
type item struct {
	entry
	seq   int32
	given *auditlogpb.EventUnstructured // nil: generated
}

// body makes the event of an entry. The result may be shared: read only.
func (l *log) body(i item) *auditlogpb.EventUnstructured {
	if i.given != nil {
		return i.given
	}
	return l.gen.Event(int(i.ref))
}

// item copies an entry, under the lock.
func (l *log) item(seq int32) item {
	i := item{entry: l.entries[seq], seq: seq}
	if i.ref < 0 {
		i.given = l.given[^i.ref]
	}
	return i
}

// take copies entries and counts them as handed out.
func (l *log) take(seqs []int32) []item {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]item, len(seqs))
	for i, seq := range seqs {
		if e := &l.entries[seq]; e.handed < 1<<16-1 {
			e.handed++
		}
		out[i] = l.item(seq)
	}
	return out
}
