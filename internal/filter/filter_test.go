package filter

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/metrics"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// harness makes filters of configuration text and keeps what they log.
type harness struct {
	log bytes.Buffer
	env plugin.Env
}

func newHarness() *harness {
	h := &harness{}
	h.env = plugin.Env{
		Hostname: "host1", Metrics: metrics.New(),
		Log:    slog.New(slog.NewTextHandler(&h.log, &slog.HandlerOptions{ReplaceAttr: dropTime})),
		Parser: func(string) (plugin.Parser, error) { return lines{}, nil },
	}
	return h
}

func dropTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

// build decodes the body of a <filter> section into f.
func (h *harness) build(f plugin.Filter, body string) error {
	tree, err := conf.Parse("test.conf", []byte("<filter **>\n"+body+"\n</filter>"), conf.Options{})
	if err != nil {
		return err
	}
	var problems conf.Problems
	param.DecodePlugin(tree.Children[0], "filter ** (test)", &problems, f)
	return problems.Err()
}

// run filters one event at 1600000000 and prints what comes out, errors last.
func run(t testing.TB, f plugin.Filter, tag, json string) string {
	t.Helper()
	record, err := event.ParseRecord([]byte(json))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	err = f.Filter(tag, event.Event{Time: event.Time{Sec: 1600000000}, Record: record}, func(e event.Event) {
		line := string(e.Record.AppendJSON(nil))
		if e.Time.Sec != 1600000000 || e.Time.Nsec != 0 {
			line = fmt.Sprintf("%d.%09d ", e.Time.Sec, e.Time.Nsec) + line
		}
		out = append(out, line)
	})
	if before, _ := event.ParseRecord([]byte(json)); err != nil && event.Inspect(before) != event.Inspect(record) {
		t.Errorf("the failed event was changed: %s", event.Inspect(record))
	}
	if err != nil {
		out = append(out, "error: "+err.Error())
	}
	return strings.Join(out, "\n")
}

// in makes a zone the machine's own for a test.
func in(t testing.TB, zone string) {
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Skip("no time zones here: ", err)
	}
	old := time.Local
	time.Local = loc
	t.Cleanup(func() { time.Local = old })
}

// lines is a parser for tests: each line is a JSON object, "time" its time; "?" is
// text of another kind.
type lines struct{}

func (lines) Params(*param.Set) {}

func (lines) Parse(text []byte, yield func(event.Event) error) error {
	for line := range strings.SplitSeq(string(text), "\n") {
		r, err := event.ParseRecord([]byte(line))
		if err != nil {
			return otherKind{err}
		}
		e := event.Event{Time: event.NoTime(), Record: r}
		if v, ok := r.Delete("time"); ok {
			sec, ok := v.(int64)
			if !ok {
				return fmt.Errorf("invalid time format: %v", v)
			}
			e.Time = event.Time{Sec: sec}
		}
		if err := yield(e); err != nil {
			return err
		}
	}
	return nil
}

type otherKind struct{ error }

func (otherKind) NoMatch() bool { return true }
