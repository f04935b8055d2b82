package handler

import (
	"fmt"
	"time"
)

// clockTolerance is how far a clock may have been set back without a word.
const clockTolerance = time.Hour

// checkClock says when reading stands at a time that has not come: the clock was
// ahead when it got there. Nothing is found there, and what happens meanwhile is
// not read; only people can tell which of the two times is right.
func (cfg *sourceConfig) checkClock(at time.Time) {
	now := time.Now()
	if at.Sub(now) <= clockTolerance || cfg.start.After(now) {
		cfg.health.ok("clock")
		return
	}
	err := fmt.Errorf("reading stands at %s, and the clock says %s: set the clock, or stop the handler and set the place with `state set --time`",
		at.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	cfg.health.failing("clock", err)
	cfg.health.complain("clock", err)
}
