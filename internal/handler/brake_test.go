package handler

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pulled is a brake that holds, with what stands around it.
func pulled(t *testing.T, out *strings.Builder) (*brake, *health) {
	t.Helper()
	b, h := &brake{}, newHealth()
	h.log = slog.New(slog.NewTextHandler(out, nil))
	for i := range brakeAfter {
		if err := b.refused(t.Context(), h, &refusal{status: 400}, nil); err != nil {
			t.Fatalf("refusal %d: %v", i+1, err)
		}
	}
	if len(h.problems()) > 0 {
		t.Errorf("too early: %q", h.problems())
	}
	return b, h
}

// TestBrake: after twenty refusals in a row nothing is set aside, the reason is in
// readiness and log, and the event is tried until it is taken.
func TestBrake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		b, h := pulled(t, &out)
		tries := 0
		err := b.refused(t.Context(), h, &refusal{status: 400, text: "no"}, func() error {
			if p := h.problems(); len(p) != 1 || !strings.Contains(p[0], "refused 20 events in a row (last: refused with 400: no)") {
				t.Errorf("problems %q", p)
			}
			if tries++; tries < 10 {
				return &refusal{status: 400}
			}
			return nil
		})
		if !errors.Is(err, errTaken) || tries != 10 || len(h.problems()) > 0 {
			t.Errorf("%v after %d tries, %q", err, tries, h.problems())
		}
		if !strings.Contains(out.String(), "the configuration is wrong, not the events") {
			t.Errorf("nothing is said: %s", out.String())
		}
	})
}

// TestBrakeOfOneBadEvent: when others are taken again, the event that is still
// refused may be set aside.
func TestBrakeOfOneBadEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, h := pulled(t, &strings.Builder{})
		tries := 0
		err := b.refused(t.Context(), h, &refusal{status: 400}, func() error {
			if tries++; tries == 3 {
				b.taken() // another sender's event
			}
			return &refusal{status: 400}
		})
		if err != nil || tries != 3 || len(h.problems()) > 0 {
			t.Errorf("%v after %d tries, %q", err, tries, h.problems())
		}
	})
}

// TestBrakeEnds with the context, and hands on what is no refusal.
func TestBrakeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, h := pulled(t, &strings.Builder{})
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		if err := b.refused(ctx, h, &refusal{}, func() error { return &refusal{} }); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if err := b.refused(t.Context(), h, &refusal{}, func() error { return errStale }); !errors.Is(err, errStale) {
			t.Error(err)
		}
	})
}
