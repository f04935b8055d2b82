package handler

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"sync"
	"time"
)

// relay is one address with what is known of it. Several are independent of each
// other: each keeps events and their ids for itself. So an event has a home, by a
// hash of its id, and goes there again however often it is sent; only when its
// home has been away for a while does another take its place, and then the event
// may be stored twice.
type relay struct {
	receiver
	url    string
	others []*relay // in the order in which they stand in for this one

	portion portion

	mu    sync.Mutex // guards what follows
	since time.Time  // failing without a success in between; zero: it works
	probe time.Time  // when it is tried again, while others stand in
	said  bool       // that it is away
	took  time.Time  // when it last took or refused something
}

// probeInterval is how often a relay that is away is tried by one request.
const probeInterval = 10 * time.Second

// newRelays joins addresses that may stand in for each other.
func newRelays(relays []*relay) []*relay {
	for _, r := range relays {
		for _, other := range relays {
			if other != r {
				r.others = append(r.others, other)
			}
		}
		slices.SortFunc(r.others, func(a, b *relay) int { return cmp.Compare(score(b.url, r.url), score(a.url, r.url)) })
	}
	return relays
}

// homeOf is the relay with the highest score for a key. Neither the order of the
// list nor an address that is added or taken away moves more than must move.
func homeOf(relays []*relay, key string) *relay {
	home := relays[0]
	if len(relays) == 1 {
		return home
	}
	best := score(home.url, key)
	for _, r := range relays[1:] {
		if s := score(r.url, key); s > best {
			home, best = r, s
		}
	}
	return home
}

func score(url, key string) uint64 {
	sum := sha256.Sum256([]byte(url + "\x00" + key))
	return binary.BigEndian.Uint64(sum[:])
}

// pick is where the events of r go now: to itself, unless it has been away for as
// long as patience and another works.
func (r *relay) pick(patience time.Duration) *relay {
	if len(r.others) == 0 || r.usable(patience) {
		return r
	}
	for _, other := range r.others {
		if other.usable(patience) {
			return other
		}
	}
	return r
}

// usable reports that a relay is not away; now and then one request is let
// through to one that is.
func (r *relay) usable(patience time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if r.since.IsZero() || now.Sub(r.since) < patience {
		return true
	}
	if now.Before(r.probe) {
		return false
	}
	r.probe = now.Add(probeInterval)
	return true
}

// worked and failed note how a request went.
func (r *relay) worked() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.since, r.said, r.took = time.Time{}, false, time.Now()
}

// tookSince reports that it has answered since then.
func (r *relay) tookSince(t time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.took.After(t)
}

// news is true once while a relay is away.
func (r *relay) news() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	was := r.said
	r.said = true
	return !was
}

func (r *relay) failed(patience time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.since.IsZero() {
		r.since = time.Now()
		r.probe = r.since.Add(patience + probeInterval)
	}
}
