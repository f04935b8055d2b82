package s3sink

import (
	"context"
	"net/http"
	"sync/atomic"

	"github.com/sluicelog/sluice/internal/awsconf"
)

// proof is what is known about the store's If-None-Match on PUT. Amazon's is
// documented; any other store must show it, by refusing the relay's first object
// when it is put a second time, and its first object in parts likewise.
type proof struct{ state atomic.Int32 }

const (
	unproved int32 = iota
	proving
	proved
	refuted
)

func (p *proof) proved() bool  { return p.state.Load() == proved }
func (p *proof) refuted() bool { return p.state.Load() == refuted }

// proof is that of the way on which the object goes.
func (t *transfer) proof() *proof {
	if t.parts {
		return &t.o.parts
	}
	return &t.o.proof
}

func (p *proof) assume() { p.state.Store(proved) }

func (p *proof) refute(o *output) {
	if p.state.Swap(refuted) == refuted {
		return
	}
	o.counts.proof(false)
	o.log.Warn("out_s3: the store does not honour If-None-Match: a HEAD goes before each PUT, and only one relay may write under a key prefix",
		"endpoint", o.endpoint)
}

// prove puts the object a second time: 412 is the proof, 200 the opposite (the
// bytes are the same, so nothing is harmed). One thread at a time does it; what
// comes between leaves the question open for the next object.
func (t *transfer) prove(ctx context.Context, body *spool) {
	o := t.o
	p := t.proof()
	if !t.guarded || !p.state.CompareAndSwap(unproved, proving) {
		return
	}
	err := o.send(ctx, t.object(body, true))
	switch {
	case awsconf.Status(err) == http.StatusPreconditionFailed:
		p.state.Store(proved)
		o.counts.proof(o.proof.proved())
		o.log.Info("out_s3: the store honours If-None-Match: one object per chunk", "endpoint", o.endpoint, "in_parts", t.parts)
	case err == nil:
		p.refute(o)
	default:
		p.state.CompareAndSwap(proving, unproved)
	}
}
