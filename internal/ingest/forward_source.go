package ingest

import (
	"context"
	"strconv"

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
