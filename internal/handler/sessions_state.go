package handler

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sluicelog/sluice/internal/state"
)

// sessionState keeps, in upstream's layout, which sessions are still to be sent:
// session<SID> holds the index of the next event as 8 bytes, big endian;
// missing_recording<SID> holds JSON with Index, Attempt and Timestamp. What
// upstream has no place for stands beside it: sluice_sessions_done, the ids of
// sessions that were sent whole, a line each, since an upload event may come
// again after a crash; sluice_sessions_given_up, a line of JSON each.
type sessionState struct {
	dir string

	appending sync.Mutex // one append to a file of lines at a time

	mu      sync.Mutex // guards what follows
	synced  map[string]time.Time
	attempt map[string]int
	sent    map[string]bool // sent whole, the newest ones
	order   []string        // of sent
}

// pendingSession is a session whose recording is not sent yet.
type pendingSession struct {
	SID      string
	Index    int64
	Uploaded time.Time
}

const (
	sessionPrefix = "session"
	missingPrefix = "missing_recording"
	doneName      = "sluice_sessions_done"
	givenUpName   = "sluice_sessions_given_up"

	// doneKept is how many sessions that were sent are remembered: more than there
	// are upload events between the cursor and the newest event.
	doneKept = 20_000
)

// missingFile is the content of missing_recording<SID>. Upstream's handler gives up
// without a word once Attempt is above 2, so ours stays low and the true number has
// a place of its own: whoever goes back loses no recording.
type missingFile struct {
	Index     int       `json:"Index"`
	Attempt   int       `json:"Attempt"`
	Timestamp time.Time `json:"Timestamp"`
	Tries     int       `json:"Tries,omitempty"`
}

func newSessionState(dir string) *sessionState {
	return &sessionState{dir: dir, synced: map[string]time.Time{}, attempt: map[string]int{}, sent: map[string]bool{}}
}

// load lists the sessions that are on disk. Short files, which a crash of
// upstream's handler leaves, count as index 0.
func (s *sessionState) load() ([]pendingSession, error) {
	if err := s.loadDone(); err != nil {
		return nil, err
	}
	all, err := s.list()
	if err != nil {
		return nil, err
	}
	pending := all[:0]
	for _, p := range all {
		if !s.wasSent(p.SID) {
			pending = append(pending, p)
			continue
		}
		// A crash before it was struck off.
		if err := s.remove(p.SID); err != nil {
			return nil, err
		}
	}
	return pending, nil
}

func (s *sessionState) wasSent(sid string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent[sid]
}

func (s *sessionState) appendLine(name, line string) error {
	s.appending.Lock()
	defer s.appending.Unlock()
	return state.AppendFile(filepath.Join(s.dir, name), []byte(line+"\n"))
}

// list is load without what is done.
func (s *sessionState) list() ([]pendingSession, error) {
	entries, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	found := map[string]pendingSession{}
	for _, e := range entries {
		path := filepath.Join(s.dir, e.Name())
		if sid, ok := strings.CutPrefix(e.Name(), missingPrefix); ok && sid != "" {
			found[sid] = s.loadMissing(path, sid)
		} else if sid, ok := strings.CutPrefix(e.Name(), sessionPrefix); ok && sid != "" {
			p := loadSession(path, sid, e)
			if missing, known := found[sid]; known {
				// It was there at last, and some of it was sent.
				p = pendingSession{SID: sid, Index: max(p.Index, missing.Index), Uploaded: missing.Uploaded}
			}
			found[sid] = p
		}
	}
	pending := make([]pendingSession, 0, len(found))
	for _, p := range found {
		pending = append(pending, p)
	}
	return pending, nil
}

func loadSession(path, sid string, e fs.DirEntry) pendingSession {
	p := pendingSession{SID: sid, Uploaded: time.Now()}
	if info, err := e.Info(); err == nil {
		p.Uploaded = info.ModTime() // the file does not say; it is not older than that
	}
	if b, err := os.ReadFile(path); err == nil && len(b) >= 8 {
		p.Index = int64(binary.BigEndian.Uint64(b)) //nolint:gosec // an index of Teleport's is an int32
	}
	return p
}

