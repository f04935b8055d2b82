// Package formatter turns events into what outputs write, one file a plugin,
// named as in Fluentd.
package formatter

import (
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

type jsonFormat struct {
	newline bool
	writer  string
}

// NewJSON makes a json formatter: the record, one line an event.
func NewJSON(plugin.Env) plugin.Formatter { return &jsonFormat{} }

func (f *jsonFormat) Params(p *param.Set) {
	p.String("json_parser", &f.writer, "oj", "Accepted; there is one writer.").Enum("oj", "yajl", "json")
	p.Bool("add_newline", &f.newline, true, "End each record with a newline.")
}

// Format appends the record's JSON text.
func (f *jsonFormat) Format(dst []byte, _ string, e event.Event) ([]byte, error) {
	dst = e.Record.AppendJSON(dst)
	if f.newline {
		dst = append(dst, '\n')
	}
	return dst, nil
}
