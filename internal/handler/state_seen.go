package handler

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/sluicelog/sluice/internal/state"
)

// seenEvents are the events that were acknowledged and may be met again in a
// search: those of the look-back, and those of the page that reading would begin
// at. They live in memory and in files sluice_seen-<n>.ids of 24 byte records, a
// fingerprint and the event's time in Unix nanoseconds (big endian). A file is
// dropped whole when all its times are too old. A torn record at a file's end,
// or one of garbage, only means that an event may be sent again.
type seenEvents struct {
	dir string

	mu       sync.Mutex     // guards what follows
	segments []*seenSegment // oldest first; the last one is written to
	pending  []byte         // records not on disk
}

type seenSegment struct {
	number int
	prints map[fingerprint]struct{}
	newest int64
}

const (
	seenRecord = 24
	// seenPerSegment bounds a file to 6 MB.
	seenPerSegment = 1 << 18
)

func openSeen(dir string) (*seenEvents, error) {
	s := &seenEvents{dir: dir}
	paths, err := filepath.Glob(filepath.Join(dir, "sluice_seen-*.ids"))
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		g := &seenSegment{prints: map[fingerprint]struct{}{}}
		if _, err := fmt.Sscanf(filepath.Base(path), "sluice_seen-%d.ids", &g.number); err != nil {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		for rec := range slices.Chunk(text[:len(text)/seenRecord*seenRecord], seenRecord) {
			g.prints[fingerprint(rec)] = struct{}{}
			g.newest = max(g.newest, int64(binary.BigEndian.Uint64(rec[16:])))
		}
		s.segments = append(s.segments, g)
	}
	slices.SortFunc(s.segments, func(a, b *seenSegment) int { return a.number - b.number })
	// A file that was found is never written to again: its end may be torn.
	s.begin()
	return s, nil
}

func (s *seenEvents) path(n int) string {
	return filepath.Join(s.dir, fmt.Sprintf("sluice_seen-%d.ids", n))
}

func (s *seenEvents) has(p fingerprint) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range slices.Backward(s.segments) {
		if _, ok := g.prints[p]; ok {
			return true
		}
	}
	return false
}

// add remembers an event at once, and on disk after the next flush.
func (s *seenEvents) add(p fingerprint, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	nano := int64(0)
	if !at.IsZero() {
		nano = at.UnixNano()
	}
	g := s.segments[len(s.segments)-1]
	g.prints[p] = struct{}{}
	g.newest = max(g.newest, nano)
	s.pending = binary.BigEndian.AppendUint64(append(s.pending, p[:]...), uint64(nano)) //nolint:gosec // read back the same way
}

// begin makes the segment that is written to from now on. Its file is made by
// the first flush.
func (s *seenEvents) begin() {
	number := 1
	if n := len(s.segments); n > 0 {
		number = s.segments[n-1].number + 1
	}
	s.segments = append(s.segments, &seenSegment{number: number, prints: map[fingerprint]struct{}{}})
}

// flush brings everything that was added to the disk.
func (s *seenEvents) flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pending) == 0 {
		return nil
	}
	g := s.segments[len(s.segments)-1]
	if err := state.AppendFile(s.path(g.number), s.pending); err != nil {
		return err
	}
	s.pending = s.pending[:0]
	if len(g.prints) >= seenPerSegment {
		s.begin()
	}
	return nil
}

// prune drops the segments whose events are all before t.
func (s *seenEvents) prune(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	bound := t.UnixNano()
	for len(s.segments) > 1 && s.segments[0].newest < bound {
		if err := state.Remove(s.path(s.segments[0].number)); err != nil {
			return err
		}
		s.segments = s.segments[1:]
	}
	return nil
}

// drop removes all of it.
func (s *seenEvents) drop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.segments {
		if err := state.Remove(s.path(g.number)); err != nil {
			return err
		}
	}
	s.segments, s.pending = nil, nil
	s.begin()
	return nil
}
