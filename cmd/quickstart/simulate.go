package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/sluicelog/sluice/internal/teleport/teleporttest"
)

// simulate is the simulated Teleport cluster alone, for others to connect to.
// The identity file is written into --dir.
func simulate(ctx context.Context, o options) error {
	mode := teleporttest.Search
	if o.bulk {
		mode = teleporttest.Bulk
	}
	if err := os.MkdirAll(o.dir, 0o700); err != nil {
		return err
	}
	start := time.Now().Add(-time.Hour)
	srv, err := teleporttest.Start(ctx, teleporttest.Options{Dir: o.dir, Addr: o.sim, Mode: mode, Seed: o.seed, Start: start})
	if err != nil {
		return err
	}
	defer srv.Close()
	fmt.Printf("simulated Teleport at %s, identity file %s, %d events\n", srv.Addr(), srv.IdentityPath(), o.events)
	if o.events > 0 {
		srv.Generate(o.events)
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			srv.Generate(max(o.rate/10, 1))
		}
	}
}
