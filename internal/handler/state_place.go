package handler

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sluicelog/sluice/internal/state"
)

// placing moves the place in the audit log to a time: what is before counts as
// done, what is after is read. It is what `state set --time` does.
type placing struct {
	dir    string
	forget bool

	to     time.Time
	found  *FolderStatus
	starts bool // the start time moves too
}

func (p *placing) plan(to, now time.Time) error {
	p.to = to.UTC().Truncate(time.Second)
	if p.to.After(now) {
		return fmt.Errorf("%s has not come yet", to.Format(time.RFC3339))
	}
	var err error
	if p.found, err = inspectFolder(p.dir); err != nil {
		return err
	}
	start, err := time.Parse(time.RFC3339, p.found.StartTime)
	// Bulk export reads whole days; what is before the start time is left out.
	p.starts = err != nil || p.to.Before(start) || p.found.Reading != "search"
	return nil
}

func (p *placing) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Reading goes on at %s", p.to.Format(time.RFC3339))
	switch {
	case p.found.Search != nil && p.found.Reading == "search":
		fmt.Fprintf(&b, "; it stood behind event %s%s.", or(p.found.Search.ID, "none"), at(p.found.Search.At))
	case len(p.found.Dates) > 0:
		fmt.Fprintf(&b, "; it stood at the dates from %s to %s, which are read again from there.", p.found.Dates[0].Date, p.found.Dates[len(p.found.Dates)-1].Date)
	default:
		b.WriteString(".")
	}
	if p.starts {
		b.WriteString("\nThe start time becomes the same; a start-time in the configuration must say so too, or be left out.")
	}
	if p.forget {
		b.WriteString("\nWhich events were sent is forgotten: they are sent again, and a relay drops them only as long as it remembers them.")
	}
	return b.String()
}

func at(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " of " + t.Format(time.RFC3339)
}

func (p *placing) apply() error {
	if p.starts {
		if err := state.WriteFile(filepath.Join(p.dir, "start_time"), []byte(p.to.Format(time.RFC3339))); err != nil {
			return err
		}
	}
	if p.forget {
		if err := p.forgetSent(); err != nil {
			return err
		}
	}
	switch p.found.Reading {
	case "search":
		return p.search()
	case "bulk":
		return p.bulk()
	}
	return nil
}

func (p *placing) search() error {
	s, _, _, err := openSearchState(p.dir)
	if err != nil {
		return err
	}
	return s.save(mark{window: p.to}, p.to)
}

// bulk begins the time's date anew and forgets all others. From the newest to the
// oldest: a crash in between leaves only what was there.
func (p *placing) bulk() error {
	x := &exportState{dir: p.dir}
	dates, own, err := x.load()
	if err != nil {
		return err
	}
	first := p.to.Format(time.DateOnly)
	if err := x.dropBegun(); err != nil {
		return err
	}
	own.Partial = nil
	if p.forget {
		own.Switch = nil
	}
	if err := x.saveOwn(own); err != nil {
		return err
	}
	for _, date := range slices.Backward(slices.Sorted(maps.Keys(dates))) {
		if err := x.end(date); err != nil {
			return err
		}
	}
	return x.begin(first)
}

// forgetSent removes the memory of events that were sent.
func (p *placing) forgetSent() error {
	paths, err := filepath.Glob(filepath.Join(p.dir, "sluice_seen-*.ids"))
	if err != nil {
		return err
	}
	for _, path := range append(paths, filepath.Join(p.dir, doneName)) {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return state.SyncDir(p.dir)
}

// again has a session sent from its beginning by the next start.
func (s *sessionState) again(sid string) error {
	if err := s.loadDone(); err != nil {
		return err
	}
	if s.sent[sid] {
		s.order = slices.DeleteFunc(s.order, func(old string) bool { return old == sid })
		if err := state.WriteFile(filepath.Join(s.dir, doneName), []byte(strings.Join(append(s.order, ""), "\n"))); err != nil {
			return err
		}
	}
	if err := s.write(pendingSession{SID: sid}); err != nil {
		return err
	}
	return state.Remove(s.path(missingPrefix, sid))
}

// skip strikes a session off as if it had been sent.
func (s *sessionState) skip(sid string) error {
	all, err := s.load()
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(all, func(p pendingSession) bool { return p.SID == sid }) {
		return fmt.Errorf("session %s is not among those that are to be sent", sid)
	}
	if err := s.sentWhole(sid); err != nil {
		return err
	}
	return s.remove(sid)
}
