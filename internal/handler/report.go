package handler

import (
	"context"
	"log/slog"
	"time"
)

// reportInterval is how often the log says that events flow, as upstream does: the
// one sign of progress that people's alerts on its log know.
const reportInterval = time.Minute

// report writes two lines a minute until ctx ends.
func (c *counts) report(ctx context.Context, log *slog.Logger) {
	tick := time.NewTicker(reportInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		events, sessions, newest := c.minute()
		date := ""
		if !newest.IsZero() {
			date = newest.UTC().Format(time.DateOnly)
		}
		log.Info("Event processing", "events_per_minute", events, "date", date)
		log.Info("Session processing", "sessions_per_minute", sessions)
	}
}

// minute is what was delivered since it was last asked, and the newest event's time.
func (c *counts) minute() (events, sessions int, newest time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	events, sessions = c.events60, c.sessions60
	c.events60, c.sessions60 = 0, 0
	return events, sessions, c.newest
}
