package formatter

import (
	"time"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

type stdoutFormat struct{}

// NewStdout makes a stdout formatter: local time, tag, JSON.
func NewStdout(plugin.Env) plugin.Formatter { return &stdoutFormat{} }

func (f *stdoutFormat) Params(*param.Set) {}

// Format appends "2020-09-13 12:26:40.000000000 +0000 tag: {...}".
func (f *stdoutFormat) Format(dst []byte, tag string, e event.Event) ([]byte, error) {
	dst = e.Time.Std().In(time.Local).AppendFormat(dst, "2006-01-02 15:04:05.000000000 -0700 ")
	dst = append(append(dst, tag...), ": "...)
	return append(e.Record.AppendJSON(dst), '\n'), nil
}
