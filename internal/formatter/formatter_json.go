package formatter

import (
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// jsonFormatter writes the record as one line of JSON. A record that nothing
// changed is copied as it came.
type jsonFormatter struct {
	newline
	printer string
}

// NewJSON makes a json formatter.
func NewJSON(plugin.Env) plugin.Formatter { return new(jsonFormatter) }

func (f *jsonFormatter) Params(p *param.Set) {
	p.String("json_parser", &f.printer, "oj", "Fluentd's choice of printer; all print alike here.").Enum("oj", "yajl", "json")
	f.params(p)
}

func (f *jsonFormatter) Format(dst []byte, _ string, e event.Event) ([]byte, error) {
	return f.end(e.Record.AppendJSON(dst)), nil
}
