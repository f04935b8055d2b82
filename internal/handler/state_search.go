package handler

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sluicelog/sluice/internal/state"
)

// searchState is how far searching has got. Upstream's three files (cursor, id,
// window_time) say it for upstream; sluice_search says it for us, in one atomic
// file, with what upstream has no place for.
type searchState struct {
	dir  string
	last searchFile   // what is in ours
	own  bool         // there is one of ours
	disk upstreamMark // what is in upstream's
}

// searchFile is the content of sluice_search.
type searchFile struct {
	Upstream upstreamMark `json:"position"`
	// Previous is what upstream's files held when this was written. A crash
	// before they follow leaves each at either; anything else is progress that
	// upstream's handler made.
	Previous upstreamMark `json:"previous"`
	At       time.Time    `json:"at"`      // time of the event that the position is behind
	Page     time.Time    `json:"page"`    // time of its page's first event
	Covered  time.Time    `json:"covered"` // late events from here on are looked for
}

// upstreamMark is a position as upstream's handler keeps it: window_time with
// whole seconds, the start cursor of a page, the id of the last event done.
type upstreamMark struct {
	Window string `json:"window_time"`
	Cursor string `json:"cursor"`
	ID     string `json:"id"`
}

func (m mark) upstream() upstreamMark {
	u := upstreamMark{Cursor: m.cursor, ID: m.id}
	if !m.window.IsZero() {
		u.Window = m.window.UTC().Format(time.RFC3339)
	}
	return u
}

func (u upstreamMark) mark() mark {
	m := mark{cursor: u.Cursor, id: u.ID}
	m.window, _ = time.Parse(time.RFC3339, u.Window) // a torn one counts as absent
	return m
}

func (u upstreamMark) empty() bool { return u == upstreamMark{} }

// among reports whether each part is one of a's or b's.
func (u upstreamMark) among(a, b upstreamMark) bool {
	one := func(x, y, z string) bool { return x == y || x == z }
	return one(u.Window, a.Window, b.Window) && one(u.Cursor, a.Cursor, b.Cursor) && one(u.ID, a.ID, b.ID)
}

const searchFileName = "sluice_search"

// openSearchState reads both. found is the position to begin at; ours says that
// we wrote it, so that the rest of the state belongs to it.
func openSearchState(dir string) (s *searchState, found mark, ours bool, err error) {
	disk, err := readUpstreamMark(dir)
	if err != nil {
		return nil, mark{}, false, err
	}
	s = &searchState{dir: dir, disk: disk}
	text, err := os.ReadFile(filepath.Join(dir, searchFileName))
	if errors.Is(err, fs.ErrNotExist) {
		return s, disk.mark(), false, nil
	}
	if err != nil {
		return nil, mark{}, false, err
	}
	if err := json.Unmarshal(text, &s.last); err != nil {
		return nil, mark{}, false, fmt.Errorf("read %s: %w", filepath.Join(dir, searchFileName), err)
	}
	if !disk.empty() && !disk.among(s.last.Upstream, s.last.Previous) {
		s.last = searchFile{}
		return s, disk.mark(), false, nil
	}
	found = s.last.Upstream.mark()
	found.at, found.page = s.last.At, s.last.Page
	s.own = true
	return s, found, true, nil
}

func readUpstreamMark(dir string) (u upstreamMark, err error) {
	for name, dst := range map[string]*string{"window_time": &u.Window, "cursor": &u.Cursor, "id": &u.ID} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return u, err
		}
		*dst = strings.TrimSpace(string(text))
	}
	return u, nil
}

// save writes a position, ours first.
func (s *searchState) save(m mark, covered time.Time) error {
	next := searchFile{Upstream: m.upstream(), Previous: s.disk, At: m.at.UTC(), Page: m.page.UTC(), Covered: covered.UTC()}
	if !s.own || next != s.last {
		text, err := json.Marshal(next)
		if err != nil {
			return err
		}
		if err := state.WriteFile(filepath.Join(s.dir, searchFileName), text); err != nil {
			return err
		}
		s.last, s.own = next, true
	}
	return errors.Join(
		s.follow("window_time", &s.disk.Window, next.Upstream.Window),
		s.follow("cursor", &s.disk.Cursor, next.Upstream.Cursor),
		s.follow("id", &s.disk.ID, next.Upstream.ID),
	)
}

// follow brings one of upstream's files to a value.
func (s *searchState) follow(name string, disk *string, value string) error {
	if *disk == value {
		return nil
	}
	err := state.WriteFile(filepath.Join(s.dir, name), []byte(value))
	if err == nil {
		*disk = value
	}
	return err
}

// startTime is where reading begins: what the first run was told, or when it
// was. It can not change later, since what is done before the cursor would not
// be what it was. When its file is lost but progress is not, known is the
// progress's own time, so that nothing between is left out.
func startTime(dir string, asked *time.Time, known, now time.Time) (time.Time, error) {
	path := filepath.Join(dir, "start_time")
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return time.Time{}, err
	}
	if stored, err := time.Parse(time.RFC3339, strings.TrimSpace(string(text))); err == nil {
		if asked != nil && !asked.Truncate(time.Second).Equal(stored) {
			return time.Time{}, fmt.Errorf("start time can not be changed from %s to %s while reading is under way: leave it out, move with `handler state set --time`, or begin anew by removing the storage path %s",
				stored.Format(time.RFC3339), asked.Format(time.RFC3339), dir)
		}
		return stored.UTC(), nil
	}
	start := now.UTC()
	switch {
	case asked != nil:
		start = *asked // in the zone that it was written in: upstream's handler compares that, too
	case !known.IsZero():
		start = known
	}
	start = start.Truncate(time.Second)
	return start.UTC(), state.WriteFile(path, []byte(start.Format(time.RFC3339)))
}
