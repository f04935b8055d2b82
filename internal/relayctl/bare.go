package relayctl

import (
	"context"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
)

// bare is an output without parameters: what is left of a buffered output's
// declaration is what all of them have.
type bare struct{}

func (bare) Params(*param.Set) {}

func (bare) Format(dst []byte, _ string, _ event.Event) ([]byte, error) { return dst, nil }

func (bare) Write(context.Context, *buffer.Chunk) error { return nil }
