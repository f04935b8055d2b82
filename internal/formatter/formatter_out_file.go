package formatter

import (
	"time"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

type outFile struct{}

// NewOutFile makes an out_file formatter: time, tag, JSON, with tabs between.
func NewOutFile(plugin.Env) plugin.Formatter { return &outFile{} }

func (f *outFile) Params(*param.Set) {}

// Format appends "2020-09-13T12:26:40+00:00<TAB>tag<TAB>{...}".
func (f *outFile) Format(dst []byte, tag string, e event.Event) ([]byte, error) {
	dst = e.Time.Std().In(time.Local).AppendFormat(dst, "2006-01-02T15:04:05-07:00\t")
	dst = append(append(dst, tag...), '\t')
	return append(e.Record.AppendJSON(dst), '\n'), nil
}
