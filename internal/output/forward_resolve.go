package output

import (
	"context"
	"net"
	"slices"
	"sync"
	"time"
)

// resolver remembers a server's addresses as expire_dns_cache says.
type resolver struct {
	host   string
	o      *forwardOptions
	lookup func(ctx context.Context, host string) ([]string, error)

	mu    sync.Mutex // never held while names are looked up
	known []string
	at    time.Time
	turn  int
}

// addresses is the server's addresses in the order in which to try them.
func (r *resolver) addresses(ctx context.Context) ([]string, error) {
	if net.ParseIP(r.host) != nil {
		return []string{r.host}, nil
	}
	if found := r.remembered(); found != nil {
		return found, nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.o.connect)
	defer cancel()
	found, err := r.lookup(ctx, r.host)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.known, r.at = found, time.Now()
	r.mu.Unlock()
	return r.inTurn(found), nil
}

func (r *resolver) remembered() []string {
	r.mu.Lock()
	known, at := r.known, r.at
	r.mu.Unlock()
	if len(known) == 0 || r.o.dnsForSet && time.Since(at) >= r.o.dnsFor {
		return nil
	}
	return r.inTurn(known)
}

// inTurn begins with another address each time when dns_round_robin says so.
func (r *resolver) inTurn(found []string) []string {
	if !r.o.dnsTurns {
		return found
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	from := r.turn % len(found)
	r.turn++
	return slices.Concat(found[from:], found[:from])
}

// forget makes the next use ask again.
func (r *resolver) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known = nil
}
