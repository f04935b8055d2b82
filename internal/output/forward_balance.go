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
		i := slices.IndexFunc(old, func(n *node) bool { return n.forwardServer == s })
		if i < 0 {
			b.nodes = append(b.nodes, newNode(s, o))
			continue
		}
		b.nodes = append(b.nodes, old[i])
		old = slices.Delete(slices.Clone(old), i, i+1)
	}
	for _, gone := range old {
		gone.closeIdle(zeroTime)
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
// each once.
func (b *balancer) pick(send func(*node) error) error {
	tried := map[*node]bool{}
	err := errNoNodes
	for _, n := range b.round() {
		if tried[n] || !n.available() {
			continue
		}
		tried[n] = true
		if err = send(n); err == nil {
			return nil
		}
	}
	return err
}

// round is one round from the next turn on, and takes that turn.
func (b *balancer) round() []*node {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.turns) == 0 {
		return nil
	}
	from := b.next
	b.next = (b.next + 1) % len(b.turns)
	return slices.Concat(b.turns[from:], b.turns[:from])
}
