package formatter

import (
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// msgpack writes the record as a msgpack map, with nothing between events.
type msgpack struct{}

// NewMsgpack makes a msgpack formatter.
func NewMsgpack(plugin.Env) plugin.Formatter { return msgpack{} }

func (msgpack) Params(*param.Set) {}

func (msgpack) Format(dst []byte, _ string, e event.Event) ([]byte, error) {
	return event.AppendMsgpack(dst, e.Record), nil
}
