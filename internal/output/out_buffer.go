package output

import (
	"context"
	"fmt"
	"io"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/forward"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// bufferOut keeps events in a buffer before they go on to a label: what stands
// behind it may be away without holding up the source.
type bufferOut struct {
	env   plugin.Env
	label string
}

// NewBuffer makes a buffer output.
func NewBuffer(env plugin.Env) plugin.Output { return &bufferOut{env: env} }

func (o *bufferOut) Params(p *param.Set) {
	p.String("@label", &o.label, "", "Label that gets the events when they are flushed.").Required()
}

// BufferDefaults are Fluentd's: files, by tag.
func (o *bufferOut) BufferDefaults(c *buffer.Config) { c.Type, c.ChunkKeys = "file", "tag" }

// Check finds the label.
func (o *bufferOut) Check() error { return checkLabel(o.env, o.label) }

// SetBuffer wants the tag to be known when the events go on.
func (o *bufferOut) SetBuffer(c buffer.Config, _ int) error {
	if !c.KeyedByTag() {
		return param.Errorf("", "write <buffer tag>", "buffer chunk key must include 'tag' for buffer output")
	}
	return nil
}

// Format appends [time, record] in msgpack, as forward does.
func (o *bufferOut) Format(dst []byte, _ string, e event.Event) ([]byte, error) {
	return forward.AppendEntry(dst, e, false), nil
}

// Feeds reports whether the output's events go on to other outputs of the relay.
func (o *Buffered) Feeds() bool {
	_, feeds := o.out.(*bufferOut)
	return feeds
}

// passedAtOnce is how many events of a chunk make one transaction.
const passedAtOnce = 1000

// Write sends the chunk's events on; they are durable in what follows before the
// chunk goes. An attempt that failed half way sends all again.
func (o *bufferOut) Write(ctx context.Context, c *buffer.Chunk) error { return o.write(ctx, c) }

func (o *bufferOut) write(ctx context.Context, c chunk) error {
	r, err := c.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	tag := c.Meta().Tag
	entries := forward.NewDecoder(r)
	for {
		var es event.Stream
		for len(es) < passedAtOnce {
			e, err := entries.Entry()
			if err == io.EOF { //nolint:errorlint // it comes bare
				return o.pass(ctx, tag, es)
			}
			if err != nil {
				return fmt.Errorf("read chunk: %w", err)
			}
			es = append(es, e)
		}
		if err := o.pass(ctx, tag, es); err != nil {
			return err
		}
	}
}

func (o *bufferOut) pass(ctx context.Context, tag string, es event.Stream) error {
	if len(es) == 0 {
		return nil
	}
	tx := plugin.Begin(ctx)
	if err := o.env.Label(o.label).Accept(tx, tag, es); err != nil {
		tx.Abort(err)
		return err
	}
	return tx.Commit(ctx)
}
