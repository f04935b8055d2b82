package buffer

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sluicelog/sluice/internal/event"
)

// A source is one of our handlers. It says how far it has got, so what it will
// never send again can be forgotten exactly, without a clock: the memory is what
// is unsettled.

// maxSources bounds the handlers that are remembered; beyond it the one that was
// silent for longest goes.
const maxSources = 256

// sourceIDs is what one source has sent and may send again.
type sourceIDs struct {
	start, forget uint64
	ids           map[event.ID]uint64 // the newest generation in which each was sent
	byGeneration  map[uint64][]event.ID
	heard         time.Duration
}

// sourceHash is how a source is named in chunks; never 0.
func sourceHash(id string) uint64 {
	sum := sha256.Sum256([]byte(id))
	return max(binary.LittleEndian.Uint64(sum[:]), 1)
}

// source is the entry of a source; it is made when there is none. x.mu is held.
func (x *index) source(hash uint64) *sourceIDs {
	s := x.sources[hash]
	if s != nil {
		return s
	}
	if len(x.sources) >= maxSources {
		x.evictSource()
	}
	s = &sourceIDs{ids: map[event.ID]uint64{}, byGeneration: map[uint64][]event.ID{}, heard: x.b.elapsed()}
	x.sources[hash] = s
	return s
}

func (x *index) evictSource() {
	var silent uint64
	for hash, s := range x.sources {
		if silent == 0 || s.heard < x.sources[silent].heard {
			silent = hash
		}
	}
	x.b.meters.forgotten.Add(float64(len(x.sources[silent].ids)))
	delete(x.sources, silent)
}

// admit takes a request's word about its source: refuses a process that has been
// succeeded, remembers a new one before anything of it is answered, and forgets
// what it will not send again.
func (x *index) admit(src *Source) (origin, error) {
	if src == nil {
		return origin{}, nil
	}
	hash := sourceHash(src.ID)
	newer, err := x.hear(hash, src)
	if err != nil || !newer {
		return origin{hash, src.Generation}, err
	}
	// Durable first: a power cut must not let the old process in again. Two
	// requests of a new process may both do this; it does no harm.
	if err := x.files.putSource(x.progress(), hash, src.Start, src.Forget); err != nil {
		return origin{}, fmt.Errorf("remember a handler's start: %w", err)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	s := x.source(hash)
	s.start = max(s.start, src.Start)
	return origin{hash, src.Generation}, nil
}

// hear checks a request against what is known of its source; newer says that its
// process is one that has not been heard of.
func (x *index) hear(hash uint64, src *Source) (newer bool, err error) {
	x.mu.Lock()
	s := x.source(hash)
	s.heard = x.b.elapsed()
	if src.Start < s.start || src.Generation < s.start {
		defer x.mu.Unlock()
		return false, fmt.Errorf("%w: its generation is %d, the newest process began with %d", ErrStaleSource, src.Generation, s.start)
	}
	if src.Generation < s.forget {
		// It was under way while its sender gave up, sent all of it again and settled
		// it: nobody waits for the answer, and its ids are forgotten.
		defer x.mu.Unlock()
		return false, fmt.Errorf("take a late request: its generation is %d, all before %d is settled", src.Generation, s.forget)
	}
	newer = src.Start > s.start
	passed := src.Forget > s.forget
	if passed {
		s.forgetBelow(src.Forget)
	}
	x.mu.Unlock()
	if passed {
		p := x.progress()
		x.files.mu.Lock()
		defer x.files.mu.Unlock()
		x.files.dropOld(p)
	}
	return newer, nil
}

func (s *sourceIDs) has(id event.ID) bool {
	if s == nil {
		return false
	}
	_, there := s.ids[id]
	return there
}

// add remembers an id unless its source has settled it already.
func (s *sourceIDs) add(generation uint64, id event.ID, b *Buffer) {
	if generation < s.forget || s.has(id) {
		return
	}
	s.ids[id] = generation
	s.byGeneration[generation] = append(s.byGeneration[generation], id)
	if len(s.ids) > b.config().DedupMaxKeys {
		b.meters.forgotten.Add(float64(s.shed()))
	}
}

// again notes that an event was sent again, in a newer generation: yet another
// copy of that request may still be under way when the older one is settled.
func (s *sourceIDs) again(generation uint64, id event.ID) {
	if old, there := s.ids[id]; there && old < generation {
		s.ids[id] = generation
		s.byGeneration[generation] = append(s.byGeneration[generation], id)
	}
}

// drop forgets an id that is listed under a generation, unless it was sent again.
func (s *sourceIDs) drop(generation uint64, id event.ID) {
	if s.ids[id] <= generation {
		delete(s.ids, id)
	}
}

func (s *sourceIDs) forgetBelow(generation uint64) {
	s.forget = generation
	for g, ids := range s.byGeneration {
		if g >= generation {
			continue
		}
		for _, id := range ids {
			s.drop(g, id)
		}
		delete(s.byGeneration, g)
	}
}

// shed forgets the older half of the oldest generation of a source that settles
// nothing, and returns how many ids that were.
func (s *sourceIDs) shed() int {
	oldest := slices.Min(slices.Collect(maps.Keys(s.byGeneration)))
	ids := s.byGeneration[oldest]
	n := (len(ids) + 1) / 2
	for _, id := range ids[:n] {
		s.drop(oldest, id)
	}
	s.byGeneration[oldest] = slices.Clone(ids[n:])
	if len(ids) == n {
		delete(s.byGeneration, oldest)
	}
	return n
}
