package teleporttest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"sync"
	"sync/atomic"

	auditlogpb "github.com/gravitational/teleport/api/gen/proto/go/teleport/auditlog/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// auditService answers the calls of the audit log.
type auditService struct {
	auditlogpb.UnimplementedAuditLogServiceServer
	s *Server

	accesses atomic.Int64 // session.recording.access events written

	mu       sync.Mutex // guards what follows
	lastPage *auditlogpb.EventsUnstructured
}

// GetUnstructuredEvents returns one page. The next key is empty when the window
// is exhausted; the same key asked again brings what has been added behind it.
func (a *auditService) GetUnstructuredEvents(_ context.Context, r *auditlogpb.GetUnstructuredEventsRequest) (*auditlogpb.EventsUnstructured, error) {
	if r.GetOrder() != auditlogpb.Order_ORDER_ASCENDING {
		return nil, status.Error(codes.InvalidArgument, "only ascending order is simulated")
	}
	if r.GetLimit() < 1 {
		return nil, status.Error(codes.InvalidArgument, "limit must be at least 1")
	}
	repeat, empty, format := a.s.faults.page()
	if last := a.last(); repeat && last != nil {
		return last, nil
	}
	start := r.GetStartDate().AsTime().UnixNano()
	pos := position{Window: start, Nano: start, Seq: -1}
	if r.GetStartKey() != "" {
		var err error
		if pos, err = parseCursor(r.GetStartKey(), format); err != nil {
			return nil, status.Error(codes.InvalidArgument, err.Error())
		}
		if pos.Window != start {
			// What real backends do with the cursor of another window: no error
			// and no event, for ever.
			return &auditlogpb.EventsUnstructured{}, nil
		}
	}
	if empty {
		return &auditlogpb.EventsUnstructured{LastKey: pos.text(format)}, nil
	}
	seqs, more := a.s.log.page(pos, r)
	page := &auditlogpb.EventsUnstructured{}
	for _, i := range a.s.log.take(seqs) {
		page.Items = append(page.Items, a.s.log.body(i))
		pos.Nano, pos.Seq = i.nano, i.seq
	}
	if more {
		page.LastKey = pos.text(format)
	}
	a.mu.Lock()
	a.lastPage = page
	a.mu.Unlock()
	return page, nil
}

func (a *auditService) last() *auditlogpb.EventsUnstructured {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.lastPage
}

// page is what the next search suffers.
func (f *Faults) page() (repeat, empty bool, format int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	repeat, empty, format = f.repeat > 0, f.repeat == 0 && f.empty > 0, f.format
	f.repeat = max(0, f.repeat-1)
	if empty {
		f.empty--
	}
	return repeat, empty, format
}

// page finds the events of a window behind a position, and whether there are
// more.
func (l *log) page(pos position, r *auditlogpb.GetUnstructuredEventsRequest) (seqs []int32, more bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	end := r.GetEndDate().AsTime().UnixNano()
	from := sort.Search(len(l.order), func(i int) bool {
		seq := l.order[i]
		nano := l.entries[seq].nano
		return nano > pos.Nano || nano == pos.Nano && seq > pos.Seq
	})
	for _, seq := range l.order[from:] {
		e := l.entries[seq]
		if e.nano > end {
			break
		}
		if types := r.GetEventTypes(); len(types) > 0 && !slices.Contains(types, l.names[e.typ]) {
			continue
		}
		if len(seqs) == int(r.GetLimit()) {
			return seqs, true
		}
		seqs = append(seqs, seq)
	}
	return seqs, false
}

// position is behind one event of one window.
type position struct {
	Window int64 `json:"window"`
	Nano   int64 `json:"nano"`
	Seq    int32 `json:"seq"`
}

func (p position) text(format int) string {
	if format == 2 {
		b, _ := json.Marshal(p) // three numbers
		return string(b)
	}
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d/%d/%d", p.Window, p.Nano, p.Seq))
}

func parseCursor(text string, format int) (p position, err error) {
	if format == 2 {
		err = json.Unmarshal([]byte(text), &p)
		return p, err
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return p, fmt.Errorf("cursor is of another format: %w", err)
	}
	_, err = fmt.Sscanf(string(raw), "%d/%d/%d", &p.Window, &p.Nano, &p.Seq)
	return p, err
}
