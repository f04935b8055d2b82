package handler

import (
	"context"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
)

// An event that the receiver refuses sets off what a delivered one does: the
// recording that an upload event tells of can not be found in any other way.
func TestRefusedEventSetsOffItsRecording(t *testing.T) {
	in := newInbox(t, func(_ http.ResponseWriter, _ *http.Request, ids []string) int {
		if slices.Contains(ids, "upload") {
			return http.StatusUnprocessableEntity
		}
		return 0
	})
	in.Start()
	d := newTestDelivery(t, nil, in.URL+"/test.log")
	var after []string
	d.after = func(_ context.Context, r *Read) error {
		d.mu.Lock()
		defer d.mu.Unlock()
		if slices.Contains(d.acked, r.ID) {
			t.Errorf("%s was acknowledged first", r.ID)
		}
		after = append(after, r.ID)
		return nil
	}
	d.sendAll(t, "upload", "other")
	slices.Sort(after)
	if !slices.Equal(after, []string{"other", "upload"}) || len(d.acked) != 2 {
		t.Errorf("%q set something off, %q are acknowledged", after, d.acked)
	}
}

// A 409 of somebody who is no relay says nothing about other handlers: it passes.
func TestConflictOfAnotherReceiver(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	in := newInbox(t, func(http.ResponseWriter, *http.Request, []string) int {
		if asked.Add(1) == 1 {
			return http.StatusConflict
		}
		return 0
	})
	in.Start()
	d := newTestDelivery(t, nil, in.URL+"/test.log")
	d.sendAll(t, "a")
	if got := d.metric(t, "handler_post_retries_total"); got != 1 {
		t.Errorf("%v retries, want 1", got)
	}
}
