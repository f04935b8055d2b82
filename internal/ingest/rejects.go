package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/plugin"
)

// rejects is what becomes of input that is no event, from senders who can not be
// told: it is counted and said, and handed to <label @ERROR> where there is one,
// as the field "invalid". The log never shows it.
type rejects struct {
	tally  *tally
	log    *slog.Logger
	failed plugin.Acceptor // <label @ERROR>
	calm   calm
}

func newRejects(t *tally) *rejects { return &rejects{tally: t, log: t.env.Log} }

// open finds the label, which must be known by now.
func (r *rejects) open() {
	if r.tally.env.Label != nil {
		r.failed = r.tally.env.Label("@ERROR")
	}
}

// take returns when the values are durable wherever @ERROR leads. attrs go with the
// words into the log.
func (r *rejects) take(ctx context.Context, tag string, values []any, words string, attrs ...any) error {
	r.tally.drop("invalid", len(values))
	r.calm.warn(r.log, words, attrs...)
	if r.failed == nil {
		return nil
	}
	es := make(event.Stream, len(values))
	for i, v := range values {
		es[i] = event.Event{Time: event.Now(), Record: event.NewRecord("invalid", v)}
	}
	ctx = context.WithoutCancel(ctx)
	tx := plugin.Begin(ctx)
	if err := r.failed.Accept(tx, tag, es); err != nil {
		tx.Abort(err)
		return fmt.Errorf("hand invalid input to @ERROR: %w", err)
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("hand invalid input to @ERROR: %w", err)
	}
	return nil
}

// calm says the same thing a few times per interval, and then how often it was left
// unsaid: whoever floods a source with rubbish must not fill the disk with log
// lines.
type calm struct {
	mu   sync.Mutex
	said map[string]*refusalLog
}

// calmBurst is how often a thing is said in an interval.
const calmBurst = 5

func (c *calm) warn(log *slog.Logger, words string, attrs ...any) {
	c.say(log, slog.LevelWarn, words, attrs...)
}

func (c *calm) say(log *slog.Logger, level slog.Level, words string, attrs ...any) {
	unsaid, ok := c.allows(words)
	if !ok {
		return
	}
	if unsaid > 0 {
		attrs = append(attrs, "not_logged", unsaid)
	}
	log.Log(context.Background(), level, words, attrs...)
}

func (c *calm) allows(words string) (unsaid int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.said[words]
	if s == nil {
		s = &refusalLog{at: time.Now()}
		if c.said == nil {
			c.said = map[string]*refusalLog{}
		}
		c.said[words] = s
	}
	if time.Since(s.at) >= refusalInterval {
		unsaid = s.quiet
		*s = refusalLog{at: time.Now()}
	}
	if s.burst >= calmBurst {
		s.quiet++
		return 0, false
	}
	s.burst++
	return unsaid, true
}
