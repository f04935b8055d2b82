package handler

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"
)

// How much may be read beyond the lowest event that is not acknowledged.
const (
	maxUnsettled      = 10_000
	maxUnsettledBytes = 64 << 20
)

// mark is a place in a source that reading can begin at again: right behind one
// event. Which fields count is the source's affair.
type mark struct {
	window time.Time // search: the From that the cursor belongs to
	cursor string    // search: of the page that holds the event; export: behind the event
	id     string    // search: of the event
	at     time.Time // search: its time
	page   time.Time // search: the time of the page's first event
	rows   int64     // export: events of the chunk up to here
}

// ledger knows every event that was read and is not behind its lane's lowest
// unacknowledged one. Acknowledgements come in any order; a lane's settled mark
// moves only over what is acknowledged without a gap.
type ledger struct {
	id *identity // learns each new generation before any event of it is read

	mu        sync.Mutex // guards what follows, and the lanes
	lanes     map[*lane]struct{}
	events    int
	bytes     int
	laneMax   int    // events of one lane; so that one that stands still leaves room for others
	gen       uint64 // of the events that are read now
	inherited bool   // what is read may have been sent by an earlier process already
	holds     map[*hold]struct{}
	// recordings is before what an earlier process has sent of those that it left.
	recordings uint64
	room       chan struct{} // closed when there may be room again
	dirty      bool          // something was acknowledged since the last snapshot
}

// lane is a run of events in the order of reading: a search, or one chunk.
type lane struct {
	book    *ledger
	entries []entry // from the lowest one that is not acknowledged
	first   int64   // number of entries[0]
	settled mark
	// inherited says that an earlier process may have sent what is read, and what is
	// still to be read, though not before generation since.
	inherited bool
	since     uint64
}

type entry struct {
	mark  mark
	print fingerprint
	at    time.Time
	size  int
	gen   uint64
	acked bool
}

// place is what Read.place holds.
type place struct {
	lane   *lane
	number int64
	print  fingerprint
	at     time.Time
}

// fingerprint tells events apart: by id and body, since Teleport gives some ids
// twice.
type fingerprint [16]byte

func fingerprintOf(id string, body []byte) fingerprint {
	h := sha256.New()
	h.Write([]byte(id))
	h.Write([]byte{0})
	h.Write(body)
	return fingerprint(h.Sum(nil)[:16])
}

func newLedger(id *identity) *ledger {
	return &ledger{id: id, lanes: map[*lane]struct{}{}, laneMax: maxUnsettled, gen: id.current(), holds: map[*hold]struct{}{}, room: make(chan struct{})}
}

func (i *identity) current() uint64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.gen
}

// open begins a lane behind m.
func (b *ledger) open(m mark) *lane {
	l := &lane{book: b, settled: m}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lanes[l] = struct{}{}
	return l
}

// close forgets a lane that has nothing unacknowledged.
func (b *ledger) close(l *lane) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.lanes, l)
}