func (s *sessionState) loadMissing(path, sid string) pendingSession {
	p := pendingSession{SID: sid, Uploaded: time.Now()}
	var m missingFile
	if b, err := os.ReadFile(path); err == nil && json.Unmarshal(b, &m) == nil {
		p.Index = int64(m.Index)
		s.attempt[sid] = max(m.Attempt, m.Tries)
		if !m.Timestamp.IsZero() {
			p.Uploaded = m.Timestamp
		}
	}
	return p
}

// loadDone reads which sessions were sent, and keeps the newest.
func (s *sessionState) loadDone() error {
	path := filepath.Join(s.dir, doneName)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	lines := strings.Fields(string(text))
	old := len(lines)
	lines = lines[max(old-doneKept, 0):]
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sid := range lines {
		s.sent[sid] = true
	}
	s.order = lines
	if old > 2*doneKept || len(text) > 0 && text[len(text)-1] != '\n' {
		return state.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"))
	}
	return nil
}

// sentWhole notes that a session was sent to its end. It is struck off after that.
func (s *sessionState) sentWhole(sid string) error {
	if err := s.appendLine(doneName, sid); err != nil {
		return err
	}
	s.mu.Lock()
	s.sent[sid] = true
	s.order = append(s.order, sid)
	if len(s.order) > 2*doneKept {
		for _, old := range s.order[:doneKept] {
			delete(s.sent, old)
		}
		s.order = append([]string(nil), s.order[doneKept:]...)
	}
	s.mu.Unlock()
	return nil
}

// givenUp is a line of the file of that name.
type givenUp struct {
	SID      string    `json:"sid"`
	Index    int64     `json:"index"`
	Uploaded time.Time `json:"uploaded"`
	At       time.Time `json:"at"`
	Reason   string    `json:"reason"`
}

// giveUp notes that a session was given up. It is struck off after that.
func (s *sessionState) giveUp(p pendingSession, why error) error {
	line, err := json.Marshal(givenUp{p.SID, p.Index, p.Uploaded.UTC(), time.Now().UTC(), why.Error()})
	if err != nil {
		return err
	}
	return s.appendLine(givenUpName, string(line))
}

// register writes a new session down; known means that it was there already, or
// was sent: its upload event came a second time.
func (s *sessionState) register(p pendingSession) (known bool, err error) {
	if s.wasSent(p.SID) {
		return true, nil
	}
	for _, prefix := range []string{sessionPrefix, missingPrefix} {
		if _, err := os.Stat(s.path(prefix, p.SID)); err == nil {
			return true, nil
		}
	}
	return false, s.write(p)
}

// advance moves the index, on disk at most once a second.
func (s *sessionState) advance(p pendingSession) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.synced[p.SID]) < time.Second {
		return nil
	}
	s.synced[p.SID] = time.Now()
	return s.write(p)
}

func (s *sessionState) write(p pendingSession) error {
	return state.WriteFile(s.path(sessionPrefix, p.SID), binary.BigEndian.AppendUint64(nil, uint64(p.Index))) //nolint:gosec // never below zero
}

// missing notes that the recording was not there.
func (s *sessionState) missing(p pendingSession) error {
	s.mu.Lock()
	s.attempt[p.SID]++
	m := missingFile{Index: int(p.Index), Attempt: 1, Timestamp: p.Uploaded.UTC(), Tries: s.attempt[p.SID]}
	s.mu.Unlock()
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := state.WriteFile(s.path(missingPrefix, p.SID), text); err != nil {
		return err
	}
	return removeFile(s.path(sessionPrefix, p.SID))
}

// remove strikes a session off.
func (s *sessionState) remove(sid string) error {
	s.mu.Lock()
	delete(s.synced, sid)
	delete(s.attempt, sid)
	s.mu.Unlock()
	return errors.Join(removeFile(s.path(sessionPrefix, sid)), removeFile(s.path(missingPrefix, sid)))
}

// path is flat as upstream's: the id is part of the name, and one that would
// lead elsewhere is made harmless.
func (s *sessionState) path(prefix, sid string) string {
	return filepath.Join(s.dir, prefix+strings.NewReplacer("/", "_", "\\", "_").Replace(sid))
}

func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
