package ingest

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/forward"
	"github.com/sluicelog/sluice/internal/plugin"
)

// withForwardSource puts a sender's word about itself, which our handler adds to
// a message's option, into the context: what the headers Sluice-Source and so on
// are to HTTP. Words that can not be read count as none: the events are taken.
func withForwardSource(ctx context.Context, m *forward.Message) context.Context {
	if m.Option == nil {
		return ctx
	}
	id, ok := m.Option.Get("sluice_source")
	if !ok {
		return ctx
	}
	src := &buffer.Source{ID: event.Text(id)}
	for name, dst := range map[string]*uint64{"sluice_start": &src.Start, "sluice_generation": &src.Generation, "sluice_forget": &src.Forget} {
		word, _ := m.Option.Get(name)
		n, err := strconv.ParseUint(event.Text(word), 10, 64)
		if err != nil {
			return ctx
		}
		*dst = n
	}
	return plugin.WithSource(ctx, src)
}

// tellOurs says to our own handler what the protocol has no word for: that events
// will never be taken, or that another handler has taken its place. Any other
// sender sees the connection close. The answer is {"refused": chunk, "status":
// as over HTTP, "reason": text}. It reports that the answer was sent.
func (c *forwardConn) tellOurs(option *event.Record, err error) bool {
	status := 0
	switch {
	case errors.Is(err, buffer.ErrTooLarge), errors.Is(err, forward.ErrTooLarge):
		status = http.StatusRequestEntityTooLarge
	case errors.Is(err, buffer.ErrStaleSource):
		status = http.StatusConflict
	}
	if option == nil || status == 0 {
		return false
	}
	chunk, asked := option.Get("chunk")
	if _, ours := option.Get("sluice_source"); !ours || !asked {
		return false
	}
	_ = c.conn.SetWriteDeadline(time.Now().Add(ackTime))
	answer := event.NewRecord("refused", event.Text(chunk), "status", int64(status), "reason", err.Error())
	_, err = c.conn.Write(event.AppendMsgpack(nil, answer))
	return err == nil // else it sends again
}
