package handler

import (
	"context"
	"sync"
)

// publications number what is put into the bucket, for those who wait until a file
// that they have written is there.
type publications struct {
	hurry chan struct{} // somebody waits

	mu      sync.Mutex // guards what follows
	asked   uint64
	done    uint64        // what was asked up to here is in the bucket
	changed chan struct{} // closed when done rises
}

func newPublications() *publications {
	return &publications{hurry: make(chan struct{}, 1), changed: make(chan struct{})}
}

// lasting waits until the folder as it is now lies in the bucket. One publication
// serves all that wait when it begins.
func (s *share) lasting(ctx context.Context) error {
	p := s.published
	p.mu.Lock()
	p.asked++
	mine := p.asked
	p.mu.Unlock()
	select {
	case p.hurry <- struct{}{}:
	default:
	}
	for {
		p.mu.Lock()
		done, changed := p.done, p.changed
		p.mu.Unlock()
		if done >= mine {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// latest is the newest wish, which a publication that begins now fulfils.
func (p *publications) latest() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

func (p *publications) fulfil(asked uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = max(p.done, asked)
	close(p.changed)
	p.changed = make(chan struct{})
}
