package handler

import (
	"context"
	"fmt"
	"sync"
)

// begunNotes say on disk which chunks were begun, before the first event of each is
// handed on. What an earlier process may have sent and not settled lies in those
// alone; so the relay may forget the rest while a backlog is read.
type begunNotes struct {
	mu    sync.Mutex // one write at a time; guards whole, and exportChunk.noted
	whole bool       // the file names, or shall name, all that may be sent and not settled
}

// begin comes before the first event of a chunk that this process hands on.
func (x *exportSource) begin(ctx context.Context, c *exportChunk) error {
	if c.ready {
		return nil
	}
	x.toBeNoted(c)
	counts, err := x.note(c)
	if err == nil && counts && x.cfg.lasting != nil {
		err = x.cfg.lasting(ctx)
	}
	if err != nil {
		return fmt.Errorf("note chunk as begun: %w", err)
	}
	c.ready = true
	return nil
}

// toBeNoted has whoever writes the notes next name a chunk.
func (x *exportSource) toBeNoted(c *exportChunk) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !c.begun {
		c.begun, c.since = true, c.lane.begins()
	}
}

// note has a chunk named on disk, with all others that wait for the same. counts is
// false when no process would go by what stands there.
func (x *exportSource) note(c *exportChunk) (counts bool, err error) {
	x.notes.mu.Lock()
	defer x.notes.mu.Unlock()
	if !x.notes.whole || c.noted {
		return x.notes.whole, nil
	}
	err = x.writeNotes()
	if err == nil {
		return true, nil
	}
	// Without the file the next process takes nothing for unsent.
	if x.state.dropBegun() != nil {
		return true, err
	}
	x.cfg.log.Warn("Failed to note which chunks are begun; after a restart a relay has to remember more", "date", c.date.name, "chunk", c.name, "error", err)
	return true, nil
}

// keepNotes begins to keep notes as soon as they can be whole: when nothing that an
// earlier process has sent is still to come from chunks that are not known.
func (x *exportSource) keepNotes() error {
	if x.ledger.inherits() {
		return nil
	}
	x.notes.mu.Lock()
	defer x.notes.mu.Unlock()
	if x.notes.whole {
		return nil
	}
	if err := x.writeNotes(); err != nil {
		return err
	}
	x.notes.whole = true
	return nil
}

// writeNotes names every chunk that was begun and is not complete.
func (x *exportSource) writeNotes() error {
	chunks := x.begunChunks()
	notes := begunFile{Unnoted: x.cfg.identity.unnoted(), Recordings: x.ledger.recordingsSince(), Chunks: map[string]uint64{}}
	for _, c := range chunks {
		notes.Chunks[c.key()] = c.since
	}
	if err := x.state.saveBegun(notes); err != nil {
		return err
	}
	for _, c := range chunks {
		c.noted = true
	}
	return nil
}

func (x *exportSource) begunChunks() (all []*exportChunk) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, d := range x.dates {
		for _, c := range d.chunks {
			if c.begun {
				all = append(all, c)
			}
		}
	}
	return all
}
