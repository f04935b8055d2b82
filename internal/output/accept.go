package output

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/cli"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/plugin"
)

// Accept formats the events, sorts them by chunk, and plans the append.
func (o *Buffered) Accept(tx *plugin.Tx, tag string, es event.Stream) error {
	batch := batches.Get().(*groups)
	batch.reset()
	batch.wantIDs = o.buffer.WantIDs(tx.Source())
	for _, e := range es {
		if err := o.add(batch, tag, e); err != nil {
			batches.Put(batch)
			return err
		}
	}
	batch.Batch.Source = tx.Source()
	tx.Append(o.buf, &batch.Batch, func(err error) {
		if err == nil {
			o.counts.emitted(len(es), batch)
			if o.flush.Mode == "immediate" {
				o.poke()
			}
		} else if errors.Is(err, buffer.ErrFull) {
			o.full.Log(context.Background(), o.env.Log, slog.LevelWarn, "", "failed to write data into buffer by buffer overflow", "action", cli.Bare(":"+o.buffer.OverflowAction))
		}
		batches.Put(batch)
	})
	return nil
}

func (o *Buffered) add(b *groups, tag string, e event.Event) error {
	g := b.group(&o.keys, tag, e)
	body, err := o.out.Format(g.Body, tag, e)
	if err != nil {
		return &plugin.FormatError{Err: err}
	}
	if len(body) == len(g.Body) {
		return nil // a formatter may leave an event out
	}
	g.Body = body
	g.Ends = append(g.Ends, len(body))
	if b.wantIDs {
		g.IDs = append(g.IDs, o.idOf(b, tag, e))
	}
	return nil
}

// idOf is the event's fingerprint: of the field that dedup_key names, else of
// the whole record.
func (o *Buffered) idOf(b *groups, tag string, e event.Event) buffer.EventID {
	b.compact = e.Record.AppendJSON(b.compact[:0])
	content := event.ContentID(tag, b.compact)
	if key, ok := o.buffer.DedupField(); ok {
		if v, found := key.Get(e.Record); found && v != nil {
			return buffer.EventID{ID: event.FieldID(tag, event.Text(v)), Content: content}
		}
	}
	return buffer.EventID{ID: content, Content: content}
}

// groups is one request's batch while it is made; it is pooled with its memory.
type groups struct {
	buffer.Batch
	wantIDs bool
	spare   []buffer.Group
	compact []byte
}

var batches = sync.Pool{New: func() any { return new(groups) }}

// keepBody is the largest body whose memory goes back to the pool.
const keepBody = 1 << 20

func (b *groups) reset() {
	for i := range b.Groups {
		g := &b.Groups[i]
		if cap(g.Body) > keepBody {
			g.Body = nil
		}
		g.Body, g.Ends, g.IDs = g.Body[:0], g.Ends[:0], g.IDs[:0]
		b.spare = append(b.spare, *g)
	}
	b.Groups = b.Groups[:0]
	b.Source = nil
}

// group finds the group of the event's chunk. Events of one request mostly share
// one, so the last group is tried first.
func (b *groups) group(keys *chunkKeys, tag string, e event.Event) *buffer.Group {
	meta := keys.meta(tag, e)
	for i := len(b.Groups) - 1; i >= 0; i-- {
		if keys.same(&b.Groups[i].Meta, &meta) {
			return &b.Groups[i]
		}
	}
	g := buffer.Group{}
	if n := len(b.spare); n > 0 {
		g, b.spare = b.spare[n-1], b.spare[:n-1]
	}
	g.Meta = meta
	b.Groups = append(b.Groups, g)
	return &b.Groups[len(b.Groups)-1]
}

// chunkKeys computes an event's chunk: its tag, its slice of time, its fields.
type chunkKeys struct {
	tag     bool
	timekey int64 // seconds; 0: not keyed by time
	zone    *time.Location
	fields  []event.Accessor
	names   []string
}

func newChunkKeys(c buffer.Config) chunkKeys {
	k := chunkKeys{tag: c.KeyedByTag(), zone: c.Zone()}
	if c.Timekeyed() {
		k.timekey = int64(c.Timekey / time.Second)
	}
	k.names, k.fields = c.FieldKeys()
	return k
}

func (k *chunkKeys) meta(tag string, e event.Event) event.Meta {
	m := event.Meta{}
	if k.tag {
		m.Tag, m.HasTag = tag, true
	}
	if k.timekey > 0 {
		m.Timekey, m.HasTimekey = k.slice(e.Time.Sec), true
	}
	for i, field := range k.fields {
		v, _ := field.Get(e.Record)
		m.Variables = append(m.Variables, event.Variable{Key: k.names[i], Value: v})
	}
	return m
}

// slice is the start of the slice of time that holds t. Slices are counted from
// midnight of the zone, so that a day is a local day.
func (k *chunkKeys) slice(t int64) int64 {
	offset := int64(0)
	if k.zone != time.UTC {
		_, seconds := time.Unix(t, 0).In(k.zone).Zone()
		offset = int64(seconds)
	}
	local := t + offset
	start := local - local%k.timekey
	if local < 0 && local%k.timekey != 0 {
		start -= k.timekey
	}
	return start - offset
}

func (k *chunkKeys) same(a, b *event.Meta) bool {
	if a.Timekey != b.Timekey || a.Tag != b.Tag {
		return false
	}
	for i := range a.Variables {
		if event.Text(a.Variables[i].Value) != event.Text(b.Variables[i].Value) {
			return false
		}
	}
	return true
}
