package teleporttest

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	auditlogpb "github.com/gravitational/teleport/api/gen/proto/go/teleport/auditlog/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// day is a UTC date's chunks. Events wait in open until somebody lists the
// date; what was listed once never changes.
type day struct {
	open   []int32
	chunks map[string][]int32
	names  []string // in order of making
}

func dateOf(nano int64) int64 { return time.Unix(0, nano).UTC().Truncate(24 * time.Hour).Unix() }

// dayOf is called under the lock.
func (l *log) dayOf(date int64) *day {
	d := l.days[date]
	if d == nil {
		d = &day{chunks: make(map[string][]int32)}
		l.days[date] = d
	}
	return d
}

// chunkNames cuts what is open into chunks and returns all names of a date, in
// an order that is not that of their making.
func (l *log) chunkNames(date int64) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.days[date]
	if d == nil {
		return nil
	}
	for part := range slices.Chunk(d.open, l.chunkSize) {
		name := uuidOf(l.gen.o.Seed^uint64(date), uint64(len(d.names)))
		d.chunks[name] = slices.Clone(part)
		d.names = append(d.names, name)
	}
	d.open = nil
	return slices.Sorted(slices.Values(d.names))
}

// Chunks are the names of a date's chunks, as a client would be told.
func (s *Server) Chunks(date time.Time) []string { return s.log.chunkNames(dateOf(date.UnixNano())) }

func (l *log) chunk(date int64, name string) ([]int32, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.days[date]
	if d == nil {
		return nil, false
	}
	seqs, ok := d.chunks[name]
	return seqs, ok
}

// GetEventExportChunks lists a date's chunks, in Bulk mode.
func (a *auditService) GetEventExportChunks(r *auditlogpb.GetEventExportChunksRequest, out grpc.ServerStreamingServer[auditlogpb.EventExportChunk]) error {
	if a.s.opts.Mode != Bulk {
		return status.Error(codes.Unimplemented, "this backend has no bulk export")
	}
	for _, name := range a.s.log.chunkNames(dateOf(r.GetDate().AsTime().UnixNano())) {
		if err := out.Send(&auditlogpb.EventExportChunk{Chunk: name}); err != nil {
			return err
		}
	}
	return nil
}

// ExportUnstructuredEvents streams a chunk from a cursor on, in Bulk mode.
func (a *auditService) ExportUnstructuredEvents(r *auditlogpb.ExportUnstructuredEventsRequest, out grpc.ServerStreamingServer[auditlogpb.ExportEventUnstructured]) error {
	if a.s.opts.Mode != Bulk {
		return status.Error(codes.Unimplemented, "this backend has no bulk export")
	}
	seqs, ok := a.s.log.chunk(dateOf(r.GetDate().AsTime().UnixNano()), r.GetChunk())
	if !ok {
		return status.Errorf(codes.NotFound, "no chunk %q", r.GetChunk())
	}
	format := a.s.faults.cursorFormat()
	from, err := parseRow(r.GetCursor(), format)
	if err != nil || from > len(seqs) {
		return status.Errorf(codes.InvalidArgument, "cursor %q cannot be used: %v", r.GetCursor(), err)
	}
	stuck, pace := a.s.faults.isStuck(r.GetChunk()), a.s.faults.pace()
	for row := from; row < len(seqs); row++ {
		if stuck && row > 0 {
			return status.Error(codes.Internal, "simulated broken chunk")
		}
		if err := pace.step(out.Context()); err != nil {
			return err
		}
		event := a.s.log.body(a.s.log.take(seqs[row : row+1])[0])
		if err := out.Send(&auditlogpb.ExportEventUnstructured{Event: event, Cursor: rowText(row+1, format)}); err != nil {
			return err
		}
	}
	return nil
}

func rowText(row, format int) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "row%d:%d", format, row))
}

func parseRow(text string, format int) (int, error) {
	if text == "" {
		return 0, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return 0, err
	}
	rest, ok := strings.CutPrefix(string(raw), fmt.Sprintf("row%d:", format))
	if !ok {
		return 0, fmt.Errorf("it is of another format")
	}
	return strconv.Atoi(rest)
}
