package status

import (
	"strings"
	"testing"
	"time"
)

type reporter Plugin

func (r reporter) Status() Plugin { return Plugin(r) }

// TestMaxAge: an output whose oldest event has waited for too long is a problem,
// when an age is set.
func TestMaxAge(t *testing.T) {
	var b Board
	b.Report(reporter{ID: "in", Category: "input"})
	b.Report(reporter{ID: "fresh", Output: &Output{OldestUnflushedSeconds: 59}})
	b.Report(reporter{ID: "old", Output: &Output{OldestUnflushedSeconds: 61}})
	if got := b.Problems(); len(got) != 0 {
		t.Errorf("no age is set: %v", got)
	}
	b.MaxAge(time.Minute)
	got := b.Problems()
	if len(got) != 1 || got[0].Plugin != "old" || !strings.Contains(got[0].Reason, "1m1s, longer than ready_max_age 1m0s") {
		t.Errorf("problems: %v", got)
	}
}
