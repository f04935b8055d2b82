package formatter

import (
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// hash writes the record as Ruby shows a hash: {"x"=>1}.
type hash struct{ newline }

// NewHash makes a hash formatter.
func NewHash(plugin.Env) plugin.Formatter { return new(hash) }

func (f *hash) Params(p *param.Set) { f.params(p) }

func (f *hash) Format(dst []byte, _ string, e event.Event) ([]byte, error) {
	return f.end(event.AppendText(dst, e.Record)), nil
}
