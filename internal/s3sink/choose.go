package s3sink

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/sluicelog/sluice/internal/awsconf"
	"github.com/sluicelog/sluice/internal/plugin"
)

// errStored ends a transfer whose object turns out to be in the bucket already.
var errStored = errors.New("the object is there")

// duplicated is fluent-plugin-s3's error for a key that is taken and has no
// index; its words are what people search their logs for.
func duplicated(key string) error {
	return fmt.Errorf("duplicated path is generated. use %%{index} in s3_object_key_format: path = %s", key)
}

// choose finds the plan: the one that the chunk holds, else a new one.
func (t *transfer) choose(ctx context.Context) error {
	note, ok := t.c.Note()
	if !ok {
		return t.chooseNew(ctx)
	}
	p, ok := parsePlan(note)
	switch {
	case !ok:
		return t.chooseNew(ctx)
	case p.endpoint != t.o.endpoint || p.bucket != t.o.bucket:
		// The old place may hold the object, but the user has turned away from it.
		t.o.log.Warn("out_s3: a chunk was on its way to another bucket and may be there too",
			"chunk_id", t.id(), "was", "s3://"+p.bucket+"/"+p.key, "endpoint", p.endpoint)
		return t.chooseNew(ctx)
	}
	t.plan, t.fresh = p, false
	return nil
}

// chooseNew takes the first key that is free. Nothing has been sent for it, and
// the note is not written yet.
func (t *transfer) chooseNew(ctx context.Context) error {
	o, meta := t.o, t.meta
	filled, err := o.fill(o.format.template, meta)
	if err != nil {
		return fmt.Errorf("make an object key: %w", err)
	}
	text := o.format.finish(filled, meta, o.clock.now())
	for {
		index, probed := -1, false
		if o.keys.checkObject {
			index = 0
		}
		if o.format.numbered {
			t.slot = text.slot()
			index, probed = o.indexes.take(t.slot)
		}
		key := text.at(o.format.number(max(index, 0)))
		if key == "" || len(key) > maxKey {
			return plugin.Permanent(fmt.Errorf("put s3://%s/%s: a key has 1 to %d bytes, this one has %d", o.bucket, key, maxKey, len(key)))
		}
		taken, err := t.taken(ctx, key, probed)
		if err != nil {
			o.giveBack(t.slot, index)
			return err
		}
		if !taken {
			return t.settleOn(key, index)
		}
		if !o.format.numbered {
			if !o.keys.overwrite {
				return duplicated(key)
			}
			o.log.Warn(key + " already exists, but will overwrite")
			return t.settleOn(key, index)
		}
	}
}

func (o *output) giveBack(slot string, index int) {
	if o.format.numbered {
		o.indexes.giveBack(slot, index)
	}
}

func (t *transfer) settleOn(key string, index int) error {
	metadata, err := t.o.metadata(t.meta, index)
	if err != nil {
		t.o.giveBack(t.slot, index)
		return err
	}
	t.plan = &plan{
		endpoint: t.o.endpoint, bucket: t.o.bucket, key: key, index: index,
		storeAs: t.o.pack.name, level: t.o.pack.level, metadata: metadata,
	}
	t.fresh, t.noted = true, false
	return nil
}

// taken asks the store whether an object of the key is there, unless nothing
// depends on it: fluent-plugin-s3's HEAD before each PUT is left out where the
// conditional PUT says the same. errStored means that it is this chunk's own.
func (t *transfer) taken(ctx context.Context, key string, probed bool) (bool, error) {
	o := t.o
	if !o.keys.checkObject || o.proof.proved() && (probed || o.format.unique) {
		return false, nil
	}
	owner, err := o.head(ctx, key)
	switch {
	case err == nil && owner == t.id():
		return false, errStored
	case err == nil:
		return true, nil
	case errors.Is(err, errAbsent):
		if o.format.numbered {
			o.indexes.confirm(t.slot)
		}
		return false, nil
	case awsconf.Status(err) == http.StatusForbidden && o.proof.proved():
		return false, nil // the conditional PUT will tell
	}
	return false, fmt.Errorf("look for s3://%s/%s: %w", o.bucket, key, awsconf.Brief(err))
}

// otherSeconds is how often a key that holds only the time of day is tried anew.
const otherSeconds = 5

// chooseOther replaces a plan whose key belongs to somebody else.
func (t *transfer) chooseOther(ctx context.Context) error {
	o := t.o
	switch {
	case o.format.numbered:
		// Somebody else writes here: what is remembered of the slice is no longer true.
		o.indexes.doubt(t.slot)
	case o.format.random && t.others < otherSeconds:
	case o.format.timed && t.others < otherSeconds:
		if err := o.clock.wait(ctx, time.Second); err != nil {
			return err
		}
	default:
		return duplicated(t.plan.key)
	}
	t.others++
	return t.chooseNew(ctx)
}

// wait is a sleep that ends with ctx.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
