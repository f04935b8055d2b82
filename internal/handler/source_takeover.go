package handler

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sluicelog/sluice/internal/teleport"
)

// takeover is the change from searching to bulk export, without sending the day
// again. The chunks that exist at that moment hold what was sent already: all
// before the search's place, less late events that it had not seen. Chunks that
// appear afterwards are new. The search's own memory tells in both.
type takeover struct {
	cfg   sourceConfig
	file  switchState
	begun bool      // file is on disk
	first time.Time // date that export begins with
	seen  *seenEvents
}

// openTakeover returns nil when there is nothing to take over, or when it is
// over. dates are those on disk, in order.
func openTakeover(cfg sourceConfig, file *switchState, dates []string) (*takeover, error) {
	t := &takeover{cfg: cfg}
	switch {
	case len(dates) > 0 && file == nil:
		return nil, nil
	case len(dates) > 0:
		t.file, t.begun = *file, true
	default:
		_, found, _, err := openSearchState(cfg.dir)
		if err != nil || found == (mark{}) {
			return nil, err
		}
	}
	var err error
	if t.seen, err = openSeen(cfg.dir); err != nil {
		return nil, err
	}
	if t.begun && dates[0] > t.file.Before.UTC().Format(time.DateOnly) {
		return nil, t.seen.drop() // nothing that searching has read can be met again
	}
	return t, nil
}

// switched is what is written to disk.
func (t *takeover) switched() *switchState {
	if t == nil {
		return nil
	}
	return &t.file
}

// sent reports that searching has delivered an event.
func (t *takeover) sent(c *exportChunk, e teleport.Event, print fingerprint) bool {
	if t == nil {
		return false
	}
	if t.seen.has(print) {
		return true
	}
	if !slices.Contains(t.file.Chunks[c.date.name], c.name) {
		return false
	}
	return e.ID == t.file.ID || e.Time.Before(t.file.Before) && e.Time.Before(t.file.Covered)
}

// beginTakeover finds out where searching had got to and what is there now, and
// writes that down before the first date's folder says that export has begun.
func (x *exportSource) beginTakeover(ctx context.Context) error {
	t := x.took
	if t.begun {
		return nil
	}
	at, covered, err := t.place(ctx)
	if err != nil {
		return err
	}
	x.cfg.log.Info("Changing from searching to bulk export", "sent_until", at.at, "id", at.id)
	t.file = switchState{Before: at.at, Covered: covered, ID: at.id, Chunks: map[string][]string{}}
	t.first = firstDate(at.at, covered, t.cfg.lookBack)
	for day := t.first; !day.After(at.at); day = day.AddDate(0, 0, 1) {
		name := day.Format(time.DateOnly)
		for chunk, err := range x.cfg.teleport.ExportChunks(ctx, day) {
			if err != nil {
				return err
			}
			t.file.Chunks[name] = append(t.file.Chunks[name], chunk)
		}
	}
	t.begun = true
	return x.state.saveOwn(exportFile{Switch: &t.file})
}

// firstDate is the date that export begins with: that of the lowest event which may
// not have been sent (the look-back may have got ahead of it), and of what may still
// come late.
func firstDate(place, covered time.Time, lookBack time.Duration) time.Time {
	if covered.Before(place) {
		place = covered
	}
	return place.Add(-lookBack).UTC().Truncate(24 * time.Hour)
}

// place is the search's last event with its time, and from when on its memory of
// seen events is whole. Upstream's state lacks the time: the cluster is asked.
func (t *takeover) place(ctx context.Context) (at mark, covered time.Time, err error) {
	s, err := openSearch(t.cfg, newLedger(t.cfg.identity))
	if err != nil {
		return mark{}, time.Time{}, err
	}
	if s.ours && !s.at.at.IsZero() {
		return s.at, s.covered, nil
	}
	at, _, err = s.findLast(ctx)
	if errors.Is(err, errNoPlace) || teleport.IsNotImplemented(err) {
		t.cfg.log.Warn("The last event sent is not in the log any more, some may be sent again", "id", s.at.id, "from", s.at.window)
		at, err = s.at, nil
		at.at = s.at.window
	}
	return at, at.at, err
}
