package teleport

import (
	"context"
	"iter"
	"time"

	"github.com/gravitational/teleport/api/client/proto"
	auditlogpb "github.com/gravitational/teleport/api/gen/proto/go/teleport/auditlog/v1"
	"github.com/gravitational/teleport/api/types"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// SearchRequest asks for one page of the audit log in ascending order of time.
type SearchRequest struct {
	From, To time.Time // the window, both ends included
	Types    []string  // only events of these types; empty: all
	Limit    int       // most events of one page
	Cursor   string    // where the page begins; "": at From
}

// Search returns one page and the cursor of the next, which is "" when the
// window has nothing more (yet). A cursor belongs to the From that it came
// with; its text is the cluster's own and may change with its version.
func (c *Client) Search(ctx context.Context, r SearchRequest) (page []Event, next string, err error) {
	callCtx, cancel := context.WithTimeout(ctx, c.cfg.CallTimeout)
	defer cancel()
	var reply *auditlogpb.EventsUnstructured
	call := func(o ...grpc.CallOption) error {
		reply, err = c.current.Load().audit.GetUnstructuredEvents(callCtx, &auditlogpb.GetUnstructuredEventsRequest{
			Namespace:  "default",
			StartDate:  timestamppb.New(r.From),
			EndDate:    timestamppb.New(r.To),
			EventTypes: r.Types,
			Limit:      int32(r.Limit),
			StartKey:   r.Cursor,
			Order:      auditlogpb.Order_ORDER_ASCENDING,
		}, o...)
		return err
	}
	if err = call(); r.Limit <= 1 && isOverLimit(err) {
		err = c.alone(callCtx, call)
	}
	if err != nil {
		return nil, "", c.fail(ctx, "search events", err)
	}
	page = make([]Event, 0, len(reply.GetItems()))
	for _, item := range reply.GetItems() {
		page = append(page, eventOf(item))
	}
	return page, reply.GetLastKey(), nil
}

// ExportChunks yields the names of all chunks of a UTC date, in no order; a
// later call may bring more. It ends with an error that [IsNotImplemented] when
// the cluster has no bulk export.
func (c *Client) ExportChunks(ctx context.Context, date time.Time) iter.Seq2[string, error] {
	open := func(ctx context.Context) (streamOf[auditlogpb.EventExportChunk], error) {
		return c.current.Load().audit.GetEventExportChunks(ctx, &auditlogpb.GetEventExportChunksRequest{Date: timestamppb.New(date)})
	}
	return func(yield func(string, error) bool) {
		for chunk, err := range receive(ctx, c.cfg.StallTimeout, open) {
			if err != nil {
				yield("", c.fail(ctx, "list export chunks", err))
				return
			}
			if !yield(chunk.GetChunk(), nil) {
				return
			}
		}
	}
}

// Exported is an event of a chunk with the cursor that resumes right after it.
type Exported struct {
	Event
	Cursor string
}

// ExportChunk yields the events of a chunk after cursor. When the loop ends
// without an error the chunk is complete for ever.
func (c *Client) ExportChunk(ctx context.Context, date time.Time, chunk, cursor string) iter.Seq2[Exported, error] {
	open := func(ctx context.Context, o ...grpc.CallOption) (streamOf[auditlogpb.ExportEventUnstructured], error) {
		return c.current.Load().audit.ExportUnstructuredEvents(ctx, &auditlogpb.ExportUnstructuredEventsRequest{
			Date: timestamppb.New(date), Chunk: chunk, Cursor: cursor,
		}, o...)
	}
	taken := func(item *auditlogpb.ExportEventUnstructured) bool {
		before := cursor
		cursor = item.GetCursor()
		return cursor != "" && cursor != before
	}
	return func(yield func(Exported, error) bool) {
		for item, err := range receiveAny(ctx, c, open, taken) {
			if err != nil {
				yield(Exported{}, c.fail(ctx, "export chunk "+chunk, err))
				return
			}
			if !yield(Exported{eventOf(item.GetEvent()), item.GetCursor()}, nil) {
				return
			}
		}
	}
}

// SessionEvents yields the events of a session's recording whose index is at
// least index. It ends with an error that [IsNotFound] when the recording is
// missing. Each call makes the cluster write a session.recording.access event.
func (c *Client) SessionEvents(ctx context.Context, sid string, index int64) iter.Seq2[Event, error] {
	open := func(ctx context.Context, o ...grpc.CallOption) (streamOf[auditlogpb.EventUnstructured], error) {
		return c.current.Load().audit.StreamUnstructuredSessionEvents(ctx, &auditlogpb.StreamUnstructuredSessionEventsRequest{
			SessionId: sid, StartIndex: int32(index),
		}, o...)
	}
	taken := func(item *auditlogpb.EventUnstructured) bool {
		behind := item.GetIndex() + 1
		rises := behind > index
		index = behind
		return rises
	}
	return func(yield func(Event, error) bool) {
		for item, err := range receiveAny(ctx, c, open, taken) {
			if err != nil {
				yield(Event{}, c.fail(ctx, "stream session "+sid, err))
				return
			}
			if !yield(eventOf(item), nil) {
				return
			}
		}
	}
}

// Lock keeps a user out. At least one of User and Login must be set.
type Lock struct {
	Name    string // a lock of the same name is replaced
	User    string
	Login   string    // an operating system login
	Message string    // shown to who is locked out
	Expires time.Time // zero: never
}

// UpsertLock creates or replaces a lock; our role needs create and update on
// locks.
func (c *Client) UpsertLock(ctx context.Context, l Lock) error {
	spec := types.LockSpecV2{Target: types.LockTarget{User: l.User, Login: l.Login}, Message: l.Message}
	if !l.Expires.IsZero() {
		end := l.Expires.UTC()
		spec.Expires = &end
	}
	lock, err := types.NewLock(l.Name, spec)
	if err != nil {
		return c.fail(ctx, "upsert lock "+l.Name, err)
	}
	callCtx, cancel := context.WithTimeout(ctx, c.cfg.CallTimeout)
	defer cancel()
	v2, _ := lock.(*types.LockV2) // NewLock makes no other kind
	if _, err := proto.NewAuthServiceClient(c.current.Load().api.GetConnection()).UpsertLock(callCtx, v2); err != nil {
		return c.fail(ctx, "upsert lock "+l.Name, err)
	}
	return nil
}
