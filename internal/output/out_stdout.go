package output

import (
	"bytes"
	"context"
	"io"
	"os"
	"sync"

	"github.com/sluicelog/sluice/internal/buffer"
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
func NewStdout(env plugin.Env) plugin.Direct { return newStdout(env) }

// NewBufferedStdout makes a stdout output with a <buffer>: it prints when chunks
// are flushed.
func NewBufferedStdout(env plugin.Env) plugin.Output { return newStdout(env) }

func newStdout(env plugin.Env) *stdout {
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
		line, err := o.Format(o.line[:0], tag, e)
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

// Format appends an event as a line of its own: whatever line break the formatter
// makes, or leaves out, is replaced.
func (o *stdout) Format(dst []byte, tag string, e event.Event) ([]byte, error) {
	start := len(dst)
	dst, err := o.formatter.Format(dst, tag, o.inject.Apply(tag, e))
	if err != nil {
		return dst, err
	}
	body := bytes.TrimSuffix(dst[start:], []byte("\n"))
	body = bytes.TrimSuffix(body, []byte("\r"))
	return append(dst[:start+len(body)], '\n'), nil
}

// Write prints a chunk.
func (o *stdout) Write(_ context.Context, c *buffer.Chunk) error {
	body, err := c.Open()
	if err != nil {
		return err
	}
	defer body.Close()
	o.mu.Lock()
	defer o.mu.Unlock()
	_, err = io.Copy(o.w, body)
	return err
}
