// Package formatter makes text of events: the formatters that Fluentd brings
// along, each in a file named as there.
package formatter

import (
	"strings"

	"github.com/sluicelog/sluice/internal/param"
)

// newline is what most formatters put behind an event.
type newline struct {
	add   bool
	style string
}

func (n *newline) params(p *param.Set) {
	p.Bool("add_newline", &n.add, true, "End each event with a line break.")
	n.styleParam(p)
}

func (n *newline) styleParam(p *param.Set) {
	p.String("newline", &n.style, "lf", "The line break.").Enum("lf", "crlf")
}

// end appends the line break, if any.
func (n *newline) end(dst []byte) []byte {
	switch {
	case !n.add:
		return dst
	case n.style == "crlf":
		return append(dst, '\r', '\n')
	}
	return append(dst, '\n')
}

// delimiterOf is what the words that out_file knows stand for. They count in any
// case and anywhere in the text.
func delimiterOf(word string) string {
	switch word = strings.ToUpper(word); {
	case strings.Contains(word, "SPACE"):
		return " "
	case strings.Contains(word, "COMMA"):
		return ","
	}
	return "\t"
}
