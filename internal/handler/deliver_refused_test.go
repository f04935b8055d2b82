package handler

import (
	"context"
	"net/http"
	"slices"
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
