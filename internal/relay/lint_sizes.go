package relay

import (
	"strconv"

	"github.com/sluicelog/sluice/internal/conf"
)

// leastSize is the size, in bytes, below which a limit was hardly meant: an audit
// event alone is about as large.
const leastSize = 1024

// bareSizes warns about limits that forgot their unit: `chunk_limit_size 256` is
// 256 bytes, in which not one event has room.
func (l *linter) bareSizes(n *conf.Node) {
	for _, name := range []string{"chunk_limit_size", "total_limit_size", "body_size_limit", "decompression_size_limit", "chunk_size_limit"} {
		line, ok := n.Get(name)
		if !ok {
			continue
		}
		size, err := strconv.Atoi(line.Value.Text)
		if err == nil && size > 0 && size < leastSize {
			l.warn(line.Pos, n, name, "write "+line.Value.Text+"m for megabytes, or "+line.Value.Text+"k",
				"%d without a unit is %d bytes: hardly an event has room in that, and larger ones are refused", size, size)
		}
	}
	for _, child := range n.Children {
		l.bareSizes(child)
	}
}
