package handler

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sluicelog/sluice/internal/state"
)

// FolderStatus is what a state folder says, read without disturbing the handler
// that may be writing to it.
type FolderStatus struct {
	Folder      string          `json:"folder"`
	Running     bool            `json:"running"`          // of a shared state: somebody holds it, or died with it
	PID         string          `json:"pid,omitempty"`    // as the process noted it
	Holder      string          `json:"holder,omitempty"` // of a shared state
	Reading     string          `json:"reading"`          // "search", "bulk" or "" before the first event
	StartTime   string          `json:"start_time,omitempty"`
	Written     time.Time       `json:"written"` // when progress was last written
	Search      *SearchStatus   `json:"search,omitempty"`
	Dates       []DateStatus    `json:"dates,omitempty"`
	Sessions    []SessionStatus `json:"sessions,omitempty"`
	Missing     []SessionStatus `json:"missing_recordings,omitempty"`
	GivenUp     []givenUp       `json:"given_up,omitempty"`
	Skipped     []string        `json:"skipped,omitempty"`
	DeadLetters int             `json:"dead_letters"` // not sent again yet
	Source      string          `json:"source,omitempty"`
	Generation  string          `json:"generation,omitempty"`
}

// SearchStatus is the place of a search: everything up to it was acknowledged.
type SearchStatus struct {
	Window string    `json:"window_time"`
	Cursor string    `json:"cursor"`
	ID     string    `json:"id"`
	At     time.Time `json:"at,omitzero"`            // time of the event; zero: only upstream's handler was here
	Late   time.Time `json:"looks_back_to,omitzero"` // late events from here on are found
}

// DateStatus is a UTC date of bulk export.
type DateStatus struct {
	Date      string        `json:"date"`
	Completed int           `json:"completed_chunks"`
	Partial   []ChunkStatus `json:"partial_chunks,omitempty"`
}

// ChunkStatus is a chunk that is not done.
type ChunkStatus struct {
	Chunk  string `json:"chunk"`
	Cursor string `json:"cursor,omitempty"`
	Rows   int64  `json:"events"` // before the cursor; 0: not known
}

// SessionStatus is a recording that is not sent whole.
type SessionStatus struct {
	SID      string    `json:"sid"`
	Index    int64     `json:"index"`
	Attempts int       `json:"attempts,omitempty"`
	Uploaded time.Time `json:"uploaded"`
}

// inspectFolder reads a state folder.
func inspectFolder(dir string) (*FolderStatus, error) {
	f := &FolderStatus{Folder: dir, StartTime: smallFile(dir, "start_time"), Source: smallFile(dir, "sluice_source"), Generation: smallFile(dir, "sluice_generation")}
	var err error
	if f.PID, f.Running, err = state.Holder(dir); err != nil {
		return nil, err
	}
	steps := []func(string) error{f.readSearch, f.readDates, f.readSessions, f.readGivenUp}
	for _, step := range steps {
		if err := step(dir); err != nil {
			return nil, fmt.Errorf("look at %s: %w", dir, err)
		}
	}
	if f.Skipped, err = readSkips(dir); err != nil {
		return nil, err
	}
	return f, nil
}

func smallFile(dir, name string) string {
	text, _ := os.ReadFile(filepath.Join(dir, name))
	return strings.TrimSpace(string(text))
}

// touched notes when a file of progress was written.
func (f *FolderStatus) touched(path string) {
	if info, err := os.Stat(path); err == nil && info.ModTime().After(f.Written) {
		f.Written = info.ModTime().UTC()
	}
}

func (f *FolderStatus) readSearch(dir string) error {
	s, found, ours, err := openSearchState(dir)
	if err != nil || found == (mark{}) {
		return err
	}
	u := found.upstream()
	f.Reading, f.Search = "search", &SearchStatus{Window: u.Window, Cursor: u.Cursor, ID: u.ID, At: found.at}
	if ours {
		f.Search.Late = s.last.Covered
	}
	for _, name := range []string{searchFileName, "window_time", "id"} {
		f.touched(filepath.Join(dir, name))
	}
	return nil
}

func (f *FolderStatus) readDates(dir string) error {
	x := &exportState{dir: dir, look: true}
	dates, own, err := x.load()
	if err != nil || len(dates) == 0 {
		return err
	}
	f.Reading = "bulk"
	f.touched(x.ownPath())
	for _, name := range slices.Sorted(maps.Keys(dates)) {
		d := DateStatus{Date: name, Completed: len(dates[name].completed)}
		f.touched(x.datePath(name, completedName))
		for _, chunk := range slices.Sorted(maps.Keys(dates[name].cursors)) {
			d.Partial = append(d.Partial, ChunkStatus{Chunk: chunk, Cursor: dates[name].cursors[chunk], Rows: own.Partial[name+"/"+chunk].Rows})
		}
		f.Dates = append(f.Dates, d)
	}
	return nil
}

func (f *FolderStatus) readSessions(dir string) error {
	s := newSessionState(dir)
	all, err := s.list()
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b pendingSession) int { return a.Uploaded.Compare(b.Uploaded) })
	for _, p := range all {
		one := SessionStatus{SID: p.SID, Index: p.Index, Attempts: s.attempt[p.SID], Uploaded: p.Uploaded.UTC()}
		if one.Attempts > 0 {
			f.Missing = append(f.Missing, one)
		} else {
			f.Sessions = append(f.Sessions, one)
		}
	}
	return nil
}

func (f *FolderStatus) readGivenUp(dir string) error {
	return eachLine(filepath.Join(dir, givenUpName), func(line []byte) error {
		var g givenUp
		if json.Unmarshal(line, &g) == nil {
			f.GivenUp = append(f.GivenUp, g)
		}
		return nil
	})
}

// eachLine reads a file of lines, of any length; one that is not there is empty.
func eachLine(path string, each func([]byte) error) error {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	r := bufio.NewReaderSize(file, 1<<16)
	for {
		line, err := r.ReadBytes('\n')
		if len(line) > 0 && line[len(line)-1] == '\n' { // else it is being written
			if err := each(line); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
