package filter

import (
	"os"
	"sync"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// stdoutFilter prints each event and passes it on.
type stdoutFilter struct {
	env       plugin.Env
	formatter plugin.Formatter
	inject    plugin.Inject

	mu   sync.Mutex
	line []byte
}

// NewStdout makes a stdout filter.
func NewStdout(env plugin.Env) plugin.Filter { return &stdoutFilter{env: env} }

func (f *stdoutFilter) Params(p *param.Set) {
	param.Plugin(p, "format", &f.formatter, "stdout", f.env.Formatter, "How a line looks.")
	f.inject.Params(p)
}

// Filter prints the event as one write.
func (f *stdoutFilter) Filter(tag string, e event.Event, emit func(event.Event)) error {
	f.mu.Lock()
	line, err := f.formatter.Format(f.line[:0], tag, f.inject.Apply(tag, e))
	if err == nil {
		f.line = line
		_, err = os.Stdout.Write(line)
	}
	f.mu.Unlock()
	if err != nil {
		return err
	}
	emit(e)
	return nil
}
