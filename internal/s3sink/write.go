package s3sink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/sluicelog/sluice/internal/awsconf"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/plugin"
)

// transfer is one attempt to bring one chunk into the bucket.
type transfer struct {
	o    *output
	c    chunk
	meta event.Meta
	plan *plan
	slot string // of the plan's key, when it was chosen by this transfer
	// fresh means that no request has ever been sent for the plan's key, by this
	// process or an earlier one.
	fresh bool
	noted bool // the plan is in the chunk
	// plain leaves If-None-Match out, since the store answers that it does not
	// know it.
	plain bool
	// guarded means that the store took the object under If-None-Match.
	guarded bool
	parts   bool // the object goes in parts
	others  int  // keys given up because they were somebody else's
}

func (t *transfer) id() string { return t.c.ID().String() }

func (t *transfer) url() string { return "s3://" + t.plan.bucket + "/" + t.plan.key }

// write is [output.Write] over the little that it needs of a chunk.
func (o *output) write(ctx context.Context, c chunk) error {
	if o.store == nil {
		return errors.New("write a chunk: the S3 output is not started")
	}
	if o.put.customerKey != "" && strings.HasPrefix(o.endpoint, "http://") {
		return plugin.Permanent(errors.New("Attempting to send customer-provided-keys for S3 server-side-encryption over HTTP; Please configure a HTTPS endpoint.")) //nolint:staticcheck // Fluentd's own words
	}
	meta := c.Meta()
	meta.ChunkID = c.ID()
	t := &transfer{o: o, c: c, meta: meta}
	err := t.run(ctx)
	o.trouble.wrote(err)
	return err
}

// run chooses, packs, notes, sends; it goes round when a key turns out to be
// somebody else's.
func (t *transfer) run(ctx context.Context) error {
	if err := t.choose(ctx); err != nil {
		return t.settled(err)
	}
	body, err := t.o.pack.pack(ctx, t.c, t.plan)
	if err != nil {
		t.release()
		return fmt.Errorf("pack chunk %s: %w", t.id(), err)
	}
	defer body.close()
	t.parts = t.o.inParts(body)
	for {
		if err := t.commit(); err != nil {
			return err
		}
		t.announce(ctx)
		found, err := t.send(ctx, body)
		switch found {
		case isOurs:
			t.prove(ctx, body)
			return t.done()
		case isForeign:
			if err := t.chooseOther(ctx); err != nil {
				return t.settled(err)
			}
			continue
		}
		if err == nil || awsconf.KindOf(err) != awsconf.NeverSucceeds {
			return err
		}
		return plugin.Permanent(err)
	}
}

// settled ends a transfer that needs no upload any more.
func (t *transfer) settled(err error) error {
	if errors.Is(err, errStored) {
		return t.done()
	}
	return err
}

// commit writes the plan into the chunk, durably, before anything is sent for it.
func (t *transfer) commit() error {
	if !t.fresh || t.noted {
		return nil
	}
	if err := t.c.SetNote(t.plan.note()); err != nil {
		t.release()
		return err
	}
	t.noted = true
	return nil
}

// release gives back an index for which nothing was sent and nothing was noted.
func (t *transfer) release() {
	if t.fresh && !t.noted && t.slot != "" {
		t.o.indexes.giveBack(t.slot, t.plan.index)
	}
}

// done reports the object as stored.
func (t *transfer) done() error {
	if t.slot != "" {
		t.o.indexes.confirm(t.slot)
	}
	// A chunk that a power cut brings back finds its object by HEAD, if it may
	// ask, or knows it by its key.
	if t.plan != nil && !t.replaces() && t.proof().proved() && (t.o.format.unique || t.o.mayHead.Load()) {
		t.c.Conditional(true)
	}
	if o := t.o; o.delaySet && t.meta.HasTimekey && time.Since(time.Unix(t.meta.Timekey, 0)) > o.delay && t.plan != nil {
		o.log.Warn("out_s3: delayed events were put to " + t.url())
	}
	return nil
}

// announce is Fluentd's debug line.
func (t *transfer) announce(ctx context.Context) {
	if t.o.log.Enabled(ctx, slog.LevelDebug) {
		t.o.log.Debug("out_s3: write chunk " + t.id() + " with metadata " + inspectMeta(t.meta) + " to " + t.url())
	}
}

// inspectMeta prints a chunk's metadata as Fluentd's debug line does.
func inspectMeta(m event.Meta) string {
	timekey, tag, variables := "nil", "nil", "nil"
	if m.HasTimekey {
		timekey = strconv.FormatInt(m.Timekey, 10)
	}
	if m.HasTag {
		tag = event.Inspect(m.Tag)
	}
	if len(m.Variables) > 0 {
		var parts []string
		for _, v := range m.Variables {
			parts = append(parts, ":"+v.Key+"=>"+event.Inspect(v.Value))
		}
		variables = "{" + strings.Join(parts, ", ") + "}"
	}
	return "#<struct Fluent::Plugin::Buffer::Metadata timekey=" + timekey + ", tag=" + tag + ", variables=" + variables + ", seq=0>"
}
