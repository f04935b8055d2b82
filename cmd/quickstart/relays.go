package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"
)

// failoverAfter is short, so that a relay need not be away for long.
const failoverAfter = 2 * time.Second

// secondRelay starts another relay, with a buffer of its own.
func (s *stage) secondRelay(ctx context.Context) error {
	text, err := os.ReadFile(s.path("relay.conf"))
	if err != nil {
		return err
	}
	admin, forward := "", ""
	for _, p := range []*string{&s.secondPort, &admin, &forward} {
		if *p, err = s.ports.free(); err != nil {
			return err
		}
	}
	second := strings.NewReplacer("port "+s.port, "port "+s.secondPort, "admin_port "+s.adminPort, "admin_port "+admin,
		"port "+s.forwardPort, "port "+forward, "/buffer/s3-events", "/buffer/s3-events-2").Replace(string(text))
	if err := os.WriteFile(s.path("relay-2.conf"), []byte(second), 0o600); err != nil {
		return err
	}
	s.relay2 = s.spawnAs(ctx, "relay-2", "relay", "-c", s.path("relay-2.conf"))
	return s.waitReady(ctx, admin)
}

// wreakRelays kills the second relay and keeps it away until the first one has
// taken its place, again and again.
func (s *stage) wreakRelays(ctx context.Context) error {
	for range s.o.kills {
		before := s.moved()
		release := s.relay2.hold()
		s.relay2.kill()
		err := s.awaitMoved(ctx, before)
		release()
		if err != nil {
			return err
		}
		s.trials.Add(1)
		if err := wait(ctx, 2*time.Second); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) awaitMoved(ctx context.Context, before float64) error {
	for deadline := time.Now().Add(20 * failoverAfter); s.moved() <= before; {
		if time.Now().After(deadline) {
			return fmt.Errorf("no relay stands in for the one that was killed")
		}
		if err := wait(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// moved is how many events another relay took than their own.
func (s *stage) moved() float64 {
	m, _ := scrape("http://127.0.0.1:" + s.handlerPort + "/metrics")
	return m["handler_events_failed_over_total"]
}
