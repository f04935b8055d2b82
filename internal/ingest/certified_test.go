package ingest

import (
	"errors"
	"net"
	"testing"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/plugin"
	"github.com/sluicelog/sluice/internal/tlsconf"
)

// A connection of which nobody knows the client sends nothing where certificates are
// asked for; elsewhere nothing stands between it and the pipeline.
func TestCertifiedNeedsAPeer(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	c := &certified{Emitter: nil, conn: near}
	if err := c.Emit(t.Context(), "t", event.Stream{{}}); !errors.Is(err, errNoPeer) {
		t.Errorf("got %v", err)
	}
	var plain plugin.Emitter = &certified{}
	if got := certify(new(tlsconf.Server), near, plain); got != plain {
		t.Errorf("got %v", got)
	}
}