// admit waits for room and puts an event at the end of a lane.
func (l *lane) admit(ctx context.Context, e entry) (*place, error) {
	b := l.book
	for {
		b.mu.Lock()
		fits := b.events < maxUnsettled && (b.bytes+e.size <= maxUnsettledBytes || b.events == 0)
		if fits && len(l.entries) < b.laneMax {
			e.gen = l.sentSince()
			l.entries = append(l.entries, e)
			b.events++
			b.bytes += e.size
			p := &place{l, l.first + int64(len(l.entries)) - 1, e.print, e.at}
			b.mu.Unlock()
			return p, nil
		}
		room := b.room
		b.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// pass moves over events that nobody shall get.
func (l *lane) pass(m mark) {
	l.book.mu.Lock()
	defer l.book.mu.Unlock()
	l.book.dirty = true
	if n := len(l.entries); n > 0 {
		// Reading may begin behind the skipped ones once this one is acknowledged.
		l.entries[n-1].mark = m
		return
	}
	l.settled = m
}

// ack acknowledges one event, once or more often.
func (p *place) ack() {
	b, l := p.lane.book, p.lane
	b.mu.Lock()
	defer b.mu.Unlock()
	at := p.number - l.first
	if at < 0 || l.entries[at].acked {
		return
	}
	l.entries[at].acked = true
	b.dirty = true
	n := 0
	for n < len(l.entries) && l.entries[n].acked {
		l.settled = l.entries[n].mark
		b.events--
		b.bytes -= l.entries[n].size
		l.entries[n] = entry{} // its strings
		n++
	}
	if n > 0 {
		l.entries = l.entries[n:]
		l.first += int64(n)
		close(b.room)
		b.room = make(chan struct{})
	}
}

// view is a lane at one moment.
type view struct {
	settled mark
	empty   bool
	acked   []fingerprint // acknowledged beyond settled
	oldest  time.Time     // least time of the unacknowledged; zero: there is none
}

func (l *lane) view() view {
	l.book.mu.Lock()
	defer l.book.mu.Unlock()
	v := view{settled: l.settled, empty: len(l.entries) == 0}
	for i := range l.entries {
		e := &l.entries[i]
		if e.acked {
			v.acked = append(v.acked, e.print)
		} else if v.oldest.IsZero() || e.at.Before(v.oldest) {
			v.oldest = e.at
		}
	}
	return v
}

// inFlight is how many events were read and are not settled.
func (b *ledger) inFlight() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.events
}

// caughtUp says that everything which an earlier process may have sent has been
// read again by now, or is settled.
func (b *ledger) caughtUp() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dirty = b.dirty || b.inherited
	b.inherited = false
}

// inherit says what an earlier process may have sent: anything, when all is true;
// of the recordings that it left nothing before a generation.
func (b *ledger) inherit(all bool, recordings uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.inherited, b.recordings = all, recordings
}

// inherits reports that what is read may have been sent by an earlier process,
// whatever lane it is in.
func (b *ledger) inherits() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.inherited
}

// inherit says that an earlier process may have sent what is read in a lane, which
// is new, from a generation on.
func (l *lane) inherit(since uint64) {
	l.book.mu.Lock()
	defer l.book.mu.Unlock()
	l.inherited, l.since = true, since
}

// begins is the lowest generation that what is read of a lane from now on may have
// been sent in.
func (l *lane) begins() uint64 {
	l.book.mu.Lock()
	defer l.book.mu.Unlock()
	return l.sentSince()
}

// sentSince is begins, under the lock.
func (l *lane) sentSince() uint64 {
	switch {
	case l.book.inherited:
		return 0
	case l.inherited:
		return l.since
	}
	return l.book.gen
}

// readAgain says that a lane was read to its end.
func (l *lane) readAgain() {
	l.book.mu.Lock()
	defer l.book.mu.Unlock()
	l.inherited = false
	l.book.dirty = true
}

// rise begins a generation; it comes before the lanes are looked at to be
// written down. changed is false, and nothing rises, when there is nothing new.
// forget is the lowest generation that something unsettled may have been sent
// in: once the lanes are on disk, the relay may forget what is older.
func (b *ledger) rise() (forget uint64, changed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.dirty {
		return 0, false
	}
	b.dirty = false
	// The sender's number rises first: an event never travels under a lower
	// generation than the one it was noted with.
	b.gen = b.id.rise()
	return min(b.unsettled(), b.held()), true
}

// unsettled is the lowest generation that an event of the lanes which is not
// acknowledged, or is still to be read, may have been sent in. b.mu is held.
func (b *ledger) unsettled() uint64 {
	if b.inherited {
		return 0
	}
	lowest := b.gen
	for l := range b.lanes {
		lowest = min(lowest, l.sentSince())
		for i := range l.entries {
			if !l.entries[i].acked {
				lowest = min(lowest, l.entries[i].gen)
			}
		}
	}
	return lowest
}

// touch asks for progress to be written though nothing was acknowledged.
func (b *ledger) touch() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dirty = true
}

// failed says that what rise was for was not written down.
func (b *ledger) failed() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dirty = true
}

func (i *identity) rise() uint64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.gen++
	return i.gen
}

func (i *identity) mayForget(gen uint64) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.settled = max(i.settled, gen)
	if !i.shared {
		i.forget = i.settled
	}
}

// written is what the files on disk allow to be forgotten; published says that
// the bucket holds those files.
func (i *identity) written() uint64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.settled
}

func (i *identity) published(gen uint64) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.forget = max(i.forget, gen)
}
