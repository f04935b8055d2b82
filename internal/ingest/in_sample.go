package ingest

import (
	"context"
	"time"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
	"github.com/sluicelog/sluice/internal/status"
)

// inSample is `source @type sample`, which used to be called dummy: the same
// records again and again, for trying out a configuration.
type inSample struct {
	env       plugin.Env
	tag       string
	size      int
	rate      int
	increment string
	text      string
	tally     *tally

	samples []*event.Record
	emitted int // bundles
	made    int // records
}

// NewSample makes a sample source.
func NewSample(env plugin.Env) plugin.Input { return &inSample{env: env, tally: newTally(env)} }

func (in *inSample) Params(p *param.Set) {
	p.String("tag", &in.tag, "", "Tag of the events.").Required()
	p.Int("size", &in.size, 1, "How many events are emitted together.")
	p.Int("rate", &in.rate, 1, "How often that is per second.")
	p.String("auto_increment_key", &in.increment, "", "Field that gets 0, 1, 2 and so on.")
	p.String("sample", &in.text, `[{"message":"sample"}]`, "A record, or an array of records that are taken in turn, as JSON.").Alias("dummy")
	p.Ignore("suspend", "it has no effect since Fluentd 1.0")
	p.Ignore("reuse_record", "records are never shared")
	p.Ignore("<storage>", "auto_increment_key begins with 0 at each start")
}

// Check reads the records.
func (in *inSample) Check() error {
	v, err := event.ParseJSON([]byte(in.text))
	if err != nil {
		return param.Errorf("sample", `write [{"message":"hello"}]`, "invalid JSON: %w", err)
	}
	all, isArray := v.([]any)
	if !isArray {
		all = []any{v}
	}
	in.samples = nil
	for i, item := range all {
		r, ok := item.(*event.Record)
		if !ok {
			return param.Errorf("sample", "", "%dth element of sample is not a hash", i)
		}
		in.samples = append(in.samples, r)
	}
	switch {
	case len(in.samples) == 0:
		return param.Errorf("sample", `write [{"message":"hello"}]`, "there is no record")
	case in.size < 1:
		return param.Errorf("size", "", "%d must be at least 1", in.size)
	case in.rate < 1:
		return param.Errorf("rate", "", "%d must be at least 1", in.rate)
	}
	return nil
}

// Status is the source's snapshot.
func (in *inSample) Status() status.Plugin { return in.tally.status() }

// sampleTicks is how often per second it emits what is due by then.
const sampleTicks = 10

// Run emits until ctx ends.
func (in *inSample) Run(ctx context.Context, e plugin.Emitter) error {
	begin := time.Now()
	t := time.NewTicker(time.Second / sampleTicks)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		// A full buffer, or a slow one, costs events of the past second at most.
		due := int(time.Since(begin).Seconds() * float64(in.rate))
		in.emitted = max(in.emitted, due-in.rate)
		for ; in.emitted < due; in.emitted++ {
			if err := in.emit(ctx, e); err != nil {
				return nil //nolint:nilerr // the source is to stop
			}
		}
	}
}

// emit makes one bundle; its error is ctx's.
func (in *inSample) emit(ctx context.Context, e plugin.Emitter) error {
	es := make(event.Stream, in.size)
	for i := range es {
		r := in.samples[in.made%len(in.samples)].Clone()
		if in.increment != "" {
			r.Set(in.increment, int64(in.made))
		}
		in.made++
		es[i] = event.Event{Time: event.Now(), Record: r}
	}
	if err := emitPatiently(ctx, e, in.tag, es); err != nil {
		in.tally.drop("emit failed", len(es))
		in.env.Log.Error("emit transaction failed:", "error", err, "tag", in.tag)
	} else {
		in.tally.add(len(es), 0)
	}
	return ctx.Err()
}
