package handler

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A clock that was far ahead has led reading to a time that has not come; nothing
// is found there, and somebody must be told.
func TestClockThatWasAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, ahead := range map[string]time.Duration{"right": 0, "a little ahead": time.Minute, "days ahead": 96 * time.Hour} {
			cfg := testConfig(t.TempDir(), &clockLog{bulk: true})
			cfg.start = time.Now().Add(-time.Hour)
			at := time.Now().Add(ahead)
			x, err := openExport(cfg, newLedger(cfg.identity))
			if err != nil {
				t.Fatal(err)
			}
			x.addDate(at.UTC().Truncate(24*time.Hour), nil)
			_, _ = x.cycle(t.Context())
			want := ahead > time.Hour
			if told := strings.Join(cfg.health.problems(), ""); strings.Contains(told, "clock") != want {
				t.Errorf("%s, in bulk: it is said that %q", name, told)
			}

			cfg = testConfig(t.TempDir(), &clockLog{})
			cfg.start = time.Now().Add(-time.Hour)
			s, err := openSearch(cfg, newLedger(cfg.identity))
			if err != nil {
				t.Fatal(err)
			}
			s.at.window = at
			_, _ = s.step(t.Context(), nil)
			if told := strings.Join(cfg.health.problems(), ""); strings.Contains(told, "clock") != want {
				t.Errorf("%s, by searching: it is said that %q", name, told)
			}
		}
	})
}
