package output

import (
	"slices"
	"strconv"
	"sync"

	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// roundRobin gives each emission to one <store>, in turn; one with weight 2 gets
// twice as many.
type roundRobin struct {
	env   plugin.Env
	nodes []*conf.Node
	turns []plugin.Acceptor // one round

	mu   sync.Mutex
	next int
}

// NewRoundRobin makes a roundrobin output.
func NewRoundRobin(env plugin.Env) plugin.Passer { return &roundRobin{env: env} }

func (o *roundRobin) Params(p *param.Set) {
	p.Nodes("store", &o.nodes, "An output that gets events in its turn. Its `weight`, 1 when it is not set, says how many turns of a round it gets.").Required()
}

// Check builds the stores and the order of their turns.
func (o *roundRobin) Check() error {
	var stores []plugin.Acceptor
	var weights []int
	for _, n := range o.nodes {
		weight, err := weightOf(n)
		if err != nil {
			return param.Place(err, n, n.Title())
		}
		// The output of the store knows no weight.
		own := *n
		own.Params = slices.DeleteFunc(slices.Clone(n.Params), func(p conf.Param) bool { return p.Name == "weight" })
		out, err := o.env.Acceptor(&own)
		if err != nil {
			return err
		}
		stores, weights = append(stores, out), append(weights, weight)
	}
	o.turns = nil
	for _, i := range turns(weights) {
		o.turns = append(o.turns, stores[i])
	}
	if len(o.turns) == 0 {
		return param.Errorf("weight", "", "every <store> has weight 0")
	}
	return nil
}

func weightOf(n *conf.Node) (int, error) {
	text := n.Text("weight")
	if text == "" {
		return 1, nil
	}
	weight, err := strconv.Atoi(text)
	if err != nil || weight < 0 || weight > maxWeight {
		return 0, param.Errorf("weight", "", "%q must be a number from 0 to %d", text, maxWeight)
	}
	return weight, nil
}

// maxWeight bounds the length of a round.
const maxWeight = 10_000

// turns spreads n turns of each store i with weight n evenly over a round: at each
// step the store goes that is furthest behind its share. Equal weights give the
// order of the file. Weights are made as small as their ratio allows.
func turns(weights []int) []int {
	sum, divisor := 0, 0
	for _, w := range weights {
		divisor = gcd(divisor, w)
	}
	if divisor == 0 {
		return nil
	}
	for _, w := range weights {
		sum += w / divisor
	}
	credit := make([]int, len(weights))
	order := make([]int, 0, sum)
	for range sum {
		best := 0
		for i, w := range weights {
			credit[i] += w / divisor
			if credit[i] > credit[best] {
				best = i
			}
		}
		credit[best] -= sum
		order = append(order, best)
	}
	return order
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// Accept passes the events to the store whose turn it is.
func (o *roundRobin) Accept(tx *plugin.Tx, tag string, es event.Stream) error {
	o.mu.Lock()
	out := o.turns[o.next]
	o.next = (o.next + 1) % len(o.turns)
	o.mu.Unlock()
	if out == nil {
		return nil // its section is wrong, and said to be
	}
	return out.Accept(tx, tag, es)
}
