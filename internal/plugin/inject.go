package plugin

import (
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
)

// Inject is an <inject> section.
type Inject struct{}

// Params declares the section.
func (i *Inject) Params(*param.Set) {}

// Apply adds what the section asks for.
func (i *Inject) Apply(_ string, e event.Event) event.Event { return e }
