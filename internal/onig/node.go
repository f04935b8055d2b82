package onig

// node is a part of a pattern.
type node struct {
	op   op
	subs []*node

	set   *set // opSet
	fold  bool // opLiteral, opBackref: without regard to case
	text  []rune
	group int   // opCapture; opCondition
	refs  []int // opBackref: groups to try, in order

	min, max int // opRepeat; max -1 has no end
	greed    greed
	ascii    bool // opWord, opNotWord: ASCII's idea of a word
}

type op uint8

const (
	opEmpty     op = iota
	opLiteral      // text
	opSet          // one character of a set
	opConcat       // subs one after another
	opAlternate    // one of subs
	opCapture
	opRepeat
	opAtomic
	opAhead
	opNotAhead
	opBehind
	opNotBehind
	opBackref
	opCondition  // (?(1)yes|no)
	opLineBegin  // ^
	opLineEnd    // $
	opTextBegin  // \A
	opTextEnd    // \z
	opTextEndNL  // \Z
	opWord       // \b
	opNotWord    // \B
	opSearchFrom // \G
)

type greed uint8

const (
	greedy greed = iota
	lazy
	possessive
)

// least is the smallest number of characters that a node can match.
func (n *node) least() int {
	switch n.op {
	case opLiteral:
		return len(n.text)
	case opSet:
		return 1
	case opConcat:
		sum := 0
		for _, s := range n.subs {
			sum += s.least()
		}
		return sum
	case opCapture, opAtomic:
		return n.subs[0].least()
	case opAlternate:
		least := n.subs[0].least()
		for _, s := range n.subs[1:] {
			least = min(least, s.least())
		}
		return least
	case opRepeat:
		if n.min == 0 {
			return 0
		}
		return n.subs[0].least() // times min, but only zero or not matters
	}
	return 0
}

// captures reports whether a group that captures is within.
func (n *node) captures() bool {
	if n.op == opCapture {
		return true
	}
	for _, s := range n.subs {
		if s.captures() {
			return true
		}
	}
	return false
}

func concat(nodes []*node) *node {
	switch len(nodes) {
	case 0:
		return &node{op: opEmpty}
	case 1:
		return nodes[0]
	}
	return &node{op: opConcat, subs: nodes}
}

func alternate(nodes []*node) *node {
	if len(nodes) == 1 {
		return nodes[0]
	}
	return &node{op: opAlternate, subs: nodes}
}
