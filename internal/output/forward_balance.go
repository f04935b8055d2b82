package output

import (
	"errors"
	"log/slog"
	"slices"
	"sync"
)

var errNoNodes = errors.New("no nodes are available")

// balancer chooses the server for each chunk: in turn, by weight, among those that
// answer. While some do not, standbys take their place, as many as their weight
// asks for.
type balancer struct {
	log *slog.Logger

	mu    sync.Mutex
	nodes []*node
	turns []*node // one round
	next  int
}

// set replaces the servers. Those that stay keep what is known of them.
func (b *balancer) set(servers []forwardServer, o *forwardOptions) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.nodes
	b.nodes = nil
	for _, s := range servers {
		i := slices.IndexFunc(old, func(n *node) bool { return n.same(s) })
		if i < 0 {
			b.nodes = append(b.nodes, newNode(s, o))
			continue
		}
		b.nodes = append(b.nodes, old[i])
		old = slices.Delete(slices.Clone(old), i, i+1)
	}
	for _, gone := range old {
		gone.leave()
	}
	b.order()
}

// rebuild follows a change of what answers.
func (b *balancer) rebuild() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.order()
}

// order makes a round. The caller holds mu.
func (b *balancer) order() {
	var using []*node
	lost := 0
	for _, n := range b.nodes {
		if n.Standby {
			continue
		}
		if n.available() {
			using = append(using, n)
		} else {
			lost += n.Weight
		}
	}
	for _, n := range b.nodes {
		if lost <= 0 {
			break
		}
		if n.Standby && n.available() {
			b.log.Warn("using standby node "+n.address(), "weight", n.Weight)
			using = append(using, n)
			lost -= n.Weight
		}
	}
	weights := make([]int, len(using))
	for i, n := range using {
		weights[i] = n.Weight
	}
	b.turns, b.next = nil, 0
	for _, i := range turns(weights) {
		b.turns = append(b.turns, using[i])
	}
	if len(b.turns) == 0 {
		b.log.Warn("No nodes are available")
	}
}

func (b *balancer) all() []*node {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.nodes)
}

// any reports whether some server can be used.
func (b *balancer) any() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.ContainsFunc(b.turns, (*node).available)
}

// pick gives send the server whose turn it is and, while that fails, the others,
// each once; a server that was found to be away by it makes room for standbys at
// once.
func (b *balancer) pick(send func(*node) error) error {
	tried := map[*node]bool{}
	err := errNoNodes
	for {
		n := b.turn(tried)
		if n == nil {
			return err
		}
		tried[n] = true
		if err = send(n); err == nil {
			return nil
		}
		b.log.Debug("failed to forward a chunk; the next server is tried", "server", n.String(), "error", err)
		if !n.available() {
			b.rebuild()
		}
	}
}

// turn takes the next turn of a server that was not tried. When all that have turns
// were, the standbys are the last hope, also for servers that nobody watches.
func (b *balancer) turn(tried map[*node]bool) *node {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.turns {
		at := (b.next + i) % len(b.turns)
		if n := b.turns[at]; !tried[n] && n.available() {
			b.next = (at + 1) % len(b.turns)
			return n
		}
	}
	for _, n := range b.nodes {
		if n.Standby && !tried[n] && n.available() {
			return n
		}
	}
	return nil
}
