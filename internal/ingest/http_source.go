package ingest

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/plugin"
)

// Our own handler says more than Teleport's: which state folder it works on,
// how far its persisted cursor has got, and that it would like to send several
// events at once. Everybody else sees a plain Fluentd. docs/guarantees.md tells
// what the headers promise.

// maxBatch is how many events our handler may put into one request.
const maxBatch = 200

var batchHeader = []string{strconv.Itoa(maxBatch)}

// batchWelcome reports whether the client asked for Sluice-Batch.
func batchWelcome(r *http.Request) bool { return len(r.Header["Sluice-Accept"]) > 0 }

// sourceOf puts the sender's word about itself into the request's context.
func sourceOf(r *http.Request) (context.Context, error) {
	id := r.Header["Sluice-Source"]
	if len(id) == 0 {
		return r.Context(), nil
	}
	src := &buffer.Source{ID: id[0]}
	for _, field := range []struct {
		name string
		dst  *uint64
	}{{"Sluice-Generation", &src.Generation}, {"Sluice-Forget", &src.Forget}, {"Sluice-Start", &src.Start}} {
		text := r.Header.Get(field.name)
		if text == "" {
			continue
		}
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			err = &event.PrivateError{Err: fmt.Errorf("header %s: %q is no number", field.name, text), Public: "header " + field.name + " is no number"}
			return nil, &malformedError{err}
		}
		*field.dst = n
	}
	return plugin.WithSource(r.Context(), src), nil
}
