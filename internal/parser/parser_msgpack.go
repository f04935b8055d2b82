package parser

import (
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// msgpackParser reads maps, or arrays of maps, one behind the other.
type msgpackParser struct{ base }

// NewMsgpack makes a msgpack parser.
func NewMsgpack(plugin.Env) plugin.Parser { return new(msgpackParser) }

func (p *msgpackParser) Params(s *param.Set) { p.params(s, defaults{}) }

func (p *msgpackParser) Parse(b []byte, yield func(event.Event) error) error {
	if len(b) == 0 {
		return notMatched("there is no msgpack")
	}
	for len(b) > 0 {
		v, rest, err := event.ReadMsgpack(b)
		if err != nil {
			return &noMatch{err}
		}
		if err := p.yieldValue(v, yield); err != nil {
			return err
		}
		b = rest
	}
	return nil
}
