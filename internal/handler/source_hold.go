package handler

// hold keeps the relay from forgetting what is sent while it lasts, by somebody
// who keeps a cursor of his own: a recording.
type hold struct {
	book      *ledger
	gen       uint64
	inherited bool
}

func (h *hold) since() uint64 {
	if h.inherited {
		return h.book.recordings
	}
	return h.gen
}

// hold begins one; inherited says that an earlier process may have sent parts.
func (b *ledger) hold(inherited bool) *hold {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := &hold{book: b, gen: b.gen, inherited: inherited}
	if b.id.shared {
		// An earlier process may have begun it, and not brought that into the bucket. Then
		// its upload event was not settled there either, and is not yet here.
		h.gen = b.unsettled()
	}
	b.holds[h] = struct{}{}
	return h
}

// release ends the hold, after the holder's cursor is on disk.
func (h *hold) release() {
	h.book.mu.Lock()
	defer h.book.mu.Unlock()
	delete(h.book.holds, h)
	h.book.dirty = true
}

// held is the same of what is held. b.mu is held.
func (b *ledger) held() uint64 {
	lowest := b.gen
	for h := range b.holds {
		lowest = min(lowest, h.since())
	}
	return lowest
}

// recordingsSince is the lowest generation that anything was sent in of the
// recordings that are under way now, or begin later.
func (b *ledger) recordingsSince() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return min(b.held(), b.unsettled()) // in a bucket those may be begun already
}
