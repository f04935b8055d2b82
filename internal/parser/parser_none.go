package parser

import (
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// none makes one event of all the text, as it is.
type none struct {
	base
	messageKey string
}

// NewNone makes a none parser.
func NewNone(plugin.Env) plugin.Parser { return new(none) }

func (p *none) Params(s *param.Set) {
	s.String("message_key", &p.messageKey, "message", "Field that the text goes to.")
	p.params(s, defaults{})
}

func (p *none) Parse(text []byte, yield func(event.Event) error) error {
	return p.yield(event.NewRecord(p.messageKey, string(text)), yield)
}
