package formatter

import (
	"bytes"
	"fmt"
	"time"

	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// stdout writes the local time, the tag, and the record in another format:
// 2020-09-13 12:26:40.000000000 +0000 tag: {"a":1}
type stdout struct {
	env   plugin.Env
	kind  string
	rest  []conf.Param
	inner plugin.Formatter
}

// NewStdout makes a stdout formatter.
func NewStdout(env plugin.Env) plugin.Formatter { return &stdout{env: env} }

func (f *stdout) Params(p *param.Set) {
	p.String("output_type", &f.kind, "json", "Format of the record: the name of a formatter.")
	p.Rest(&f.rest, "Parameters of the formatter that output_type names.")
}

// Check makes the inner formatter, of the parameters that are not our own.
func (f *stdout) Check() error {
	if f.kind == "stdout" {
		return param.Errorf("output_type", "", "output_type stdout would hold itself")
	}
	inner, err := f.env.Formatter(f.kind)
	if err != nil {
		return param.Errorf("output_type", "", "%w", err)
	}
	f.inner = inner
	var problems conf.Problems
	n := &conf.Node{Name: "format", Params: f.rest}
	if len(f.rest) > 0 {
		n.Pos = f.rest[0].Pos
	}
	param.DecodePlugin(n, f.kind, &problems, inner)
	for _, w := range problems.Warnings {
		f.env.Log.Warn(w.Error())
	}
	return problems.Err()
}

func (f *stdout) Format(dst []byte, tag string, e event.Event) ([]byte, error) {
	dst = localTime(e).AppendFormat(dst, "2006-01-02 15:04:05.000000000 -0700")
	dst = append(append(append(dst, ' '), tag...), ": "...)
	start := len(dst)
	dst, err := f.inner.Format(dst, tag, e)
	if err != nil {
		return dst, fmt.Errorf("format as %s: %w", f.kind, err)
	}
	// The inner formatter may have ended the line already.
	body := bytes.TrimSuffix(dst[start:], []byte("\n"))
	body = bytes.TrimSuffix(body, []byte("\r"))
	return append(dst[:start+len(body)], '\n'), nil
}

// localTime is the event's time as Fluentd's fast printer shows it: of years from
// 10000 on, which come of milliseconds taken for seconds, only four digits. The
// calendar repeats every 400 years, so the rest of the date is right.
func localTime(e event.Event) time.Time {
	t := e.Time.Std().In(time.Local)
	if y := t.Year(); y > 9999 {
		t = t.AddDate(-y/10000*10000, 0, 0)
	}
	return t
}
