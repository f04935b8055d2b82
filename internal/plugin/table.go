package plugin

import (
	"slices"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
)

// Passer is an output that passes events on to others within the same
// transaction: copy, relabel, roundrobin.
type Passer interface {
	Params(*param.Set)
	Accept(tx *Tx, tag string, es event.Stream) error
}

// Table is the catalogue of plugins by @type. It is built once, in package
// relay, and handed down; nothing registers itself.
type Table struct {
	Inputs     map[string]func(Env) Input
	Filters    map[string]func(Env) Filter
	Outputs    map[string]func(Env) Output
	Directs    map[string]func(Env) Direct
	Passers    map[string]func(Env) Passer
	Parsers    map[string]func(Env) Parser
	Formatters map[string]func(Env) Formatter
	// Absent names what Fluentd or its gems have and Sluice has not, with the
	// nearest thing that is there.
	Absent map[string]string
}

// Names lists the types of one kind: input, filter, output, parser, formatter.
func (t *Table) Names(kind string) []string {
	var names []string
	switch kind {
	case "input":
		names = keys(t.Inputs)
	case "filter":
		names = keys(t.Filters)
	case "output":
		names = slices.Concat(keys(t.Outputs), keys(t.Directs), keys(t.Passers))
	case "parser":
		names = keys(t.Parsers)
	case "formatter":
		names = keys(t.Formatters)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func keys[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	return names
}
