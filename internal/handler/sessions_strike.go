package handler

import (
	"context"
	"fmt"
)

// giveUp strikes a session off, and keeps its id for `handler state`.
func (s *sessions) giveUp(ctx context.Context, p pendingSession, err error) bool {
	s.counts.givenUp.Inc()
	s.log.Error("Recording is missing or broken for too long, given up", "sid", p.SID, "index", p.Index, "uploaded", p.Uploaded, "error", err)
	return s.strike(ctx, p, func() error { return s.state.giveUp(p, err) })
}

// strike notes how a session ended and strikes it off, however long the disk does
// not take that: until then the relay has to remember its events, and a start sends
// them again.
func (s *sessions) strike(ctx context.Context, p pendingSession, note func() error) bool {
	for i, step := range []func() error{note, func() error { return s.state.remove(p.SID) }} {
		for attempt := 0; ; attempt++ {
			err := step()
			if err == nil {
				break
			}
			if attempt == 0 {
				s.log.Error("Failed to strike off a session, will try again", "sid", p.SID, "noted", i > 0, "error", err)
			}
			s.sender.health.failing("sessions", fmt.Errorf("strike off session %s: %w", p.SID, err))
			if sleep(ctx, backoff(attempt)) != nil {
				return false
			}
		}
	}
	s.sender.health.ok("sessions")
	return true
}
