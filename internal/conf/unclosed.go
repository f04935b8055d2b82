package conf

import "fmt"

// A section that is never closed swallows all that follows, and would be noticed
// at the end of the file only. When that happened, the file is read once more, and
// this time a <source>, <match> … that begins in a place where none can stand, no
// further to the right than the section around it, closes that section.

// closeBefore closes, in the second reading, what cannot be around n.
func (p *classic) closeBefore(n *Node) {
	for depth := 1; depth < len(p.open); depth++ {
		outer := p.open[depth]
		if n.Pos.Col <= outer.Pos.Col && neverHolds(outer.Name, n.Name) {
			p.closeTo(depth, fmt.Sprintf("<%s> in line %d", n.Title(), n.Pos.Line))
			return
		}
	}
}

// neverHolds says that a section named outer has no use for one named inner.
func neverHolds(outer, inner string) bool {
	routes := inner == "source" || inner == "match" || inner == "filter"
	blocks := inner == "label" || inner == "worker" || inner == "system"
	switch outer {
	case "source", "match", "filter", "system":
		return routes || blocks
	case "label":
		return blocks
	case "worker":
		return inner == "worker" || inner == "system"
	}
	return false
}

// closeTo leaves only depth sections open and reports the others as not closed.
func (p *classic) closeTo(depth int, next string) {
	for len(p.open) > depth {
		n := p.top()
		p.problems.Fail(&Error{
			Pos: n.Pos, Path: p.path(), Err: fmt.Errorf("<%s> is not closed before %s", n.Title(), next),
			Hint: "write </" + n.Name + "> before it",
		})
		p.open = p.open[:len(p.open)-1]
	}
}

// leftOpen reports what is open at the end of the file.
func (p *classic) leftOpen() {
	for !p.atRoot() {
		n := p.top()
		p.problems.Fail(&Error{
			Pos: n.Pos, Path: p.path(), Err: fmt.Errorf("<%s> is not closed", n.Title()),
			Hint: "write </" + n.Name + "> at its end",
		})
		p.open = p.open[:len(p.open)-1]
	}
}
