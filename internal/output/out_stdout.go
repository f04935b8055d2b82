package output

import (
	"context"
	"io"
	"os"
	"sync"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// stdout prints events as lines, after they are durable in the buffered outputs
// of the same request. It has no buffer: what it prints is not kept.
type stdout struct {
	env       plugin.Env
	mu        *sync.Mutex
	w         io.Writer
	formatter plugin.Formatter
	inject    plugin.Inject
	line      []byte
}

// stdoutLock keeps the lines of several stdout outputs apart: they share the
// process's standard output.
var stdoutLock sync.Mutex

// NewStdout makes a stdout output.
func NewStdout(env plugin.Env) plugin.Direct {
	return &stdout{env: env, mu: &stdoutLock, w: os.Stdout}
}

func (o *stdout) Params(p *param.Set) {
	param.Plugin(p, "format", &o.formatter, "stdout", o.env.Formatter, "How a line looks.")
	o.inject.Params(p)
}

// Emit prints the events, each as one write, so that lines of other writers do
// not come in between.
func (o *stdout) Emit(_ context.Context, tag string, es event.Stream) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, e := range es {
		line, err := o.formatter.Format(o.line[:0], tag, o.inject.Apply(tag, e))
		if err != nil {
			return &plugin.FormatError{Err: err}
		}
		o.line = line
		if _, err := o.w.Write(line); err != nil {
			return err
		}
	}
	return nil
}
